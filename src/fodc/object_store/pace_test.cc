// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/pace.h"

#include <gtest/gtest.h>

namespace fodc::object_store {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Pace, GivesATenthOfASecondAtOnceAndThenTurns) {
  FakeClock clock;
  Pace pace(1000, clock);
  EXPECT_EQ(pace.piece(), 125u);
  EXPECT_EQ(pace.Reserve(100), nanoseconds(0));
  EXPECT_EQ(pace.Reserve(100), nanoseconds(0));
  EXPECT_EQ(pace.Reserve(500), milliseconds(100));
  EXPECT_EQ(pace.Reserve(1), milliseconds(600));
  clock.Advance(milliseconds(600));
  EXPECT_EQ(pace.Reserve(1), milliseconds(1));
}

TEST(Pace, SavesNoMoreThanThat) {
  FakeClock clock;
  Pace pace(1000, clock);
  clock.Advance(std::chrono::hours(1));
  EXPECT_EQ(pace.Reserve(1000), nanoseconds(0));
  EXPECT_EQ(pace.Reserve(1), milliseconds(900));
}

// Whoever asks, in the long run it is the rate.
TEST(Pace, HoldsTheRate) {
  FakeClock clock;
  Pace pace(64u << 10, clock);
  const MonotonicTime began = clock.Monotonic();
  std::uint64_t given = 0;
  while (clock.Monotonic() - began < std::chrono::seconds(100)) {
    clock.Advance(pace.Reserve(pace.piece()));
    given += pace.piece();
  }
  EXPECT_NEAR(static_cast<double>(given) / 100, 64 << 10, 1000);
}

}  // namespace
}  // namespace fodc::object_store
