// SPDX-License-Identifier: Apache-2.0
// Calls in flight while something changes: who is counted, where a process is,
// whether calls are sampled.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <string>
#include <thread>

#include "fodc/base/scan_text.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

int pipe_ends[2];

class KernelInFlightTest : public KernelTest {
 protected:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    (void)Path();
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  }
  void TearDown() override {
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }

  // Two calls of the pipe, told apart by their numbers, each of which waits for
  // a byte.
  static void ReadThenReadv() {
    char byte = 0;
    iovec v{&byte, 1};
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
    if (::readv(pipe_ends[0], &v, 1) != 1) ::abort();
  }
  static void LetOneGo() { FODC_CHECK(::write(pipe_ends[1], "x", 1) == 1); }

  // The one process of the group that is not `pid`.
  static pid_t OtherIn(const Group& group, pid_t pid) {
    pid_t other = 0;
    FODC_CHECK(test::WaitUntil([&] {
      const auto text = ReadFile(group.path() + "/cgroup.procs");
      std::string_view rest = text.ok() ? std::string_view(*text) : "";
      std::string_view line;
      while (NextLine(&rest, &line)) {
        const auto found = ParseUint(line);
        if (found && static_cast<pid_t>(*found) != pid) {
          other = static_cast<pid_t>(*found);
        }
      }
      return other != 0;
    }));
    return other;
  }
  static CallReading Pipe(const TargetReading& r) {
    return r.read->OfKind(FileKind::kPipe);
  }
  static std::uint64_t NoExit(const TargetReading& r) {
    return r.lost[static_cast<std::size_t>(Loss::kNoExit)];
  }
};

TEST_F(KernelInFlightTest, TwoCallsAroundAChangeOfTheFilterAreNeverOne) {
  Group group("fodc_in_flight");
  Worker target({&group}, [] {
    if (::fork() == 0) {
      ReadThenReadv();
      ::_exit(0);
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  ASSERT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  target.Run();
  const pid_t child = OtherIn(group, target.pid());
  AwaitSleepIn(child, SYS_read);
  {
    // As by `docker exec`: now the child is nobody's.
    Worker foreign({&group}, [] {});
    Set(*telemetry, {target.pid()});
    ASSERT_EQ(Read(*telemetry).state, FilterState::kByThreadGroup);
    LetOneGo();
    AwaitSleepIn(child, SYS_readv);
  }
  Set(*telemetry, {target.pid()});
  ASSERT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  LetOneGo();
  ASSERT_TRUE(test::WaitUntil([&] { return NoExit(Read(*telemetry)) == 1; }));
  EXPECT_EQ(Pipe(Read(*telemetry)).latency.Count(), 0u);
}

TEST_F(KernelInFlightTest, TwoCallsAroundAMoveOutAndBackAreNeverOne) {
  for (const std::size_t budget : {std::size_t{1} << 20, std::size_t{0}}) {
    Group group("fodc_in_flight");
    Worker target({&group}, ReadThenReadv);
    auto telemetry = Make({.in_flight_budget_bytes = budget});
    Set(*telemetry, {target.pid()});
    target.Go();
    AwaitSleepIn(target.pid(), SYS_read);
    Group::AddToRoot(target.pid());
    LetOneGo();
    AwaitSleepIn(target.pid(), SYS_readv);
    group.Add(target.pid());
    LetOneGo();
    target.AwaitDone();
    const auto r = Read(*telemetry);
    EXPECT_EQ(Pipe(r).latency.Count(), 0u);
    EXPECT_EQ(NoExit(r), 1u);
  }
}

TEST_F(KernelInFlightTest, AMoreOfThreadGroupsLeavesCallsInFlightAlone) {
  // In the root group: told by their numbers.
  Worker target({}, [] {
    char byte = 0;
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
  });
  Worker second({}, [] {});
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  target.Go();
  AwaitSleepIn(target.pid(), SYS_read);
  Set(*telemetry, {target.pid(), second.pid()});
  LetOneGo();
  target.AwaitDone();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Pipe(r).latency.Count(), 1u);
  EXPECT_EQ(Lost(r), 0u);
}

class KernelSamplingTest : public KernelInFlightTest {
 protected:
  // A target with two processes: one reads a file, so that it is sampled above
  // a call a second and not otherwise; the other is blocked in the pipe.
  KernelSamplingTest() : telemetry_(Telemetry::Create(Options(), clock_)) {}
  static TelemetryOptions Options() {
    return {.sample_above_per_second = 1, .sample_every = 16};
  }
  TargetReading ReadOneSecondLater() {
    clock_.Advance(std::chrono::seconds(1));
    return Read(*telemetry_);
  }

  FakeClock clock_;
  std::unique_ptr<Telemetry> telemetry_;
};

TEST_F(KernelSamplingTest, ACallThatWasTimedForItselfCountsOnce) {
  Group group("fodc_in_flight");
  Worker busy({&group}, [] { Pread(Path(), 16 * 16); });
  Worker blocked({&group}, ReadThenReadv);
  Set(*telemetry_, {busy.pid(), blocked.pid()});
  (void)Read(*telemetry_);
  blocked.Go();
  AwaitSleepIn(blocked.pid(), SYS_read);
  busy.Run();
  (void)ReadOneSecondLater();  // knows the rate now
  LetOneGo();
  AwaitSleepIn(blocked.pid(), SYS_readv);
  const auto r = ReadOneSecondLater();
  EXPECT_EQ(r.sample_every, 16u);
  EXPECT_EQ(Pipe(r).latency.Count(), 1u);
  EXPECT_EQ(Pipe(r).bytes, 1u);
}

TEST_F(KernelSamplingTest, ACallThatWasChosenCountsForTheOthers) {
  Group group("fodc_in_flight");
  Worker busy({&group}, [] { Pread(Path(), 16 * 16); });
  std::vector<std::unique_ptr<Worker>> blocked;
  // On one CPU at least 32 in a row: all of some 16, of which one is drawn.
  const unsigned workers = 32 * std::thread::hardware_concurrency();
  for (unsigned i = 0; i < workers; ++i) {
    blocked.push_back(
        std::make_unique<Worker>(std::vector<const Group*>{&group}, [] {
          char byte = 0;
          if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
        }));
  }
  std::vector<pid_t> pids = {busy.pid()};
  for (const auto& worker : blocked) pids.push_back(worker->pid());
  Set(*telemetry_, pids);
  (void)Read(*telemetry_);
  busy.Run();
  (void)ReadOneSecondLater();  // knows the rate now
  for (const auto& worker : blocked) {
    worker->Go();
    AwaitSleepIn(worker->pid(), SYS_read);
  }
  // Nothing has ended for a second: from here on each call is timed.
  EXPECT_EQ(ReadOneSecondLater().sample_every, 16u);
  for (std::size_t i = 0; i < blocked.size(); ++i) LetOneGo();
  for (const auto& worker : blocked) worker->AwaitDone();
  const auto r = ReadOneSecondLater();
  EXPECT_EQ(r.sample_every, 1u);
  const auto pipe = Pipe(r);
  EXPECT_GE(pipe.latency.Count(), 16u);
  EXPECT_EQ(pipe.latency.Count() % 16, 0u);
}

}  // namespace
}  // namespace fodc::kernel
