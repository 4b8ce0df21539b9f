// SPDX-License-Identifier: Apache-2.0
// What telemetry does at its limits: many threads, no room, kernels that lack
// something, its own death.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bpf/records.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/filter.h"
#include "tests/kernel/kernel_fixture.h"
#include "tests/support/process.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

class KernelLimitsTest : public KernelTest {
 protected:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  static void Read101() { Pread(Path(), 101); }
  // A thread for each of 2003, which reads seven times.
  static void ReadInThreads() {
    for (int batch = 0; batch < 2003; batch += 100) {
      std::vector<std::thread> threads;
      for (int i = batch; i < std::min(batch + 100, 2003); ++i) {
        threads.emplace_back([] { Pread(Path(), 7); });
      }
      for (std::thread& t : threads) t.join();
    }
  }
  void SetUp() override {
    KernelTest::SetUp();
    (void)Path();
  }
};

TEST_F(KernelLimitsTest, CountsThousandsOfThreads) {
  Group group("fodc_limits");
  Worker worker({&group}, ReadInThreads);
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  EXPECT_FALSE(telemetry->overview().uses_task_storage);
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 2003u * 7) << telemetry->overview().missed_runs;
  EXPECT_EQ(Lost(r), 0u) << ::testing::PrintToString(r.lost);
}

TEST_F(KernelLimitsTest, CountsThousandsOfThreadsInTaskStorage) {
  Group group("fodc_limits");
  Worker worker({&group}, ReadInThreads);
  auto telemetry = Make({.in_flight_budget_bytes = 0});
  Set(*telemetry, {worker.pid()});
  EXPECT_TRUE(telemetry->overview().uses_task_storage);
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 2003u * 7);
  EXPECT_EQ(Lost(r), 0u) << ::testing::PrintToString(r.lost);
}

TEST_F(KernelLimitsTest, CountsWhatFindsNoRoom) {
  // Thread ids are greater than what the kernel is said to give.
  LackingKernel kernel;
  kernel.pid_max = 2;
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  auto telemetry = Make({.kernel = &kernel});
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  const std::uint64_t others =
      r.write->kinds[0].latency.Count() + r.read->OfKind(FileKind::kPipe).bytes;
  EXPECT_EQ(others, 0u);
  EXPECT_EQ(Preads(r) + r.lost[static_cast<std::size_t>(Loss::kMapFull)], 101u);
  EXPECT_EQ(Preads(r), 0u);
}

TEST_F(KernelLimitsTest, TellsOfProcessesThatTheFilterHasNoRoomFor) {
  Worker worker({}, Read101);
  // None of the others is there; the kernel does not ask.
  std::vector<pid_t> processes(kMaxThreadGroups, worker.pid());
  std::iota(processes.begin() + 1, processes.end(), 1 << 22);
  auto telemetry = Make({.max_targets = 2});
  Set(*telemetry, processes);
  EXPECT_EQ(Read(*telemetry).reason, "root_cgroup");
  processes.push_back(1 << 23);
  Set(*telemetry, processes);
  EXPECT_EQ(Read(*telemetry).reason, "too_many_processes");
  const auto generation = [] {
    const std::uint32_t zero = 0;
    fodc_filter filter{};
    EXPECT_EQ(bpf_map_lookup_elem(OwnMap("filter"), &zero, &filter), 0);
    return filter.generation;
  };
  const std::uint32_t before = generation();
  Set(*telemetry, processes);
  EXPECT_EQ(generation(), before) << "calls in flight are void";
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(r.state, FilterState::kByThreadGroup);
  EXPECT_EQ(Preads(r), 101u);
  // It leaves another target its room.
  Worker small({}, Read101);
  const std::vector<TargetFilter> rows = {
      {.name = "large", .processes = processes},
      {.name = "small", .processes = {small.pid()}}};
  telemetry->SetTargets(rows);
  small.Run();
  const auto readings = telemetry->Collect(&events_);
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].reason, "too_many_processes");
  EXPECT_EQ(readings[1].reason, "root_cgroup");
  EXPECT_EQ(Preads(readings[1]), 101u);
}

TEST_F(KernelLimitsTest, WorksWithoutWhatOnlyNewerKernelsHave) {
  LackingKernel kernel;
  kernel.without = {"mm_filemap_get_pages", "block_io_start"};
  kernel.without_cast = true;
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  auto telemetry = Make({.kernel = &kernel});
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_EQ(r.state, FilterState::kByCgroup);
  EXPECT_EQ(r.read
                ->calls[static_cast<std::size_t>(ReadCall::kPread)]
                       [static_cast<std::size_t>(FileKind::kFile)]
                .latency.Count(),
            101u);
  ASSERT_TRUE(r.cache);
  EXPECT_FALSE(r.cache->lookups);
  const FamilyState& cache =
      telemetry->overview().families[static_cast<std::size_t>(Family::kCache)];
  EXPECT_TRUE(cache.on);
  EXPECT_EQ(cache.reason, "no_tracepoint");
}

TEST_F(KernelLimitsTest, CountsWithoutKnowingOfMovesDeathsAndSwitches) {
  LackingKernel kernel;
  kernel.without = {"sched_switch", "cgroup_attach_task", "sched_process_exit"};
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  Worker other({}, Read101);
  auto telemetry = Make({.kernel = &kernel});
  Set(*telemetry, {worker.pid()});
  worker.Run();
  other.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 101u);
  EXPECT_FALSE(r.sched);
  const auto& sched =
      telemetry->overview().families[static_cast<std::size_t>(Family::kSched)];
  EXPECT_FALSE(sched.on);
  EXPECT_EQ(sched.reason, "no_tracepoint");
}

