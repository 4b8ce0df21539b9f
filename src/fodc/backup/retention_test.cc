// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/backup/node_mark.h"
#include "fodc/backup/run.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using State = AgedBackup::State;

// 2026-08-25 12:00 UTC, the zone of tests.
constexpr UnixTime kNow{std::chrono::seconds(1'787'659'200)};

std::vector<AgedBackup> Days(int first, int last) {
  std::vector<AgedBackup> all;
  for (int day = first; day <= last; ++day) {
    all.push_back({.time_dir = StrCat("2026-08-", day < 10 ? "0" : "", day),
                   .state = State::kComplete});
  }
  return all;
}

TEST(WhatGoes, WithoutRulesNothingDoes) {
  EXPECT_THAT(WhatGoes(Days(10, 25), {}, kNow), IsEmpty());
}

TEST(WhatGoes, TheNewestStayByNumberAndByAge) {
  EXPECT_THAT(WhatGoes(Days(21, 25), {.last = 2}, kNow),
              ElementsAre("2026-08-21", "2026-08-22", "2026-08-23"));
  // Of the 23rd the last hour is 36 hours ago.
  EXPECT_THAT(WhatGoes(Days(21, 25), {.within = std::chrono::hours(36)}, kNow),
              ElementsAre("2026-08-21", "2026-08-22"));
  // What one rule keeps is kept.
  EXPECT_THAT(
      WhatGoes(Days(21, 25), {.last = 1, .within = std::chrono::hours(24 * 30)},
               kNow),
      IsEmpty());
}

TEST(WhatGoes, OfDaysTheNewestHourStays) {
  std::vector<AgedBackup> all;
  for (const char* name : {"2026-08-23-22", "2026-08-23-23", "2026-08-24-01",
                           "2026-08-24-02", "2026-08-25-03", "2026-08-25-04"})
    all.push_back({.time_dir = name, .state = State::kComplete});
  EXPECT_THAT(WhatGoes(all, {.daily = 2}, kNow),
              ElementsAre("2026-08-23-22", "2026-08-23-23", "2026-08-24-01",
                          "2026-08-25-03"));
  EXPECT_THAT(WhatGoes(all, {.daily = 2, .hourly = 3}, kNow),
              ElementsAre("2026-08-23-22", "2026-08-23-23", "2026-08-24-01"));
}

// One that is not whole keeps no whole one from staying, and nothing goes for
// it.
TEST(WhatGoes, OnlyWholeOnesCount) {
  std::vector<AgedBackup> all = Days(21, 25);
  all[4].state = State::kPartial;
  all[3].state = State::kPartial;
  EXPECT_THAT(WhatGoes(all, {.last = 1}, kNow),
              ElementsAre("2026-08-21", "2026-08-22"));
  for (AgedBackup& b : all) b.state = State::kPartial;
  EXPECT_THAT(WhatGoes(all, {.last = 1}, kNow), IsEmpty());
}

TEST(WhatGoes, WhatAnotherToolMadeStaysAndWhatWasBegunIsEnded) {
  std::vector<AgedBackup> all = Days(21, 25);
  all[0].state = State::kUnknown;
  all[1].state = State::kGoing;
  EXPECT_THAT(WhatGoes(all, {.last = 4}, kNow), ElementsAre("2026-08-22"));
  EXPECT_THAT(WhatGoes(all, {.last = 1}, kNow),
              ElementsAre("2026-08-22", "2026-08-23", "2026-08-24"));
}

class RetentionTest : public ::testing::Test {
 protected:
  void Backup(const std::string& node) {
    const TempDirectory dir;
    ASSERT_THAT(WriteFileAtomically(dir.File("a"), "a"), IsOk());
    ASSERT_THAT(WriteFileAtomically(dir.File("b"), "b"), IsOk());
    RunOptions options{
        .snapshots =
            [&](const std::stop_token&) {
              return std::vector<Snapshot>{
                  {.catalog = "data", .name = "s", .directory = dir.path()}};
            },
        .catalog = {.node_id = node},
        .owner = "me"};
    RunProgress progress;
    ASSERT_EQ(RunBackup(store_, options, clock_, {}, &progress).outcome,
              Outcome::kSuccess);
  }
  FakeClock clock_;
  object_store::MemoryStore store_{SystemClock()};
};

TEST_F(RetentionTest, KnowsWhatThereIs) {
  Backup("node-1");  // on 2026-01-01
  clock_.Advance(std::chrono::hours(24));
  Backup("node-2");
  const auto all = ListAged(store_, "", {});
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].time_dir, "2026-01-01");
  EXPECT_EQ((*all)[0].state, State::kComplete);
  const auto mine = ListAged(store_, "node-2", {});
  ASSERT_EQ(mine->size(), 1u);
  EXPECT_EQ((*mine)[0].time_dir, "2026-01-02");
}

TEST_F(RetentionTest, ARemovalThatIsBrokenOffLeavesNoBackupAndIsEnded) {
  Backup("node-1");
  clock_.Advance(std::chrono::hours(24));
  Backup("node-1");
  // The files of the first are not to be deleted.
  store_.set_before([](std::string_view operation, std::string_view key) {
    return operation == "delete" && key.starts_with("2026-01-01/data/")
               ? Unavailable("no")
               : OkStatus();
  });
  EXPECT_THAT(RemoveBackup(store_, "2026-01-01", {}),
              StatusIs(Code::kUnavailable, "no"));
  EXPECT_THAT(store_.keys(), Contains("2026-01-01/data/a"));
  EXPECT_THAT(store_.keys(), Not(Contains("2026-01-01/.meta/data.json")));
  const auto all = ListAged(store_, "node-1", {});
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ((*all)[0].state, State::kGoing);
  EXPECT_THAT(WhatGoes(*all, {}, clock_.Unix()), ElementsAre("2026-01-01"));
  store_.set_before(nullptr);
  EXPECT_THAT(RemoveBackup(store_, "2026-01-01", {}), IsOk());
  EXPECT_THAT(store_.keys(), Not(Contains(StartsWith("2026-01-01"))));
  EXPECT_THAT(store_.keys(), Contains("2026-01-02/data/a"));
}

}  // namespace
}  // namespace fodc::backup
