// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc {
namespace {

using namespace std::chrono_literals;
using ::testing::DoubleNear;
using ::testing::Optional;

constexpr std::uint64_t kMib = 1 << 20;

MonotonicTime At(std::chrono::nanoseconds since_start) {
  return MonotonicTime(1000s + since_start);
}

TEST(ForecastTest, KnowsNoSlopeBeforeTheSecondSample) {
  Forecast f;
  EXPECT_EQ(f.slope_bytes_per_second(), std::nullopt);
  f.Add(At(0s), 5);
  EXPECT_EQ(f.slope_bytes_per_second(), std::nullopt);
  EXPECT_EQ(f.SecondsTo(100), std::nullopt);
  EXPECT_FALSE(f.NextStepReaches(5, 0));
  EXPECT_EQ(f.fastest_bytes_per_second(), 0);
}

TEST(ForecastTest, TheSlopeIsThatOfTheLastSecond) {
  Forecast f;
  // Ten seconds of calm, then 100 MiB/s at 10 ms.
  for (int i = 0; i < 10; ++i) f.Add(At(i * 1s), 50 * kMib);
  for (int i = 1; i <= 200; ++i) {
    f.Add(At(9s + i * 10ms), 50 * kMib + static_cast<std::uint64_t>(i) * kMib);
  }
  EXPECT_THAT(f.slope_bytes_per_second(),
              Optional(DoubleNear(100.0 * kMib, 1)));
  EXPECT_THAT(f.SecondsTo(350 * kMib), Optional(DoubleNear(1.0, 1e-6)));
}

TEST(ForecastTest, SamplesFartherApartThanASecondHaveASlopeToo) {
  Forecast f;
  f.Add(At(0s), 10 * kMib);
  f.Add(At(5s), 15 * kMib);
  EXPECT_THAT(f.slope_bytes_per_second(), Optional(DoubleNear(1.0 * kMib, 1)));
}

TEST(ForecastTest, WhatShrinksReachesNoLimit) {
  Forecast f;
  f.Add(At(0s), 50 * kMib);
  f.Add(At(1s), 40 * kMib);
  EXPECT_EQ(f.SecondsTo(60 * kMib), std::nullopt);
  EXPECT_FALSE(f.NextStepReaches(40 * kMib, 0));
  EXPECT_EQ(f.fastest_bytes_per_second(), 0);
}

TEST(ForecastTest, AtTheLimitNoTimeIsLeft) {
  Forecast f;
  f.Add(At(0s), 50 * kMib);
  f.Add(At(1s), 60 * kMib);
  EXPECT_THAT(f.SecondsTo(60 * kMib), Optional(0.0));
}

TEST(ForecastTest, ASampleOfTheSameTimeReplacesTheOneBefore) {
  Forecast f;
  f.Add(At(0s), 10 * kMib);
  f.Add(At(1s), 20 * kMib);
  f.Add(At(1s), 30 * kMib);
  EXPECT_THAT(f.slope_bytes_per_second(), Optional(DoubleNear(20.0 * kMib, 1)));
}

TEST(ForecastTest, TheFastestSlopeIsForgottenAfterAMinute) {
  Forecast f;
  f.Add(At(0s), 0);
  f.Add(At(10ms), 40 * kMib);
  EXPECT_NEAR(f.fastest_bytes_per_second(), 4000.0 * kMib, 1);
  for (int s = 1; s < 60; ++s) f.Add(At(s * 1s), 40 * kMib);
  EXPECT_NEAR(f.fastest_bytes_per_second(), 4000.0 * kMib, 1);
  f.Add(At(60s), 40 * kMib);
  EXPECT_EQ(f.fastest_bytes_per_second(), 0);
}

// The kernel counts in batches: two looks within microseconds may see one.
TEST(ForecastTest, SamplesTooNearToEachOtherMakeNoFastestSlope) {
  Forecast f;
  f.Add(At(0s), 10 * kMib);
  f.Add(At(10us), 10 * kMib + 262144);
  EXPECT_EQ(f.fastest_bytes_per_second(), 0);
  f.Add(At(10ms), 10 * kMib + 262144);
  EXPECT_NEAR(f.fastest_bytes_per_second(), 25.0 * kMib, 1);
}

TEST(ForecastTest, OneMoreStepLikeTheLastPassesTheLimitLessTheMargin) {
  Forecast f;
  f.Add(At(0s), 300 * kMib);
  f.Add(At(1s), 374 * kMib);  // + 74 = 448 = 512 - 64
  EXPECT_TRUE(f.NextStepReaches(512 * kMib, 64 * kMib));
  EXPECT_FALSE(f.NextStepReaches(512 * kMib, 63 * kMib));
  EXPECT_TRUE(f.NextStepReaches(10 * kMib, 64 * kMib));
}

// survival.md 2.3.7: 374 MiB of headroom are 62 ms, 100 MiB 17 ms.
TEST(NextWaitTest, IsTheHeadroomByTheAssumedFillAtEveryDecade) {
  const CadenceOptions o;
  const auto wait = [&o](std::uint64_t headroom) {
    return NextWait(o, 1000, 1000 + headroom, 0);
  };
  EXPECT_EQ(wait(0), 10ms);
  EXPECT_EQ(wait(1), 10ms);
  EXPECT_EQ(wait(kMib), 10ms);
  EXPECT_EQ(wait(10 * kMib), 10ms);
  EXPECT_NEAR(static_cast<double>(wait(100 * kMib).count()), 16.667e6, 1e3);
  EXPECT_NEAR(static_cast<double>(wait(374 * kMib).count()), 62.333e6, 1e3);
  EXPECT_NEAR(static_cast<double>(wait(1000 * kMib).count()), 166.667e6, 1e3);
  EXPECT_EQ(wait(6000 * kMib), 1s);
  EXPECT_EQ(wait(10'000 * kMib), 1s);
  EXPECT_EQ(wait(UINT64_MAX - 1000), 1s);
}

TEST(NextWaitTest, TwiceTheFastestSlopeCountsWhenItIsMore) {
  const CadenceOptions o;
  EXPECT_EQ(NextWait(o, 0, 600 * kMib, 2999.0 * kMib), 100ms);
  EXPECT_EQ(NextWait(o, 0, 600 * kMib, 6000.0 * kMib), 50ms);
}

TEST(NextWaitTest, StaysWithinItsBounds) {
  const CadenceOptions o{.shortest = 20ms, .longest = 40ms};
  EXPECT_EQ(NextWait(o, 0, 0, 0), 20ms);
  EXPECT_EQ(NextWait(o, 0, 1, 0), 20ms);
  EXPECT_EQ(NextWait(o, 0, 6000 * kMib, 0), 40ms);
}

}  // namespace
}  // namespace fodc
