// SPDX-License-Identifier: Apache-2.0
// Who is counted, and from when on: neighbours, nested groups, restarts,
// containers made anew, several targets.
#include <bpf/bpf.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <string>
#include <thread>

#include "fodc/base/log_testing.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

class KernelFilterTest : public KernelTest {
 public:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  static void Read101() { Pread(Path(), 101); }

 protected:
  void SetUp() override {
    KernelTest::SetUp();
    (void)Path();
  }
};

TEST_F(KernelFilterTest, NeverCountsANeighbourOfTheSameName) {
  Group group("fodc_target");
  Group beside("fodc_target_beside");
  Worker target({&group}, Read101, "banyand");
  Worker neighbour({&beside}, Read101, "banyand");
  Worker outside({}, Read101, "banyand");
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  neighbour.Run();
  outside.Run();
  Read101();
  EXPECT_EQ(Preads(Read(*telemetry)), 0u);
  target.Run();
  neighbour.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, CountsATargetThatGivesItselfAnotherName) {
  Group group("fodc_target");
  Worker in_group({&group}, [] {
    Read101();
    (void)::prctl(PR_SET_NAME, "renamed");
    Read101();
  });
  Worker in_root({}, [] {
    Read101();
    (void)::prctl(PR_SET_NAME, "renamed");
    Read101();
  });
  for (Worker* worker : {&in_group, &in_root}) {
    auto telemetry = Make();
    Set(*telemetry, {worker->pid()});
    worker->Run();
    EXPECT_EQ(Preads(Read(*telemetry)), 202u);
  }
}

TEST_F(KernelFilterTest, CountsNestedGroups) {
  Group group("fodc_target");
  Worker target({&group}, [] {
    // Its child, in a group below.
    const pid_t child = ::fork();
    if (child == 0) {
      Read101();
      ::pause();
    }
    Read101();
  });
  Group nested("workers", group.path());
  Group deeper("deep", nested.path());
  auto telemetry = Make();
  Worker below({&deeper}, Read101);
  Set(*telemetry, {target.pid(), below.pid()});
  // One of the target's processes is below: the group of the first has both.
  const auto r = Read(*telemetry);
  ASSERT_EQ(r.state, FilterState::kByCgroup) << r.reason;
  EXPECT_EQ(r.cgroup_id, group.id());
  below.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  target.Run();
  EXPECT_TRUE(test::WaitUntil([&] { return Preads(Read(*telemetry)) == 303; }));
}

TEST_F(KernelFilterTest, CountsByThreadGroupInAForeignGroup) {
  Group group("fodc_target");
  Worker target({&group}, Read101);
  Worker other({&group}, Read101);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  const auto before = Read(*telemetry);
  EXPECT_EQ(before.state, FilterState::kByThreadGroup);
  EXPECT_EQ(before.reason, "foreign_process");
  other.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 0u);
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, CountsByThreadGroupInTheRootGroup) {
  Worker target({}, Read101);
  Worker other({}, Read101);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  const auto before = Read(*telemetry);
  EXPECT_EQ(before.state, FilterState::kByThreadGroup);
  other.Run();
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, GoesOnCountingWhenAProcessIsRestartedInItsGroup) {
  Group group("fodc_target");
  auto telemetry = Make();
  {
    Worker first({&group}, Read101);
    Set(*telemetry, {first.pid()});
    first.Run();
    EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  }
  // Nobody there: the container is, and the count.
  Set(*telemetry, {});
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  Worker second({&group}, Read101);
  // Before it is noticed: the group is what counts.
  second.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 202u);
  Set(*telemetry, {second.pid()});
  second.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 303u);
  EXPECT_EQ(r.life, 1u);
}

TEST_F(KernelFilterTest, BeginsAtZeroWithAContainerMadeAnew) {
  Group group("fodc_target");
  auto telemetry = Make();
  {
    Worker first({&group}, Read101);
    Set(*telemetry, {first.pid()});
    first.Run();
    EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  }
  group.Remove();
  Set(*telemetry, {});
  EXPECT_EQ(Read(*telemetry).reason, "no_target");
  group.Make();
  Worker second({&group}, Read101);
  Set(*telemetry, {second.pid()});
  auto r = Read(*telemetry);
  EXPECT_EQ(r.life, 2u);
  EXPECT_EQ(Preads(r), 0u);
  second.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  EXPECT_EQ(Lost(Read(*telemetry)), 0u);
}

