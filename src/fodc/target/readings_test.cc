// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/readings.h"

#include <sys/resource.h>
#include <unistd.h>

#include <map>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"
#include "fodc/target/counted_new.h"

#if !defined(FODC_SANITIZED)
#define FODC_COUNTS_ALLOCATIONS 1
#endif

namespace fodc::target {
namespace {

using ::testing::HasSubstr;

Row RowOf(pid_t pid) {
  const auto stat = ReadProcessStat(kProcRoot, pid);
  EXPECT_THAT(stat, IsOk());
  Row row;
  Instance instance;
  instance.number = 1;
  instance.pid = pid;
  instance.start_ticks = stat->start_ticks;
  instance.started_at = FromUnixMillis(1'767'225'600'500);
  row.instance = instance;
  return row;
}

TEST(TargetReaderTest, ReadsThisProcessAsTheKernelCountsIt) {
  TargetReader reader({}, SystemClock());
  const Row row = RowOf(::getpid());
  const TargetReadings r = reader.Read(row);
  EXPECT_EQ(r.instance, 1u);
  // A bare chroot has no groups to read.
  const bool has_groups = ::access("/sys/fs/cgroup/memory", F_OK) == 0 ||
                          ::access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0;
  EXPECT_EQ(reader.problem().empty(), has_groups) << reader.problem();
  rusage usage{};
  ASSERT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  const double tick = 1.0 / static_cast<double>(ClockTicksPerSecond());
  EXPECT_NEAR(
      r.process.cpu_user_seconds.value_or(-1) +
          r.process.cpu_system_seconds.value_or(-1),
      static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
          static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
              1e6,
      0.2 + tick);
  EXPECT_GT(r.process.resident_bytes.value_or(0), 1u << 20);
  EXPECT_GT(r.process.virtual_bytes, r.process.resident_bytes);
  EXPECT_GT(r.process.resident_anon_bytes.value_or(0), 0u);
  EXPECT_GE(r.process.threads.value_or(0), 1u);
  EXPECT_GT(r.process.minor_faults.value_or(0), 0u);
  EXPECT_TRUE(r.process.major_faults.has_value());
  EXPECT_TRUE(r.process.main_thread_voluntary_switches.has_value());
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(r.process.max_open_files, limit.rlim_cur);
  const auto before = reader.Read(row).process.open_files;
  const UniqueFd more(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(reader.Read(row).process.open_files.value_or(0),
            before.value_or(0) + 1);
}

TEST(TargetReaderTest, NeverGivesAnotherProcessesValues) {
  TargetReader reader({}, SystemClock());
  Row row = RowOf(::getpid());
  row.instance->start_ticks -= 1;
  const TargetReadings r = reader.Read(row);
  EXPECT_EQ(r.instance, 0u);
  EXPECT_EQ(r.process.resident_bytes, std::nullopt);
  EXPECT_EQ(r.process.max_open_files, std::nullopt);
}

TEST(TargetReaderTest, AProcessThatDiedHasNoValues) {
  TargetReader reader({}, SystemClock());
  ChildProcess child("fodc-t-read", -1);
  const Row row = RowOf(child.pid());
  EXPECT_EQ(reader.Read(row).instance, 1u);
  child.Kill();
  child.AwaitEnd();
  EXPECT_EQ(reader.Read(row).instance, 0u);
  child.Reap();
  EXPECT_EQ(reader.Read(row).instance, 0u);
  EXPECT_EQ(reader.Read(row).process.cpu_user_seconds, std::nullopt);
}

TEST(TargetReaderTest, CountsOpenFilesOfAnotherProcess) {
  TargetReader reader({}, SystemClock());
  ChildProcess child("fodc-t-fds", -1);
  const auto open = reader.Read(RowOf(child.pid())).process.open_files;
  EXPECT_EQ(open, ListDirectory(StrCat("/proc/", child.pid(), "/fd"))->size());
}

TEST(TargetReaderTest, ReadsTheContainerAndFollowsItsLimits) {
  TempDirectory tree;
  const std::map<std::string, std::string> files = {
      {"proc/7/stat",
       "7 (db) S 1 1 1 0 -1 0 10 0 2 0 150 50 0 0 20 0 3 0 4711 8192 2\n"},
      {"proc/7/limits", "Max open files            9          9  files\n"},
      {"proc/7/cgroup", "0::/db\n"},
      {"proc/7/fd/0", ""},
      {"proc/7/fd/1", ""},
      {"proc/self/mountinfo", "31 22 0:28 / /cg rw - cgroup2 cgroup2 rw\n"},
      {"cg/db/memory.current", "5000\n"},
      {"cg/db/memory.max", "9000\n"},
      {"cg/db/memory.stat",
       "anon 1\nfile 2\nactive_file 1000\n"
       "inactive_file 500\n"},
      {"cg/db/memory.events", "oom_kill 2\n"},
      {"cg/db/cpu.stat", "usage_usec 2500000\n"},
      {"cg/db/cpu.max", "50000 100000\n"},
  };
  WriteTree(tree.path(), files);
  FakeClock clock;
  ReaderOptions options;
  options.proc_root = tree.File("proc");
  options.sys_root = tree.path();
  TargetReader reader(options, clock);
  Row row;
  row.instance = Instance{.number = 5,
                          .pid = 7,
                          .start_ticks = 4711,
                          .comm = "db",
                          .started_at = {}};
  TargetReadings r = reader.Read(row);
  EXPECT_EQ(r.instance, 5u);
  EXPECT_EQ(r.process.cpu_user_seconds,
            150.0 / static_cast<double>(ClockTicksPerSecond()));
  EXPECT_EQ(r.process.threads, 3u);
  EXPECT_EQ(r.process.resident_bytes, 2 * PageBytes());
  EXPECT_EQ(r.process.swap_bytes, std::nullopt);
  EXPECT_EQ(r.process.max_open_files, 9u);
  EXPECT_THAT(reader.problem(), HasSubstr("proc/7/status"));
  ASSERT_TRUE(r.memory);
  EXPECT_EQ(r.memory->usage_bytes, 5000u);
  EXPECT_EQ(r.memory->charge_bytes, 3500u);
  EXPECT_EQ(r.memory->limit_bytes, 9000u);
  EXPECT_EQ(r.memory->oom_kill_events, 2u);
  ASSERT_TRUE(r.cpu);
  EXPECT_EQ(r.cpu->usage_seconds, 2.5);
  EXPECT_EQ(r.cpu->limit_cpus, 0.5);
  EXPECT_FALSE(r.pressure.memory);

  ASSERT_THAT(WriteFileAtomically(tree.File("cg/db/memory.max"), "7000\n"),
              IsOk());
  EXPECT_EQ(reader.Read(row).memory->limit_bytes, 9000u);
  clock.Advance(std::chrono::seconds(30));
  EXPECT_EQ(reader.Read(row).memory->limit_bytes, 7000u);
  // The container outlives its process: what killed it is still to be read.
  row.instance.reset();
  r = reader.Read(row);
  EXPECT_EQ(r.instance, 0u);
  ASSERT_TRUE(r.memory);
  EXPECT_EQ(r.memory->oom_kill_events, 2u);
}

// A file that could not be opened is not given up for the instance's life.
TEST(TargetReaderTest, ReadsAgainWhatFailedOnce) {
  TempDirectory tree;
  const auto put = [&](const std::string& name, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(tree.File("7/" + name), text), IsOk());
  };
  // A directory: opened, but not read. As bad as a lack of descriptors.
  ASSERT_THAT(MakeDirectories(tree.File("7/stat")), IsOk());
  FakeClock clock;
  ReaderOptions options;
  options.proc_root = tree.path();
  options.sys_root = tree.path();
  TargetReader reader(options, clock);
  Row row;
  row.instance = Instance{.number = 5,
                          .pid = 7,
                          .start_ticks = 4711,
                          .comm = "db",
                          .started_at = {}};
  EXPECT_EQ(reader.Read(row).instance, 0u);
  EXPECT_THAT(reader.problem(), HasSubstr("7/stat"));
  ASSERT_EQ(::rmdir(tree.File("7/stat").c_str()), 0);
  put("stat",
      "7 (db) S 1 1 1 0 -1 0 10 0 2 0 150 50 0 0 20 0 3 0 4711 8192 2\n");
  clock.Advance(std::chrono::seconds(30));
  EXPECT_EQ(reader.Read(row).instance, 5u);
  EXPECT_FALSE(reader.Read(row).process.read_storage_bytes.has_value());
  put("io",
      "rchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\nread_bytes: 9\n"
      "write_bytes: 10\ncancelled_write_bytes: 11\n");
  ASSERT_THAT(MakeDirectories(tree.File("7/fd/0")), IsOk());
  clock.Advance(std::chrono::seconds(30));
  const TargetReadings r = reader.Read(row);
  EXPECT_EQ(r.process.read_storage_bytes, 9u);
  EXPECT_TRUE(r.process.open_files.has_value());
}

TEST(MachineReaderTest, ReadsThisMachine) {
  MachineReader reader;
  const CgroupPressure r = reader.Read();
  if (!r.memory) GTEST_SKIP() << "SKIPPED: no /proc/pressure";
  EXPECT_TRUE(r.cpu && r.io);
}

TEST(MachineReaderTest, WhatIsNotThereIsAbsent) {
  TempDirectory tree;
  MachineReader reader(tree.path());
  const CgroupPressure r = reader.Read();
  EXPECT_FALSE(r.cpu || r.memory || r.io);
}

#ifdef FODC_COUNTS_ALLOCATIONS
TEST(TargetReaderTest, AllocatesNothingOnceItRuns) {
  FakeClock clock;
  TargetReader reader({}, clock);
  MachineReader machine;
  ChildProcess child("fodc-t-alloc", 0);
  const Row row = RowOf(child.pid());
  (void)reader.Read(row);
  (void)machine.Read();
  const std::uint64_t before = AllocationsSoFar();
  for (int i = 0; i < 20; ++i) {
    clock.Advance(std::chrono::seconds(1));
    EXPECT_EQ(reader.Read(row).instance, 1u);
    (void)machine.Read();
  }
  EXPECT_EQ(AllocationsSoFar() - before, 0u);
}

TEST(TargetTableTest, AllocatesNothingWhileNothingChanges) {
  FakeClock clock;
  ChildProcess child("fodc-t-table", -1);
  TargetTable table({{.pid = child.pid()}}, {}, clock);
  std::vector<Event> events;
  table.Check(&events);
  ASSERT_EQ(events.size(), 1u);
  const std::uint64_t before = AllocationsSoFar();
  for (int i = 0; i < 20; ++i) {
    clock.Advance(std::chrono::seconds(1));
    table.Check(&events);
  }
  EXPECT_EQ(AllocationsSoFar() - before, 0u);
}
#endif

}  // namespace
}  // namespace fodc::target
