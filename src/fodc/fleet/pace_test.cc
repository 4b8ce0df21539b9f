// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/pace.h"

#include <gtest/gtest.h>

namespace fodc::fleet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PaceTest : public ::testing::Test {
 protected:
  void Row(std::int64_t monotonic_ms, recorder::SourceId source = 1,
           recorder::Incarnation life = 7) {
    recorder::RowEntry row;
    row.name = {life, 1};
    row.source = source;
    row.time.monotonic_ms = monotonic_ms;
    pace_.OnRow(row, clock_.Monotonic());
  }
  milliseconds Age(std::int64_t monotonic_ms, recorder::Incarnation life = 7) {
    return pace_.AgeOf({life, 1}, {monotonic_ms, 0}, clock_.Monotonic());
  }
  void SetUp() override { pace_.Follow(7); }
  FakeClock clock_;
  Pace pace_;
};

TEST_F(PaceTest, FindsTheIntervalBesideFailedScrapes) {
  EXPECT_EQ(pace_.interval(), Pace::kUnknownInterval);
  Row(1000);
  EXPECT_EQ(pace_.interval(), Pace::kUnknownInterval);
  Row(3000);
  Row(7000);
  Row(9000);
  EXPECT_EQ(pace_.interval(), milliseconds(2000));
}

// The next one comes at its time on the grid, and so after a short step.
TEST_F(PaceTest, OneLateScrapeChangesNothing) {
  for (const std::int64_t at : {1000, 2000, 3000, 9470, 10'000, 11'000}) {
    Row(at);
    if (at > 2000) {
      EXPECT_EQ(pace_.interval(), milliseconds(1000)) << at;
    }
  }
}

TEST_F(PaceTest, TakesTheSlowestSource) {
  for (int i = 1; i < 5; ++i) {
    Row(i * 1000, 1);
    if (i % 2 == 0) Row(i * 1000 + 10, 2);
  }
  EXPECT_EQ(pace_.interval(), milliseconds(2000));
}

TEST_F(PaceTest, MeasuresAgesWithoutAWallClock) {
  Row(5000);
  EXPECT_EQ(Age(5000), milliseconds(0));
  clock_.Advance(seconds(3));
  EXPECT_EQ(Age(5000), milliseconds(3000));
  // What comes late after a break is old.
  Row(6000);
  EXPECT_EQ(Age(6000), milliseconds(2000));
}

TEST_F(PaceTest, ForgetsAnOffsetThatNoLongerHolds) {
  Row(0);
  // The agent's clock is slow: each minute takes it 61 s of ours.
  for (int i = 1; i < 10; ++i) {
    clock_.Advance(seconds(61));
    Row(i * 60'000);
  }
  EXPECT_LE(Age(9 * 60'000), milliseconds(2000));
}

TEST_F(PaceTest, StartsAnewWithEachLife) {
  Row(50'000'000);
  Row(50'001'000);
  Row(2000, 1, 6);
  EXPECT_EQ(Age(2000, 6), milliseconds::max()) << "not of the current life";
  // Lives have names, not numbers: the wall clock was set back.
  pace_.Follow(6);
  Row(2000, 1, 6);
  EXPECT_EQ(Age(2000, 6), milliseconds(0));
  pace_.Follow(8);
  Row(2000, 1, 8);
  EXPECT_EQ(Age(2000, 8), milliseconds(0));
  EXPECT_EQ(Age(50'001'000, 7), milliseconds::max());
  EXPECT_EQ(pace_.interval(), Pace::kUnknownInterval);
  Row(60'000'000, 1, 7);  // late news of the life before
  EXPECT_EQ(Age(2000, 8), milliseconds(0));
}

TEST_F(PaceTest, BearsAnything) {
  Row(INT64_MIN);
  Row(INT64_MAX);
  EXPECT_GE(Age(INT64_MIN), milliseconds(0));
  EXPECT_EQ(Age(INT64_MAX), milliseconds(0));
}

}  // namespace
}  // namespace fodc::fleet
