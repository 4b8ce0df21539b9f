// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/baseline.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fodc::detect {
namespace {

Window Calm(double p95, double p99 = 1, double reads = 10'000) {
  Window w;
  w.reads = reads;
  w.p95 = p95;
  w.p99 = p99;
  return w;
}

class BaselineTest : public testing::Test {
 protected:
  BaselineTest() {
    options_.history_windows = 9;
    options_.min_history_windows = 3;
  }
  Options options_;
  Baseline baseline_{options_};
};

TEST_F(BaselineTest, NeedsItsHistory) {
  baseline_.Learn(Calm(1));
  baseline_.Learn(Calm(1));
  EXPECT_FALSE(baseline_.is_ready());
  EXPECT_TRUE(std::isnan(baseline_.typical().p95));
  baseline_.Learn(Calm(1));
  EXPECT_TRUE(baseline_.is_ready());
  EXPECT_EQ(baseline_.typical().p95, 1);
  baseline_.Clear();
  EXPECT_FALSE(baseline_.is_ready());
  EXPECT_TRUE(std::isnan(baseline_.typical().p95));
}

TEST_F(BaselineTest, LessThanHalfOfTheWindowsDoNotMoveIt) {
  for (int i = 0; i < 5; ++i) baseline_.Learn(Calm(2));
  for (int i = 0; i < 4; ++i) baseline_.Learn(Calm(1000));
  EXPECT_EQ(baseline_.typical().p95, 2);
}

TEST_F(BaselineTest, ForgetsTheOldest) {
  for (int i = 0; i < 9; ++i) baseline_.Learn(Calm(2));
  for (int i = 0; i < 9; ++i) baseline_.Learn(Calm(3));
  EXPECT_EQ(baseline_.windows(), 9u);
  EXPECT_EQ(baseline_.typical().p95, 3);
}

TEST_F(BaselineTest, AP99ComesOfWindowsWithEnoughReadsOnly) {
  for (int i = 0; i < 6; ++i) baseline_.Learn(Calm(1, 7, 499));
  EXPECT_TRUE(std::isnan(baseline_.typical().p99));
  for (int i = 0; i < 2; ++i) baseline_.Learn(Calm(1, 7, 500));
  EXPECT_TRUE(std::isnan(baseline_.typical().p99));
  baseline_.Learn(Calm(1, 7, 500));
  EXPECT_EQ(baseline_.typical().p99, 7);
}

TEST_F(BaselineTest, AFactIsUsualOnceItWasKnown) {
  Window w = Calm(1);
  baseline_.Learn(w);
  EXPECT_FALSE(baseline_.typical().facts.Has(Fact::kCacheAdds));
  w.facts[Fact::kCacheAdds] = 5;
  baseline_.Learn(w);
  EXPECT_EQ(baseline_.typical().facts[Fact::kCacheAdds], 5);
}

}  // namespace
}  // namespace fodc::detect
