// SPDX-License-Identifier: Apache-2.0
// What windows of few reads say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/detect/detector.h"
#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(FewReadsTest, FastOnesSayNothing) {
  Scene s;
  s.Learn();
  s.db.Reads({{2e-6, 8}});  // 80 in a window
  s.Run(1);
  EXPECT_EQ(s.State().phase, Phase::kFewReads);
  EXPECT_EQ(s.State().reason,
            "the newest window has 80 reads of files, 100 are needed");
  EXPECT_THAT(s.Run(20), IsEmpty());
}

// Eight threads and a disk that answers in four seconds: the worst makes the
// fewest reads.
TEST(FewReadsTest, AStallIsAnIncidentFromItsFirstWindowOn) {
  Scene s;
  s.Learn();
  s.db.Reads({{4, 2}});
  const auto started = s.Run(3);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(NumberOf(started[0], "window_reads"), 20);
  EXPECT_GT(NumberOf(started[0], "read_p50_seconds"), 2);
  EXPECT_LT(NumberOf(started[0], "baseline_read_p50_seconds"), 3e-6);
  s.Run(30);
  EXPECT_EQ(s.State().phase, Phase::kIncident);
}

TEST(FewReadsTest, AStallOfOneThreadIsAnIncident) {
  Scene s;
  s.Learn();
  s.db.Reads({{4, 0.25}});  // one after the other
  EXPECT_THAT(s.Run(3), SizeIs(1));
}

// It must not end its own incident.
TEST(FewReadsTest, AnIncidentThatBecomesAStallHolds) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.Reads({{4, 0.25}});
  s.Run(20);
  EXPECT_EQ(s.State().phase, Phase::kIncident);
}

TEST(FewReadsTest, AnIncidentWhoseReadsCeaseEnds) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.Reads({{4e-3, 0.5}});  // slow, but nobody waits
  s.Run(6);
  EXPECT_FALSE(s.told.back().is_open());
  EXPECT_THAT(s.told.back().summary, HasSubstr("too few file reads"));
}

// At night there are 60 reads in a window, some of them cold.
TEST(FewReadsTest, AFewSlowOnesAmongThemHoldNoIncident) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.Reads({{2e-6, 3.5}, {4e-3, 2.5}});
  s.Run(6);
  EXPECT_FALSE(s.told.back().is_open());
}

TEST(FewReadsTest, AFewSlowOnesAmongThemOpenNone) {
  Scene s;
  s.Learn();
  s.db.Slow();
  s.Run(1);
  s.db.Reads({{2e-6, 4.9}, {4, 0.1}});  // 50, of which one is slow
  EXPECT_THAT(s.Run(10), IsEmpty());
}

}  // namespace
}  // namespace fodc::detect
