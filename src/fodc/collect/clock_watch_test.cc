// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/clock_watch.h"

#include <gtest/gtest.h>

namespace fodc::collect {
namespace {

using namespace std::chrono_literals;

TEST(ClockWatchTest, CountsStepsInBothDirectionsAndKeepsTheSum) {
  FakeClock clock;
  ClockWatch watch(clock);
  clock.Advance(10s);
  EXPECT_EQ(watch.Look(), 0s);
  EXPECT_EQ(watch.steps(), 0u);
  clock.StepUnix(3600s);
  clock.Advance(1s);
  EXPECT_EQ(watch.Look(), 3600s);
  EXPECT_EQ(watch.Look(), 0s);
  clock.StepUnix(-4000s);
  EXPECT_EQ(watch.Look(), -4000s);
  EXPECT_EQ(watch.steps(), 2u);
  EXPECT_EQ(watch.offset(), -400s);
}

TEST(ClockWatchTest, SlewingIsNoStepButShowsInTheOffset) {
  FakeClock clock;
  ClockWatch watch(clock);
  for (int i = 0; i < 100; ++i) {
    clock.Advance(10s);
    clock.StepUnix(5ms);  // 500 us a second, the most that NTP slews
    EXPECT_EQ(watch.Look(), 0s);
  }
  EXPECT_EQ(watch.steps(), 0u);
  EXPECT_EQ(watch.offset(), 500ms);
}

}  // namespace
}  // namespace fodc::collect