TEST_F(KernelFilterTest, NoticesAProcessThatIsMovedWhileItRuns) {
  Group group("fodc_target");
  Worker keeper({&group}, [] {});
  Worker moved({}, [] {
    // Runs on, without a switch that would tell.
    for (;;) Read101();
  });
  auto telemetry = Make();
  Set(*telemetry, {keeper.pid()});
  moved.Go();
  EXPECT_EQ(Preads(Read(*telemetry)), 0u);
  group.Add(moved.pid());
  EXPECT_TRUE(test::WaitUntil([&] { return Preads(Read(*telemetry)) > 101; }));
  Group::AddToRoot(moved.pid());
  const auto left = Preads(Read(*telemetry));
  EXPECT_EQ(Preads(Read(*telemetry)), left);
}

TEST_F(KernelFilterTest, GoesOnCountingATargetThatIsMoved) {
  Group group("fodc_target");
  Worker target({&group}, Read101);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  target.Run();
  // Into a group below: it is counted before that is noticed.
  Group below("below", group.path());
  below.Add(target.pid());
  target.Run();
  Set(*telemetry, {target.pid()});
  EXPECT_EQ(Preads(Read(*telemetry)), 202u);
  target.Run();
  auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 303u);
  EXPECT_EQ(r.cgroup_id, below.id());
  // Out of it: from when that is noticed.
  Group beside("fodc_target_beside");
  beside.Add(target.pid());
  target.Run();
  Set(*telemetry, {target.pid()});
  EXPECT_EQ(Preads(Read(*telemetry)), 303u);
  target.Run();
  r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 404u);
  EXPECT_EQ(r.life, 1u);
  EXPECT_EQ(Lost(r), 0u);
}

TEST_F(KernelFilterTest, KeepsSeveralTargetsApart) {
  Group a("fodc_target_a");
  Group b("fodc_target_b");
  Worker first({&a}, Read101);
  Worker also_first({&a}, Read101);
  Worker second({&b}, [] { Pread(Path(), 211); });
  auto telemetry = Make({.max_targets = 2});
  const std::vector<TargetFilter> rows = {
      {.name = "a", .processes = {first.pid(), also_first.pid()}},
      {.name = "b", .processes = {second.pid()}}};
  telemetry->SetTargets(rows);
  first.Run();
  also_first.Run();
  second.Run();
  const auto readings = telemetry->Collect(&events_);
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(Preads(readings[0]), 202u);
  EXPECT_EQ(Preads(readings[1]), 211u);
  EXPECT_EQ(Lost(readings[0]) + Lost(readings[1]), 0u);
}

TEST_F(KernelFilterTest, KeepsSeveralTargetsOfOneGroupApart) {
  Group group("fodc_target");
  Worker first({&group}, Read101, "banyand");
  Worker second(
      {&group}, [] { Pread(Path(), 211); }, "banyand");
  auto telemetry = Make({.max_targets = 2});
  const std::vector<TargetFilter> rows = {
      {.name = "a", .processes = {first.pid()}},
      {.name = "b", .processes = {second.pid()}}};
  telemetry->SetTargets(rows);
  first.Run();
  second.Run();
  const auto readings = telemetry->Collect(&events_);
  ASSERT_EQ(readings.size(), 2u);
  for (const TargetReading& r : readings) {
    EXPECT_EQ(r.state, FilterState::kByThreadGroup);
    EXPECT_EQ(r.reason, "foreign_process");
    EXPECT_EQ(Lost(r), 0u);
  }
  EXPECT_EQ(Preads(readings[0]), 101u);
  EXPECT_EQ(Preads(readings[1]), 211u);
}

// Another target's process is a stranger in the group, also if it descends from
// this one's.
TEST_F(KernelFilterTest, CountsNoChildThatIsAnotherTarget) {
  Group group("fodc_target");
  static std::atomic<pid_t>* child = nullptr;
  void* at = ::mmap(nullptr, sizeof *child, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  child = new (at) std::atomic<pid_t>(0);
  Worker parent({&group}, [] {
    if (child->load() != 0) return Read101();
    const pid_t pid = ::fork();
    if (pid == 0) {
      while (child->load() > 0) ::usleep(200);
      Pread(Path(), 211);
      child->store(-2);
      ::pause();
    }
    child->store(pid);
  });
  parent.Run();
  auto telemetry = Make({.max_targets = 2});
  const std::vector<TargetFilter> rows = {
      {.name = "a", .processes = {parent.pid()}},
      {.name = "b", .processes = {child->load()}}};
  telemetry->SetTargets(rows);
  child->store(-1);
  EXPECT_TRUE(test::WaitUntil([] { return child->load() == -2; }));
  parent.Run();
  const auto readings = telemetry->Collect(&events_);
  (void)::munmap(at, sizeof *child);
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].reason, "foreign_process");
  EXPECT_EQ(Preads(readings[0]), 101u);
  EXPECT_EQ(Preads(readings[1]), 211u);
}

