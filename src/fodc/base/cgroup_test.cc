// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc {
namespace {

using ::testing::HasSubstr;

// A tree of files under a temporary directory: <tree>/proc and <tree>/sys/...
class CgroupTreeTest : public ::testing::Test {
 protected:
  void Write(const std::map<std::string, std::string>& files) {
    WriteTree(tree_.path(), files);
  }
  Result<CgroupPlace> Find() {
    return FindCgroup(tree_.File("proc"), 42, tree_.path());
  }
  CgroupReader Reader() {
    Result<CgroupPlace> place = Find();
    EXPECT_THAT(place, IsOk());
    return CgroupReader(place.ok() ? *place : CgroupPlace());
  }
  TempDirectory tree_;
};

// As in a container of Kubernetes with a cgroup namespace of the host.
const std::map<std::string, std::string> kV2Tree = {
    {"proc/42/cgroup", "0::/kubepods/pod1/db\n"},
    {"proc/self/mountinfo",
     "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
     "31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 "
     "cgroup2 rw,nsdelegate\n"},
    {"sys/fs/cgroup/kubepods/memory.max", "8000000000\n"},
    {"sys/fs/cgroup/kubepods/memory.high", "max\n"},
    {"sys/fs/cgroup/kubepods/cpu.max", "max 100000\n"},
    {"sys/fs/cgroup/kubepods/pod1/memory.max", "3000000000\n"},
    {"sys/fs/cgroup/kubepods/pod1/memory.high", "2500000000\n"},
    {"sys/fs/cgroup/kubepods/pod1/cpu.max", "150000 100000\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.max", "max\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.high", "2600000000\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.current", "1000000000\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.swap.current", "12\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.stat",
     "anon 500000000\nfile 450000000\nkernel 50000000\nactive_file 150000000\n"
     "inactive_file 300000000\nslab_reclaimable 20000000\npgfault 7\n"
     "workingset_refault_anon 31\nworkingset_refault_file 32\npgscan 33\n"
     "pgsteal 34\npgscan_direct 35\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.events",
     "low 0\nhigh 17\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/cpu.max", "200000 100000\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/cpu.stat",
     "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 9\n"
     "nr_throttled 4\nthrottled_usec 250000\nnr_bursts 0\n"},
    {"sys/fs/cgroup/kubepods/pod1/db/memory.pressure",
     "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n"
     "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
};

TEST_F(CgroupTreeTest, ReadsV2WithTheSmallestLimitOfAllAncestors) {
  Write(kV2Tree);
  CgroupReader reader = Reader();
  const auto m = reader.ReadMemory();
  ASSERT_THAT(m, IsOk());
  EXPECT_EQ(m->usage_bytes, 1000000000u);
  EXPECT_EQ(m->working_set_bytes, 700000000u);
  EXPECT_EQ(m->charge_bytes, 530000000u);
  EXPECT_EQ(m->anon_bytes, 500000000u);
  EXPECT_EQ(m->file_bytes, 450000000u);
  EXPECT_EQ(m->swap_bytes, 12u);
  EXPECT_EQ(m->kernel_bytes, 50000000u);
  EXPECT_EQ(m->anon_refault_pages, 31u);
  EXPECT_EQ(m->file_refault_pages, 32u);
  EXPECT_EQ(m->reclaim_scanned_pages, 33u);
  EXPECT_EQ(m->reclaimed_pages, 34u);
  EXPECT_EQ(m->limit_bytes, 3000000000u);
  EXPECT_EQ(m->high_bytes, 2500000000u);
  EXPECT_EQ(m->high_events, 17u);
  EXPECT_EQ(m->max_events, 3u);
  EXPECT_EQ(m->oom_events, 2u);
  EXPECT_EQ(m->oom_kill_events, 1u);
  EXPECT_EQ(m->oom_group_kill_events, 0u);
  EXPECT_EQ(m->under_oom, std::nullopt);
  const auto c = reader.ReadCpu();
  ASSERT_THAT(c, IsOk());
  EXPECT_EQ(c->usage_seconds, 2.5);
  EXPECT_EQ(c->user_seconds, 2.0);
  EXPECT_EQ(c->system_seconds, 0.5);
  EXPECT_EQ(c->periods, 9u);
  EXPECT_EQ(c->throttled_periods, 4u);
  EXPECT_EQ(c->throttled_seconds, 0.25);
  EXPECT_EQ(c->limit_cpus, 1.5);
  const CgroupPressure p = reader.ReadPressure();
  ASSERT_TRUE(p.memory && p.memory->some);
  EXPECT_EQ(p.memory->some->total_us, 4u);
  EXPECT_FALSE(p.cpu);
  EXPECT_FALSE(p.io);
}

TEST_F(CgroupTreeTest, LimitsThatChangeAreSeenByTheNextReadOfLimits) {
  Write(kV2Tree);
  CgroupReader reader = Reader();
  EXPECT_EQ(reader.ReadMemory()->limit_bytes, 3000000000u);
  EXPECT_FALSE(reader.ReadPressure().io);
  Write({{"sys/fs/cgroup/kubepods/pod1/memory.max", "max\n"},
         {"sys/fs/cgroup/kubepods/memory.max", "max\n"},
         {"sys/fs/cgroup/kubepods/pod1/db/io.pressure",
          "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n"}});
  EXPECT_EQ(reader.ReadMemory()->limit_bytes, 3000000000u);
  EXPECT_FALSE(reader.ReadPressure().io);
  reader.ReadLimits();
  EXPECT_EQ(reader.ReadMemory()->limit_bytes, std::nullopt);
  EXPECT_TRUE(reader.ReadPressure().io);
}

// v1 inside of a container: the mount shows only the container's own group,
// and the limit of a pod above it shows only in memory.stat.
const std::map<std::string, std::string> kV1Tree = {
    {"proc/42/cgroup",
     "11:memory:/docker/abc/db\n10:cpu,cpuacct:/docker/abc/db\n"
     "1:name=systemd:/docker/abc/db\n0::/\n"},
    {"proc/self/mountinfo",
     "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup "
     "rw,cpu,cpuacct\n"
     "35 31 0:32 /docker/abc /sys/fs/cgroup/memory\\040one ro,nosuid - cgroup "
     "cgroup rw,memory\n"
     "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"},
    {"sys/fs/cgroup/memory one/memory.limit_in_bytes", "900000000\n"},
    {"sys/fs/cgroup/memory one/db/memory.limit_in_bytes",
     "9223372036854771712\n"},
    {"sys/fs/cgroup/memory one/db/memory.usage_in_bytes", "100000000\n"},
    {"sys/fs/cgroup/memory one/db/memory.failcnt", "5\n"},
    {"sys/fs/cgroup/memory one/db/memory.kmem.usage_in_bytes", "7000000\n"},
    {"sys/fs/cgroup/memory one/db/memory.oom_control",
     "oom_kill_disable 0\nunder_oom 1\noom_kill 7\n"},
    {"sys/fs/cgroup/memory one/db/memory.stat",
     "cache 1\nrss 2\ninactive_file 3\nactive_file 4\n"
     "hierarchical_memory_limit 800000000\nhierarchical_memsw_limit 9\n"
     "total_cache 40000000\ntotal_rss 60000000\ntotal_swap 0\n"
     "total_inactive_file 30000000\ntotal_active_file 10000000\n"
     "workingset_refault_file 40\ntotal_workingset_refault_anon 41\n"
     "total_workingset_refault_file 42\n"},
    {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"},
    {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
    {"sys/fs/cgroup/cpu,cpuacct/db/cpu.cfs_quota_us", "-1\n"},
    {"sys/fs/cgroup/cpu,cpuacct/db/cpu.cfs_period_us", "100000\n"},
    {"sys/fs/cgroup/cpu,cpuacct/db/cpu.stat",
     "nr_periods 10\nnr_throttled 2\nthrottled_time 1500000000\n"},
    {"sys/fs/cgroup/cpu,cpuacct/db/cpuacct.usage", "3250000000\n"},
    {"sys/fs/cgroup/cpu,cpuacct/db/cpuacct.stat", "user 200\nsystem 100\n"},
};

TEST_F(CgroupTreeTest, ReadsV1WithTheHierarchicalLimitOfMemoryStat) {
  Write(kV1Tree);
  CgroupReader reader = Reader();
  ASSERT_TRUE(reader.place().memory);
  EXPECT_EQ(reader.place().memory->version, CgroupVersion::kV1);
  EXPECT_EQ(reader.place().memory->path,
            tree_.File("sys/fs/cgroup/memory one/db"));
  const auto m = reader.ReadMemory();
  ASSERT_THAT(m, IsOk());
  EXPECT_EQ(m->usage_bytes, 100000000u);
  EXPECT_EQ(m->working_set_bytes, 70000000u);
  EXPECT_EQ(m->charge_bytes, 60000000u);
  EXPECT_EQ(m->limit_bytes, 800000000u);
  EXPECT_EQ(m->high_bytes, std::nullopt);
  EXPECT_EQ(m->kernel_bytes, 7000000u);
  EXPECT_EQ(m->anon_refault_pages, 41u);
  EXPECT_EQ(m->file_refault_pages, 42u);
  EXPECT_EQ(m->reclaim_scanned_pages, std::nullopt);
  EXPECT_EQ(m->max_events, 5u);
  EXPECT_EQ(m->oom_kill_events, 7u);
  EXPECT_EQ(m->under_oom, true);
  EXPECT_EQ(m->oom_events, std::nullopt);
  const auto c = reader.ReadCpu();
  ASSERT_THAT(c, IsOk());
  EXPECT_EQ(c->usage_seconds, 3.25);
  EXPECT_EQ(c->user_seconds,
            200.0 / static_cast<double>(ClockTicksPerSecond()));
  EXPECT_EQ(c->limit_cpus, 2.5);
  EXPECT_EQ(c->throttled_seconds, 1.5);
}

TEST_F(CgroupTreeTest, WhatAGroupDoesNotShowIsAbsentNotZero) {
  Write({{"proc/42/cgroup", "0::/\n"},
         {"proc/self/mountinfo",
          "31 22 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
         // The root group has no limits and no memory.current.
         {"sys/fs/cgroup/memory.stat", "anon 5\nfile 6\nactive_file 1\n"}});
  CgroupReader reader = Reader();
  const auto m = reader.ReadMemory();
  ASSERT_THAT(m, IsOk());
  EXPECT_EQ(m->anon_bytes, 5u);
  EXPECT_EQ(m->usage_bytes, std::nullopt);
  EXPECT_EQ(m->charge_bytes, std::nullopt);
  EXPECT_EQ(m->limit_bytes, std::nullopt);
  EXPECT_THAT(reader.ReadCpu(),
              StatusIs(Code::kNotFound, HasSubstr("cpu.stat")));
}

TEST(ParseMemoryLimitTest, KnowsTheWordsForNone) {
  for (const char* none : {"max\n", "0\n", "-1\n", "9223372036854771712\n"}) {
    EXPECT_THAT(ParseMemoryLimit(none),
                IsOkAndHolds(std::optional<std::uint64_t>()))
        << none;
  }
  EXPECT_THAT(ParseMemoryLimit("4096\n"),
              IsOkAndHolds(std::optional<std::uint64_t>(4096)));
  EXPECT_FALSE(ParseMemoryLimit("").ok());
  EXPECT_FALSE(ParseMemoryLimit("1G").ok());
}

TEST(ParseCpuMaxTest, NeverGuesses) {
  EXPECT_THAT(ParseCpuMax("max 100000\n"),
              IsOkAndHolds(std::optional<double>()));
  EXPECT_FALSE(ParseCpuMax("50000 0\n").ok());
  EXPECT_FALSE(ParseCpuMax("many 100000\n").ok());
  EXPECT_FALSE(ParseCpuMax("").ok());
}

TEST(ParseMemoryStatTest, NamesTheLineThatIsNoNumber) {
  CgroupMemory m;
  EXPECT_THAT(ParseMemoryStatV2("anon x\n", &m),
              StatusIs(Code::kDataLoss, HasSubstr("anon")));
}

TEST(CgroupReaderTest, ReadsThisMachine) {
  const auto place = FindCgroup(kProcRoot, ::getpid());
  if (!place.ok()) GTEST_SKIP() << "SKIPPED: " << place.status().message();
  CgroupReader reader(*place);
  if (place->memory) {
    const auto m = reader.ReadMemory();
    ASSERT_THAT(m, IsOk());
    EXPECT_TRUE(m->usage_bytes || m->anon_bytes);
    if (m->usage_bytes && m->charge_bytes) {
      EXPECT_LE(*m->charge_bytes, *m->usage_bytes);
    }
  }
  if (place->cpu) {
    EXPECT_THAT(reader.ReadCpu(), IsOk());
  }
  // Again, through the same descriptors.
  if (place->memory) {
    EXPECT_THAT(reader.ReadMemory(), IsOk());
  }
}

// A group of our own with a limit, a child in it, and the kernel's own numbers.
class RealCgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto own = FindCgroup(kProcRoot, ::getpid());
    if (!own.ok() || !own->memory) {
      GTEST_SKIP() << "SKIPPED: no memory controller is visible";
    }
    v1_ = own->memory->version == CgroupVersion::kV1;
    parent_ = StrCat(own->memory->mount, "/fodc-test-", ::getpid());
    group_ = parent_ + "/inner";
    if (::mkdir(parent_.c_str(), 0755) != 0) {
      GTEST_SKIP() << "SKIPPED: "
                   << ErrnoStatus(errno, "mkdir " + parent_).message();
    }
    if (!v1_) (void)Put(parent_ + "/cgroup.subtree_control", "+memory");
    if (::mkdir(group_.c_str(), 0755) != 0 ||
        !Put(StrCat(parent_, v1_ ? "/memory.limit_in_bytes" : "/memory.max"),
             "67108864")) {
      GTEST_SKIP() << "SKIPPED: "
                   << ErrnoStatus(errno, "set a limit in " + parent_).message();
    }
  }
  void TearDown() override {
    if (child_ > 0) {
      (void)::kill(child_, SIGKILL);
      (void)::waitpid(child_, nullptr, 0);
    }
    // A group can be removed once the kernel has let go of the dead.
    for (int i = 0; i < 500; ++i) {
      if (::rmdir(group_.c_str()) == 0 || errno == ENOENT) break;
      ::usleep(1000);
    }
    (void)::rmdir(parent_.c_str());
  }
  static bool Put(const std::string& path, std::string_view text) {
    FILE* f = ::fopen(path.c_str(), "we");
    if (f == nullptr) return false;
    const bool written =
        ::fwrite(text.data(), 1, text.size(), f) == text.size();
    return ::fclose(f) == 0 && written;
  }
  bool v1_ = true;
  std::string parent_;
  std::string group_;
  pid_t child_ = -1;
};

TEST_F(RealCgroupTest, FindsTheChildsGroupItsUsageAndTheLimitAbove) {
  constexpr std::size_t kBytes = 20u << 20;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd hear(ends[0]);
  UniqueFd tell(ends[1]);
  child_ = ::fork();
  ASSERT_GE(child_, 0);
  if (child_ == 0) {
    if (!Put(group_ + "/cgroup.procs", "0")) ::_exit(1);
    char* p = static_cast<char*>(::malloc(kBytes));
    for (std::size_t i = 0; i < kBytes; i += 4096) {
      static_cast<volatile char*>(p)[i] = 1;
    }
    if (::write(tell.get(), "x", 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  tell.reset();
  char c = 0;
  ASSERT_EQ(::read(hear.get(), &c, 1), 1)
      << "the child cannot enter " << group_;
  const auto place = FindCgroup(kProcRoot, child_);
  ASSERT_THAT(place, IsOk());
  ASSERT_TRUE(place->memory);
  EXPECT_EQ(place->memory->path, group_);
  CgroupReader reader(*place);
  const auto m = reader.ReadMemory();
  ASSERT_THAT(m, IsOk());
  EXPECT_EQ(m->limit_bytes, 67108864u);
  EXPECT_GE(m->usage_bytes.value_or(0), kBytes);
  EXPECT_LT(m->usage_bytes.value_or(0), 67108864u);
  EXPECT_GE(m->charge_bytes.value_or(0), kBytes / 2);
  EXPECT_GE(m->anon_bytes.value_or(0), kBytes / 2);
  EXPECT_EQ(m->oom_kill_events, 0u);
  const auto usage = ReadFile(
      StrCat(group_, v1_ ? "/memory.usage_in_bytes" : "/memory.current"));
  const std::uint64_t own = ParseUint(Trim(*usage)).value_or(0);
  EXPECT_NEAR(static_cast<double>(own), static_cast<double>(*m->usage_bytes),
              2e6);
}

}  // namespace
}  // namespace fodc
