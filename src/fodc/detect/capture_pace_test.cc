// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/capture_pace.h"

#include <gtest/gtest.h>

namespace fodc::detect {
namespace {

using namespace std::chrono_literals;
using Answer = CapturePace::Answer;

constexpr MonotonicTime kStart{1h};

TEST(CapturePaceTest, CooldownCountsFromTheBeginningOfWhatSucceeded) {
  CapturePace pace({.cooldown = 60s});
  EXPECT_EQ(pace.Ask(kStart), Answer::kGo);
  pace.Begin(kStart);
  EXPECT_EQ(pace.Ask(kStart + 9s), Answer::kInProgress);
  EXPECT_EQ(pace.Left(kStart + 9s), 0s);
  pace.End(kStart + 10s, true);
  EXPECT_EQ(pace.Ask(kStart + 59s), Answer::kCooldown);
  EXPECT_EQ(pace.Left(kStart + 59s), 1s);
  EXPECT_EQ(pace.Ask(kStart + 60s), Answer::kGo);
  EXPECT_EQ(pace.captured_at(), kStart);
}

TEST(CapturePaceTest, WaitsLongerWithEachThatBroughtNothing) {
  CapturePace pace({.first_retry = 1s, .longest_retry = 3s});
  MonotonicTime now = kStart;
  for (const auto wait : {1s, 2s, 3s, 3s}) {
    pace.Begin(now);
    pace.End(now, false);
    EXPECT_EQ(pace.Ask(now + wait - 1ns), Answer::kRetryLater);
    EXPECT_EQ(pace.Left(now + wait - 1ns), 1ns);
    now += wait;
    EXPECT_EQ(pace.Ask(now), Answer::kGo);
  }
  EXPECT_FALSE(pace.captured_at());
  pace.Begin(now);
  pace.End(now, true);
  pace.Begin(now);
  pace.End(now, false);
  EXPECT_EQ(pace.Left(now), 1s);  // from the beginning again
}

TEST(CapturePaceTest, OneThatBroughtNothingLeavesTheCooldownAsItIs) {
  CapturePace pace({.cooldown = 60s, .first_retry = 1s});
  pace.Begin(kStart);
  pace.End(kStart, true);
  pace.Begin(kStart + 10s);
  pace.End(kStart + 10s, false);
  EXPECT_EQ(pace.Ask(kStart + 10500ms), Answer::kRetryLater);
  EXPECT_EQ(pace.Ask(kStart + 11s), Answer::kCooldown);
  EXPECT_EQ(pace.captured_at(), kStart);
}

TEST(CapturePaceTest, CooldownOutlivesTheAgent) {
  CapturePace pace({.cooldown = 60s});
  pace.Restore(kStart, 50s);
  EXPECT_EQ(pace.Ask(kStart), Answer::kCooldown);
  EXPECT_EQ(pace.Left(kStart), 10s);
  EXPECT_EQ(pace.Ask(kStart + 10s), Answer::kGo);
}

TEST(CapturePaceTest, EarlierLifeLongAgoIsForgotten) {
  CapturePace pace({.cooldown = 60s});
  pace.Restore(kStart, 60s);
  EXPECT_EQ(pace.Ask(kStart), Answer::kGo);
  EXPECT_FALSE(pace.captured_at());
}

TEST(CapturePaceTest, WallClockSetBackCoolsNoLongerThanOnce) {
  CapturePace pace({.cooldown = 60s});
  pace.Restore(kStart, -24h);
  EXPECT_EQ(pace.Left(kStart), 60s);
}

TEST(CapturePaceTest, AnswersHaveNames) {
  EXPECT_EQ(CapturePaceName(Answer::kGo), "go");
  EXPECT_EQ(CapturePaceName(Answer::kInProgress), "in_progress");
  EXPECT_EQ(CapturePaceName(Answer::kCooldown), "cooldown");
  EXPECT_EQ(CapturePaceName(Answer::kRetryLater), "retry_later");
}

}  // namespace
}  // namespace fodc::detect