TEST_F(KernelLimitsTest, OneHalfOfAPairIsOffWithoutTheOther) {
  LackingKernel kernel;
  kernel.without = {"sys_exit", "mm_vmscan_direct_reclaim_end"};
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  auto telemetry = Make({.kernel = &kernel});
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_FALSE(r.read);
  EXPECT_FALSE(r.write);
  EXPECT_TRUE(r.policy);
  ASSERT_TRUE(r.memory);
  EXPECT_FALSE(r.memory->direct_entries || r.memory->direct_stall_ns);
  EXPECT_EQ(r.memory->memcg_entries, 0u);
  EXPECT_TRUE(r.memory->scanned_pages);
  EXPECT_TRUE(r.cache);
}

TEST_F(KernelLimitsTest, TakesUpWhatWasRefusedAndKeepsCounting) {
  LackingKernel kernel;
  kernel.without = {"sys_enter", "mm_filemap_get_pages"};
  FakeClock clock;
  TelemetryOptions options;
  options.kernel = &kernel;
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  auto telemetry = Telemetry::Create(options, clock);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto before = Read(*telemetry);
  EXPECT_FALSE(before.read);
  ASSERT_TRUE(before.sched);
  EXPECT_GT(before.sched->run_queue_wait.Count(), 0u);
  kernel.without.clear();
  clock.Advance(options.retry_interval);
  Set(*telemetry, {worker.pid()});
  for (const FamilyState& family : telemetry->overview().families) {
    EXPECT_TRUE(family.on) << family.detail;
    EXPECT_EQ(family.reason, "") << family.detail;
  }
  worker.Run();
  const auto after = Read(*telemetry);
  EXPECT_EQ(Preads(after), 101u);
  EXPECT_EQ(after.cache->lookups, 101u);
  EXPECT_GE(after.sched->run_queue_wait.Count(),
            before.sched->run_queue_wait.Count());
}

TEST_F(KernelLimitsTest, NeedsNoTracefs) {
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool covered =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount("none", "/sys/kernel/tracing", "tmpfs", 0, nullptr) == 0 &&
        ::mount("none", "/sys/kernel/debug", "tmpfs", 0, nullptr) == 0;
    if (!covered) ::_exit(1);
    auto telemetry = Make();
    Set(*telemetry, {worker.pid()});
    for (const FamilyState& family : telemetry->overview().families) {
      if (!family.on || !family.reason.empty()) ::_exit(2);
    }
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(KernelLimitsTest, StaysWithinItsMemory) {
  for (const std::size_t targets : {std::size_t{1}, kMaxTargets}) {
    Group group("fodc_limits");
    Worker worker({&group}, Read101);
    auto telemetry = Make({.max_targets = targets});
    Set(*telemetry, {worker.pid()});
    const long cpus = ::sysconf(_SC_NPROCESSORS_CONF);
    const std::uint64_t bytes = telemetry->overview().map_bytes;
    EXPECT_GT(bytes, 512u << 10);
    EXPECT_LE(
        bytes,
        (2u << 20) + (32u << 10) * static_cast<std::uint64_t>(cpus) * targets);
  }
}

// As HeldBy, of the whole kernel, as bpftool lists it.
std::set<std::string> InKernel() {
  std::set<std::string> ids;
  for (const char* what : {"prog", "map", "link"}) {
    const auto list =
        test::RunToEnd({test::FindProgram("bpftool"), what, "list"});
    for (const std::string_view line : Split(list.out, '\n')) {
      const auto id = ParseUint(line.substr(0, line.find(':')));
      if (id) ids.insert(StrCat(what, " ", *id));
    }
  }
  return ids;
}

TEST_F(KernelLimitsTest, LeavesNothingBehindWhenItIsKilledWhileAttached) {
  Group group("fodc_limits");
  Worker worker({&group}, Read101);
  std::atomic<int>* attached = static_cast<std::atomic<int>*>(
      ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int round = 0; round < 2; ++round) {
    attached->store(0);
    const pid_t agent = ::fork();
    if (agent == 0) {
      auto telemetry = Make();
      Set(*telemetry, {worker.pid()});
      attached->store(telemetry->overview().programs > 10 ? 1 : 2);
      ::pause();
    }
    ASSERT_TRUE(test::WaitUntil([&] { return attached->load() != 0; }));
    EXPECT_EQ(attached->load(), 1);
    const std::set<std::string> held = HeldBy(agent);
    EXPECT_GT(held.size(), 40u);
    const std::set<std::string> there = InKernel();
    EXPECT_TRUE(
        std::includes(there.begin(), there.end(), held.begin(), held.end()));
    worker.Run();
    (void)::kill(agent, SIGKILL);
    (void)::waitpid(agent, nullptr, 0);
    // The kernel frees maps a moment later.
    std::vector<std::string> left;
    EXPECT_TRUE(test::WaitUntil([&] {
      left.clear();
      const std::set<std::string> all = InKernel();
      std::set_intersection(held.begin(), held.end(), all.begin(), all.end(),
                            std::back_inserter(left));
      return left.empty();
    })) << ::testing::PrintToString(left);
  }
  (void)::munmap(attached, sizeof(std::atomic<int>));
  // The next life counts from zero, and exactly.
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 101u);
  EXPECT_EQ(Lost(r), 0u) << ::testing::PrintToString(r.lost);
}

}  // namespace
}  // namespace fodc::kernel