TEST_F(KernelFilterTest, TakesTheForcedGroupWhateverItHolds) {
  Group group("fodc_target");
  Worker somebody({&group}, Read101);
  auto telemetry = Make({.cgroup_path = "fodc_target"});
  Worker target({}, Read101);
  Set(*telemetry, {target.pid()});
  EXPECT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  somebody.Run();
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, TheForcedGroupIsTheTargetWithoutAnyProcessOfTheRow) {
  auto telemetry = Make({.cgroup_path = "fodc_target"});
  Set(*telemetry, {});
  EXPECT_EQ(Read(*telemetry).reason, "cgroup_path");
  Group group("fodc_target");
  Set(*telemetry, {});
  EXPECT_EQ(Read(*telemetry).reason, "no_target");
  EXPECT_EQ(telemetry->overview().programs, 0u);
  Worker somebody({&group}, Read101);
  Set(*telemetry, {});
  EXPECT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  somebody.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, FollowsATargetThatComesLater) {
  Group group("fodc_target");
  auto telemetry = Make();
  const LogCapture log;
  Set(*telemetry, {});
  EXPECT_EQ(telemetry->overview().programs, 0u);
  Worker target({&group}, Read101);
  Set(*telemetry, {target.pid()});
  Set(*telemetry, {target.pid()});
  EXPECT_EQ(log.Lines("follows a target").size(), 1u);
  EXPECT_GT(telemetry->overview().programs, 0u);
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
}

TEST_F(KernelFilterTest, DetachesWhenTheTargetHasGone) {
  Group group("fodc_target");
  FakeClock clock;
  TelemetryOptions options;
  auto telemetry = Telemetry::Create(options, clock);
  {
    Worker target({&group}, Read101);
    Set(*telemetry, {target.pid()});
    target.Run();
  }
  Set(*telemetry, {});
  EXPECT_GT(telemetry->overview().programs, 0u);
  clock.Advance(options.linger);
  Set(*telemetry, {});
  EXPECT_EQ(telemetry->overview().programs, 0u);
  EXPECT_EQ(telemetry->overview().families[0].reason, "no_target");
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  Worker again({&group}, Read101);
  Set(*telemetry, {again.pid()});
  again.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 202u);
  EXPECT_EQ(Lost(r), 0u);
}

// Overwrites what this process's map of the name holds under key 0.
void Wipe(const std::string& name) {
  const int fd = OwnMap(name);
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  FODC_CHECK(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
  const std::uint32_t key = 0;
  const std::vector<char> zero(info.value_size);
  FODC_CHECK(bpf_map_update_elem(fd, &key, zero.data(), BPF_ANY) == 0);
}

TEST_F(KernelFilterTest, SetsTheFilterAnewWhenItWentMissing) {
  Group group("fodc_target");
  Worker target({&group}, Read101);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  Wipe("filter");
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  Set(*telemetry, {target.pid()});
  target.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 202u);
}

// A process that gets the number, reads and ends; nothing if somebody else has
// the number by now.
bool ReadAsProcess(pid_t number) {
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<std::uint64_t>(&number);
  args.set_tid_size = 1;
  const long child = ::syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) {
    KernelFilterTest::Read101();
    ::_exit(0);
  }
  if (child < 0) return false;
  (void)::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return true;
}

TEST_F(KernelFilterTest, WhoGetsTheNumberOfADeadProcessIsNotCounted) {
  bool got = false;
  for (int round = 0; round < 10 && !got; ++round) {
    Worker keeper({}, Read101);
    Worker target({}, Read101);
    const pid_t number = target.pid();
    auto telemetry = Make();
    Set(*telemetry, {keeper.pid(), number});
    ASSERT_EQ(Read(*telemetry).state, FilterState::kByThreadGroup);
    target.Run();
    target.Kill(SIGKILL);
    (void)target.AwaitExit();
    got = ReadAsProcess(number);
    EXPECT_EQ(Preads(Read(*telemetry)), 101u);
    // Once the table says that it is the target's, it is.
    Set(*telemetry, {keeper.pid(), number});
    if (got && ReadAsProcess(number)) {
      EXPECT_EQ(Preads(Read(*telemetry)), 202u);
    }
    keeper.Run();
    EXPECT_GE(Preads(Read(*telemetry)), 202u);
  }
  EXPECT_TRUE(got);
}

TEST_F(KernelFilterTest, CountsByThreadGroupAgainAfterEachDeathAndRestart) {
  auto telemetry = Make();
  for (std::uint64_t round = 1; round <= 3; ++round) {
    // In the root group: the machine is the container, and it goes on.
    Worker target({}, Read101);
    Set(*telemetry, {target.pid()});
    target.Run();
    EXPECT_EQ(Preads(Read(*telemetry)), 101 * round);
  }
}

}  // namespace
}  // namespace fodc::kernel
