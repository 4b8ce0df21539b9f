// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/memory_gauge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr std::uint64_t kMib = 1 << 20;

// Process 42 in /a/b of one hierarchy, in a tree of files.
class MemoryGaugeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write({{"proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n"},
           {"proc/42/statm", "9999 300 100 1 0 200 0\n"}});
  }
  // In place, as the kernel does it: a kept descriptor sees it.
  void Write(const std::map<std::string, std::string>& files) {
    for (const auto& [path, text] : files) {
      ASSERT_THAT(MakeDirectories(tree_.File(path.substr(0, path.rfind('/')))),
                  IsOk());
      std::ofstream(tree_.File(path), std::ios::trunc) << text;
    }
  }
  void InV1() {
    Write({{"proc/42/cgroup", "4:memory:/a/b\n"},
           {"proc/self/mountinfo",
            "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n"},
           {"m/memory.limit_in_bytes", "9223372036854771712\n"},
           {"m/a/memory.limit_in_bytes", "9223372036854771712\n"},
           {"m/a/b/memory.limit_in_bytes", StrCat(8 * kMib, "\n")},
           {"m/a/b/memory.usage_in_bytes", StrCat(6 * kMib, "\n")},
           {"m/a/b/memory.stat",
            StrCat("cache 1\ntotal_inactive_file ", kMib,
                   "\ntotal_active_file ", 2 * kMib, "\n")}});
  }
  void InV2() {
    Write({{"proc/42/cgroup", "0::/a/b\n"},
           {"proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup2 x rw\n"},
           {"m/a/memory.max", "max\n"},
           {"m/a/b/memory.max", StrCat(8 * kMib, "\n")},
           {"m/a/b/memory.current", StrCat(7 * kMib, "\n")},
           {"m/a/b/memory.stat",
            StrCat("inactive_file ", kMib, "\nactive_file ", 2 * kMib,
                   "\nslab_reclaimable ", kMib, "\n")}});
  }
  Result<MemoryGauge> Open() {
    return MemoryGauge::Open(
        {.proc_root = tree_.File("proc"), .sys_root = tree_.path(), .pid = 42});
  }
  TempDirectory tree_;
};

TEST_F(MemoryGaugeTest, WithoutAGroupItIsResidentPagesOfTheMachine) {
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_FALSE(g->has_cgroup_limit());
  EXPECT_EQ(g->limit_bytes(), 16 * kMib);
  EXPECT_THAT(g->ReadBytes(), Optional(300 * PageBytes()));
  EXPECT_EQ(g->ReadCharge(), std::nullopt);
  EXPECT_THAT(g->last_error(), StatusIs(Code::kNotFound, HasSubstr("visible")));
}

TEST_F(MemoryGaugeTest, V1ChargesUsageLessActiveAndInactiveFilePages) {
  InV1();
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_TRUE(g->has_cgroup_limit());
  EXPECT_EQ(g->limit_bytes(), 8 * kMib);
  EXPECT_THAT(g->ReadBytes(), Optional(3 * kMib));
  EXPECT_THAT(g->ReadUsage(), Optional(6 * kMib));
  EXPECT_THAT(g->ReadResident(), Optional(300 * PageBytes()));
  EXPECT_EQ(g->group()->path, tree_.File("m/a/b"));
}

TEST_F(MemoryGaugeTest, BelowALineTheChargeIsEstimatedFromUsage) {
  InV1();
  Write({{"m/a/memory.usage_in_bytes", StrCat(5 * kMib)}});
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  // Nothing is known yet of the page cache: no less than it is.
  EXPECT_THAT(g->ReadBytesNear(7 * kMib), Optional(6 * kMib));
  EXPECT_THAT(g->ReadBytes(), Optional(3 * kMib));
  // It is not asked for there, whatever it says.
  Write({{"m/a/b/memory.stat", "damaged"},
         {"m/a/b/memory.usage_in_bytes", StrCat(7 * kMib - 1)}});
  EXPECT_THAT(g->ReadBytesNear(7 * kMib), Optional(4 * kMib - 1));
  EXPECT_EQ(g->ReadBytesNear(7 * kMib - 1), std::nullopt);
  Write({{"m/a/b/memory.usage_in_bytes", StrCat(2 * kMib)}});
  EXPECT_THAT(g->ReadBytesNear(7 * kMib), Optional(0));
  // Another limit, another group.
  Write({{"m/a/memory.limit_in_bytes", StrCat(7 * kMib)}});
  g->ReadLimits();
  EXPECT_THAT(g->ReadBytesNear(7 * kMib), Optional(5 * kMib));
}

