// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/counter_track.h"

#include <gtest/gtest.h>

#include <limits>

namespace fodc::detect {
namespace {

TEST(CounterTrackTest, GrowsFromFrameToFrame) {
  CounterTrack t;
  t.Read(1e6, 1000);
  EXPECT_FALSE(t.Take());
  t.Read(1e6 + 3, 2000);
  t.Read(1e6 + 7, 4000);
  const auto growth = t.Take();
  ASSERT_TRUE(growth);
  EXPECT_EQ(growth->amount, 7);
  EXPECT_EQ(growth->seconds, 3);
  EXPECT_FALSE(t.Take());
}

TEST(CounterTrackTest, OneThatFellBeganAtZero) {
  CounterTrack t;
  t.Read(100, 0);
  t.Read(4, 1000);
  EXPECT_EQ(t.Take()->amount, 4);
}

TEST(CounterTrackTest, OneThatWasAwayBeginsAnew) {
  CounterTrack t;
  t.Read(1, 0);
  t.Vanish();
  t.Read(1'000'000, 1000);
  EXPECT_FALSE(t.Take());
  t.Read(1'000'001, 2000);
  EXPECT_EQ(t.Take()->amount, 1);
}

TEST(CounterTrackTest, NoCounterHasSuchValues) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(), -0.5}) {
    CounterTrack t;
    t.Read(1, 0);
    t.Read(bad, 1000);
    t.Read(50, 2000);
    EXPECT_FALSE(t.Take()) << bad;
  }
}

TEST(CounterTrackTest, TwoFramesOfOneInstantAreOne) {
  CounterTrack t;
  t.Read(1, 1000);
  t.Read(5, 1000);
  EXPECT_FALSE(t.Take());
}

}  // namespace
}  // namespace fodc::detect
