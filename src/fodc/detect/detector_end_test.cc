// SPDX-License-Identifier: Apache-2.0
// What ends an incident, beside reads that are fast again, and what makes the
// detector begin anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/detect/detector.h"
#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DetectorEndTest, ATargetThatRestartsIsLearnedAnew) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.target.levels["fodc_target_pid"] = 43;
  const auto ended = s.Run(1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_FALSE(ended[0].is_open());
  EXPECT_THAT(ended[0].summary, HasSubstr("started anew"));
  EXPECT_EQ(s.State().phase, Phase::kLearning);
  EXPECT_EQ(s.State().learned_windows, 0u);
  EXPECT_THAT(s.Run(50), IsEmpty());
}

// Of the same process it says that the count was mended.
TEST(DetectorEndTest, ACountOfRestartsTellsWhereThePidDoesNot) {
  Scene s;
  s.db.target.levels["fodc_target_restarts_total"] = 0;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.target.levels["fodc_target_restarts_total"] = 5;
  EXPECT_THAT(s.Run(1), IsEmpty());
  EXPECT_EQ(s.State().phase, Phase::kIncident);
  s.db.target.levels.erase("fodc_target_pid");
  s.db.target.levels["fodc_target_restarts_total"] = 6;
  EXPECT_THAT(s.Run(1), SizeIs(1));
  EXPECT_EQ(s.State().phase, Phase::kLearning);
}

TEST(DetectorEndTest, APidThatIsUsedAgainIsARestart) {
  Scene s;
  s.db.target.levels["fodc_target_start_time_seconds"] = 1.6e9;
  s.Learn();
  s.db.target.levels["fodc_target_start_time_seconds"] = 1.7e9;
  s.Run(1);
  EXPECT_EQ(s.State().phase, Phase::kLearning);
}

// A container that is made again counts from zero.
TEST(DetectorEndTest, CountersThatGoBackAreARestart) {
  Scene s;
  s.Learn();
  s.db.kernel.counters.clear();
  EXPECT_THAT(s.Run(2), IsEmpty());
  EXPECT_EQ(s.State().phase, Phase::kLearning);
  EXPECT_LE(s.State().learned_windows, 1u);
}

TEST(DetectorEndTest, ATargetThatEndsEndsItsIncident) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.target.levels["fodc_target_up"] = 0;
  s.db.target.levels.erase("fodc_target_pid");
  const auto ended = s.Run(1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_THAT(ended[0].summary, HasSubstr("process has ended"));
}

// Kernel telemetry needs a group, not the process that the agent looks for.
TEST(DetectorEndTest, ATargetThatWasNeverSeenIsJudgedAllTheSame) {
  Scene s;
  s.db.target.levels["fodc_target_up"] = 0;
  s.db.target.levels.erase("fodc_target_pid");
  s.Learn();
  s.db.Cold();
  EXPECT_THAT(s.Run(5), SizeIs(1));
}

TEST(DetectorEndTest, SilenceEndsAnIncident) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.kernel.is_silent = true;
  EXPECT_THAT(s.Run(6), IsEmpty());
  const auto ended = s.Run(1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_THAT(ended[0].summary, HasSubstr("no readings of file reads"));
  EXPECT_EQ(s.State().phase, Phase::kNoReadings);
  EXPECT_THAT(s.State().reason, HasSubstr("ktm_read_latency_seconds"));
  // What is usual is still known when they come back.
  s.db.kernel.is_silent = false;
  s.db.Calm();
  s.Run(2);
  EXPECT_EQ(s.State().phase, Phase::kCalm);
}

TEST(DetectorEndTest, AFamilyThatVanishesIsSilence) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.kernel.Drop("ktm_read_latency_seconds");
  const auto ended = s.Run(7);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_FALSE(ended[0].is_open());
  EXPECT_EQ(s.State().phase, Phase::kNoReadings);
}

TEST(DetectorEndTest, WithoutReadLatenciesItSaysWhyItDoesNothing) {
  Scene s;
  s.db.kernel.Drop("ktm_read_latency_seconds");
  s.Run(3);
  EXPECT_EQ(s.State().phase, Phase::kNoReadings);
  EXPECT_THAT(s.State().reason,
              HasSubstr("there is no ktm_read_latency_seconds"));
}

TEST(DetectorEndTest, WhatLastsForLongBecomesUsual) {
  Options o;
  o.relearn_seconds = 600;
  Scene s(o);
  s.Learn();
  s.db.Cold();
  s.Run(60);
  ASSERT_FALSE(s.told.back().is_open());
  EXPECT_THAT(s.told.back().summary, HasSubstr("taken for usual"));
  EXPECT_EQ(s.State().phase, Phase::kLearning);
  const std::size_t told = s.told.size();
  s.Run(60);
  EXPECT_EQ(s.told.size(), told);
  EXPECT_EQ(s.State().phase, Phase::kCalm);
}

}  // namespace
}  // namespace fodc::detect