TEST_F(MemoryGaugeTest, ChargeNearALineIsResidentPagesWithoutALimit) {
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_THAT(g->ReadBytesNear(1), Optional(300 * PageBytes()));
}

TEST_F(MemoryGaugeTest, V2TakesReclaimableSlabOffToo) {
  InV2();
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_THAT(g->ReadBytes(), Optional(3 * kMib));
}

TEST_F(MemoryGaugeTest, TheChargeIsThatOfTheGroupThatHasTheSmallestLimit) {
  InV1();
  Write(
      {{"m/a/memory.limit_in_bytes", StrCat(7 * kMib)},
       {"m/a/memory.usage_in_bytes", StrCat(6 * kMib + kMib / 2)},
       {"m/a/memory.stat", "total_inactive_file 4096\ntotal_active_file 0\n"}});
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_EQ(g->limit_bytes(), 7 * kMib);
  EXPECT_THAT(g->ReadBytes(), Optional(6 * kMib + kMib / 2 - 4096));
  EXPECT_EQ(g->group()->path, tree_.File("m/a"));
}

// In a container the mount shows no more than its own group.
TEST_F(MemoryGaugeTest, V1TellsOfALimitAboveAllThatIsVisible) {
  InV1();
  Write({{"m/memory.usage_in_bytes", StrCat(5 * kMib)},
         {"m/memory.stat",
          StrCat("hierarchical_memory_limit ", 6 * kMib,
                 "\ntotal_inactive_file 0\ntotal_active_file 0\n")}});
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_EQ(g->limit_bytes(), 6 * kMib);
  EXPECT_THAT(g->ReadBytes(), Optional(5 * kMib));
}

TEST_F(MemoryGaugeTest, AbsurdLimitsAreNone) {
  InV2();
  for (const char* limit : {"max", "0", "-1", "1000000000000000000",
                            "18446744073709551616", "", "8MiB"}) {
    Write({{"m/a/b/memory.max", limit}});
    auto g = Open();
    ASSERT_THAT(g, IsOk()) << limit;
    EXPECT_FALSE(g->has_cgroup_limit()) << limit;
    EXPECT_EQ(g->limit_bytes(), 16 * kMib) << limit;
  }
}

TEST_F(MemoryGaugeTest, ALimitThatCannotBeReadIsNone) {
  for (const bool in_v1 : {false, true}) {
    in_v1 ? InV1() : InV2();
    const std::string limit =
        in_v1 ? "m/a/b/memory.limit_in_bytes" : "m/a/b/memory.max";
    auto g = Open();
    ASSERT_THAT(g, IsOk());
    EXPECT_EQ(g->limit_bytes(), 8 * kMib);
    // It is no number while the process runs, is missing from the start, or
    // gives an error to whoever reads it.
    Write({{limit, "many"}});
    g->ReadLimits();
    EXPECT_FALSE(g->has_cgroup_limit());
    EXPECT_EQ(g->limit_bytes(), 16 * kMib);
    ASSERT_EQ(::unlink(tree_.File(limit).c_str()), 0);
    for (const bool is_there : {false, true}) {
      if (is_there) {
        ASSERT_THAT(MakeDirectories(tree_.File(limit)), IsOk());
      }
      auto other = Open();
      ASSERT_THAT(other, IsOk());
      EXPECT_FALSE(other->has_cgroup_limit()) << is_there;
      EXPECT_EQ(other->limit_bytes(), 16 * kMib) << is_there;
    }
  }
}

TEST_F(MemoryGaugeTest, AGroupWithoutALimitHasAChargeTooButIsNotTheMeasure) {
  InV2();
  Write({{"m/a/b/memory.max", "max"}});
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_THAT(g->ReadBytes(), Optional(300 * PageBytes()));
  EXPECT_THAT(g->ReadCharge(), Optional(3 * kMib));
  EXPECT_EQ(g->group()->path, tree_.File("m/a/b"));
}

TEST_F(MemoryGaugeTest, ALimitBeyondTheMachineIsTheMachine) {
  InV2();
  Write({{"m/a/b/memory.max", StrCat(64 * kMib)}});
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_FALSE(g->has_cgroup_limit());
  EXPECT_EQ(g->limit_bytes(), 16 * kMib);
}

