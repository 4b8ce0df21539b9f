// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/pressure_trigger.h"

#include <gtest/gtest.h>

#include <limits>

namespace fodc::detect {
namespace {

using namespace std::chrono_literals;
using Reason = PressureReason;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kLimit = 1000 * kMiB;

// Memory is in MiB of a limit of 1000; samples come a second apart.
class PressureTriggerTest : public ::testing::Test {
 protected:
  Reason Look(std::uint64_t mib, std::chrono::nanoseconds after = 1s) {
    now_ += after;
    return trigger_
        .OnSample({.at = now_,
                   .measure = PressureMeasure::kCharge,
                   .bytes = mib * kMiB,
                   .limit_bytes = kLimit})
        .reason;
  }
  void Captured(bool has_evidence = true) {
    trigger_.OnCaptured(now_, has_evidence);
  }
  void Use(const PressureOptions& options) {
    trigger_ = PressureTrigger(options);
  }

  MonotonicTime now_{1h};
  PressureTrigger trigger_{PressureOptions()};
};

TEST_F(PressureTriggerTest, FiresAtTheLineNotBelow) {
  EXPECT_EQ(Look(749), Reason::kBelow);
  EXPECT_EQ(Look(750), Reason::kLine);
  EXPECT_TRUE(trigger_.last().fires());
  EXPECT_EQ(trigger_.last().threshold_bytes, 750 * kMiB);
  EXPECT_EQ(trigger_.last().hard_bytes, 900 * kMiB);
  EXPECT_EQ(trigger_.last().sample.bytes, 750 * kMiB);
}

TEST_F(PressureTriggerTest, OneCaptureAtATimeEvenAtTheHardLine) {
  EXPECT_EQ(Look(800), Reason::kLine);
  EXPECT_EQ(Look(800), Reason::kInProgress);
  EXPECT_EQ(Look(990), Reason::kInProgress);
  Captured();
  EXPECT_EQ(Look(990), Reason::kHard);
}

TEST_F(PressureTriggerTest, StaysInCooldownAndFiresAgainAfterIt) {
  EXPECT_EQ(Look(760), Reason::kLine);
  Captured();
  EXPECT_EQ(Look(770, 1min), Reason::kCooldown);
  EXPECT_EQ(trigger_.last().left, 4min);
  EXPECT_FALSE(trigger_.last().fires());
  EXPECT_TRUE(trigger_.last().is_armed());
  EXPECT_EQ(Look(770, 4min), Reason::kLine);  // it has not come down since
}

TEST_F(PressureTriggerTest, SecondRampWithinTheCooldownIsNotLost) {
  EXPECT_EQ(Look(750), Reason::kLine);
  Captured();
  EXPECT_EQ(Look(100), Reason::kBelow);
  EXPECT_EQ(Look(849), Reason::kCooldown);
  EXPECT_EQ(Look(850), Reason::kStep);
  EXPECT_EQ(trigger_.last().captured_bytes, 750 * kMiB);
  Captured();
  EXPECT_EQ(Look(860), Reason::kCooldown);
}

TEST_F(PressureTriggerTest, HardLineFiresOnceUntilItIsLeft) {
  EXPECT_EQ(Look(880), Reason::kLine);
  Captured();
  EXPECT_EQ(Look(900), Reason::kHard);
  Captured();
  EXPECT_EQ(Look(910), Reason::kCooldown);
  EXPECT_EQ(Look(860), Reason::kCooldown);
  EXPECT_EQ(Look(910), Reason::kCooldown);  // trembles at the line
  EXPECT_EQ(Look(849), Reason::kCooldown);
  EXPECT_EQ(Look(905), Reason::kHard);
}

TEST_F(PressureTriggerTest, FirstSightAboveTheHardLineIsItsShot) {
  EXPECT_EQ(Look(950), Reason::kLine);
  Captured();
  EXPECT_EQ(Look(950), Reason::kCooldown);
}

TEST_F(PressureTriggerTest, CaptureWithoutEvidenceStartsNoCooldown) {
  EXPECT_EQ(Look(750), Reason::kLine);
  Captured(false);
  EXPECT_EQ(Look(755, 500ms), Reason::kRetryLater);
  EXPECT_EQ(trigger_.last().left, 500ms);
  EXPECT_EQ(Look(755, 500ms), Reason::kLine);
  Captured(false);
  // Nor does it hold back the hard line, but only once.
  EXPECT_EQ(Look(900, 1ms), Reason::kHard);
  Captured(false);
  EXPECT_EQ(Look(901, 1ms), Reason::kRetryLater);
}

TEST_F(PressureTriggerTest, LimitThatChangesMovesTheLines) {
  EXPECT_EQ(Look(700), Reason::kBelow);
  now_ += 1s;
  const PressureDecision& smaller =
      trigger_.OnSample({.at = now_,
                         .measure = PressureMeasure::kCharge,
                         .bytes = 700 * kMiB,
                         .limit_bytes = 800 * kMiB});
  EXPECT_EQ(smaller.reason, Reason::kLine);
  EXPECT_EQ(smaller.threshold_bytes, 600 * kMiB);
}

TEST_F(PressureTriggerTest, WithoutALimitItIsNotArmedAndSaysSo) {
  const PressureDecision& none = trigger_.OnSample(
      {.at = now_, .measure = PressureMeasure::kPage, .bytes = kLimit});
  EXPECT_EQ(none.reason, Reason::kNoLimit);
  EXPECT_FALSE(none.is_armed());
  EXPECT_FALSE(none.fires());
  EXPECT_EQ(none.sample.bytes, kLimit);
  for (const Reason why : {Reason::kUnreadable, Reason::kNoTarget}) {
    EXPECT_FALSE(trigger_.OnNothing(now_, why).is_armed());
    EXPECT_EQ(trigger_.last().reason, why);
  }
}

TEST_F(PressureTriggerTest, WhatItCapturedOutlivesTheAgent) {
  EXPECT_FALSE(trigger_.past());
  EXPECT_EQ(Look(760), Reason::kLine);
  Captured();
  const auto past = trigger_.past();
  ASSERT_TRUE(past);
  EXPECT_EQ(past->captured_bytes, 760 * kMiB);

  PressureTrigger next{PressureOptions()};
  now_ += 1min;
  next.Restore(now_, now_ - past->captured_at, past->captured_bytes);
  trigger_ = next;
  EXPECT_EQ(Look(770), Reason::kCooldown);
  EXPECT_EQ(Look(860), Reason::kStep);
}

TEST_F(PressureTriggerTest, TheHardLineOfAnEarlierLifeStaysSpent) {
  PressureTrigger next{PressureOptions()};
  next.Restore(now_, 1min, 920 * kMiB);
  trigger_ = next;
  EXPECT_EQ(Look(930), Reason::kCooldown);
  EXPECT_EQ(Look(100), Reason::kBelow);
  EXPECT_EQ(Look(930), Reason::kHard);  // another ramp-up
  // One that was captured below it has still to be.
  trigger_ = PressureTrigger{PressureOptions()};
  trigger_.Restore(now_, 1min, 880 * kMiB);
  EXPECT_EQ(Look(930), Reason::kHard);
}

TEST_F(PressureTriggerTest, WhoDiesOfItAgainAndAgainHasACooldown) {
  EXPECT_EQ(Look(920), Reason::kLine);
  Captured();
  trigger_.set_dies_again(true);
  EXPECT_EQ(Look(10), Reason::kBelow);
  EXPECT_EQ(Look(920), Reason::kCooldown);
  trigger_.set_dies_again(false);
  EXPECT_EQ(Look(10), Reason::kBelow);
  EXPECT_EQ(Look(920), Reason::kHard);
}

TEST_F(PressureTriggerTest, AStepAboveTheLastCaptureIsALine) {
  EXPECT_EQ(Look(760), Reason::kLine);
  Captured();
  EXPECT_EQ(trigger_.NextLine(770 * kMiB, kLimit), 860 * kMiB);
  EXPECT_EQ(trigger_.NextLine(860 * kMiB, kLimit), 900 * kMiB);
}

TEST_F(PressureTriggerTest, NextLineIsTheOneAbove) {
  EXPECT_EQ(trigger_.NextLine(0, kLimit), 750 * kMiB);
  EXPECT_EQ(trigger_.NextLine(750 * kMiB, kLimit), 900 * kMiB);
  EXPECT_EQ(trigger_.NextLine(900 * kMiB, kLimit), kLimit);
  Use({.trigger_percent = 95});
  EXPECT_EQ(trigger_.NextLine(920 * kMiB, kLimit), 950 * kMiB);
  EXPECT_EQ(Look(940), Reason::kBelow);  // the hard line lies lower
  EXPECT_EQ(Look(950), Reason::kLine);
}

TEST(PercentOfTest, IsExactAndDoesNotOverflow) {
  EXPECT_EQ(PercentOf(536870912, 75), 402653184u);
  EXPECT_EQ(PercentOf(101, 75), 75u);
  EXPECT_EQ(PercentOf(99, 100), 99u);
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(PercentOf(kMost, 100), kMost);
}

}  // namespace
}  // namespace fodc::detect