TEST_F(MemoryGaugeTest, LimitsAreReadAnew) {
  InV2();
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  Write({{"m/a/b/memory.max", StrCat(4 * kMib)}});
  EXPECT_EQ(g->limit_bytes(), 8 * kMib);
  g->ReadKnownLimits();
  EXPECT_EQ(g->limit_bytes(), 4 * kMib);
  Write({{"m/a/b/memory.max", "max"}, {"m/a/memory.max", StrCat(12 * kMib)}});
  g->ReadLimits();
  EXPECT_EQ(g->limit_bytes(), 12 * kMib);
  EXPECT_EQ(g->group()->path, tree_.File("m/a"));
}

// As a supervisor does right after it has started a process.
TEST_F(MemoryGaugeTest, AProcessThatIsMovedIsFollowed) {
  InV2();
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_EQ(g->limit_bytes(), 8 * kMib);
  Write({{"m/c/memory.max", StrCat(4 * kMib, "\n")},
         {"m/c/memory.current", StrCat(3 * kMib, "\n")},
         {"m/c/memory.stat", "inactive_file 0\nactive_file 0\n"},
         {"proc/42/cgroup", "0::/c\n"}});
  g->ReadKnownLimits();
  EXPECT_EQ(g->limit_bytes(), 8 * kMib);  // not before it looks
  g->ReadLimits();
  EXPECT_EQ(g->limit_bytes(), 4 * kMib);
  EXPECT_THAT(g->ReadCharge(), Optional(3 * kMib));
  EXPECT_EQ(g->group()->path, tree_.File("m/c"));
  // Out of all groups.
  Write({{"proc/42/cgroup", "0::/\n"}});
  g->ReadLimits();
  EXPECT_FALSE(g->has_cgroup_limit());
}

TEST_F(MemoryGaugeTest, WhatIsNotUnderstoodIsNeverZero) {
  InV2();
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  Write({{"m/a/b/memory.current", "many\n"}});
  EXPECT_EQ(g->ReadBytes(), std::nullopt);
  EXPECT_THAT(g->last_error(),
              StatusIs(Code::kDataLoss, HasSubstr("memory.current")));
  Write({{"m/a/b/memory.current", "5\n"}, {"m/a/b/memory.stat", "anon 1\n"}});
  EXPECT_EQ(g->ReadBytes(), std::nullopt);
  EXPECT_THAT(g->last_error(),
              StatusIs(Code::kDataLoss, HasSubstr("memory.stat")));
  Write({{"proc/42/statm", "1\n"}});
  EXPECT_EQ(g->ReadResident(), std::nullopt);
  EXPECT_THAT(g->last_error(), StatusIs(Code::kDataLoss, HasSubstr("statm")));
}

TEST_F(MemoryGaugeTest, AGroupWhoseFilesAreMissingIsAnError) {
  InV2();
  ASSERT_EQ(::unlink(tree_.File("m/a/b/memory.stat").c_str()), 0);
  auto g = Open();
  ASSERT_THAT(g, IsOk());
  EXPECT_EQ(g->ReadBytes(), std::nullopt);
  EXPECT_THAT(g->last_error(),
              StatusIs(Code::kNotFound, HasSubstr("memory.stat")));
}

TEST_F(MemoryGaugeTest,
       AProcessThatIsGoneAndAMachineThatTellsNothingAreErrors) {
  Write({{"proc/meminfo", "MemFree: 1 kB\n"}});
  EXPECT_THAT(Open(), StatusIs(Code::kDataLoss, HasSubstr("MemTotal")));
  Write({{"proc/meminfo", "MemTotal: 1 kB\n"}});
  ASSERT_EQ(::unlink(tree_.File("proc/42/statm").c_str()), 0);
  EXPECT_THAT(Open(), StatusIs(Code::kNotFound, HasSubstr("42/statm")));
}

TEST(MemoryGaugeOfThisMachineTest, MeasuresThisProcess) {
  auto g = MemoryGauge::Open({});
  ASSERT_THAT(g, IsOk());
  EXPECT_THAT(g->ReadResident(), Optional(Ge(kMib)));
  EXPECT_THAT(g->ReadBytes(), Optional(Ge(kMib)));
  EXPECT_THAT(g->limit_bytes(), Ge(kMib));
}

}  // namespace
}  // namespace fodc
