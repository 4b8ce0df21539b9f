// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/gate.h"

#include <gtest/gtest.h>

#include <limits>

namespace fodc::detect {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Window Of(double reads, double p95, double p99) {
  Window w;
  w.reads = reads;
  w.p95 = p95;
  w.p99 = p99;
  return w;
}

struct Case {
  const char* what;
  Window window;
  bool held;
  Judgement judgement;
};

// Usual is 1 ms and 2 ms, to be exceeded three times and by half a second.
TEST(JudgeTest, EveryBoundOfTheGate) {
  Options o;
  o.factor = 3;
  o.min_increase_seconds = 0.0005;
  o.min_reads = 100;
  const Window usual = Of(1000, 0.001, 0.002);
  const auto kDegraded = Judgement::kDegraded;
  const auto kNormal = Judgement::kNormal;
  const auto kFewReads = Judgement::kFewReads;
  const Case cases[] = {
      {"as usual", Of(1000, 0.001, 0.002), false, kNormal},
      {"just below the factor", Of(1000, 0.00299, 0.00599), false, kNormal},
      {"p95 at the factor", Of(1000, 0.003, 0.003), false, kDegraded},
      {"p99 at the factor", Of(1000, 0.001, 0.006), false, kDegraded},
      {"p95 of just enough reads", Of(100, 0.003, 0.003), false, kDegraded},
      {"p95 of too few", Of(99, 0.3, 0.3), false, kFewReads},
      {"p99 of just enough", Of(500, 0.001, 0.006), false, kDegraded},
      {"p99 of too few", Of(499, 0.001, 0.6), false, kNormal},
      {"held, a tenth is enough", Of(10, 0.003, 0.003), true, kDegraded},
      {"held, less is not", Of(9, 0.3, 0.3), true, kFewReads},
      {"held, p99 of a tenth", Of(50, 0.001, 0.006), true, kDegraded},
      {"held, few and fast", Of(50, 0.001, 0.001), true, kFewReads},
      {"held, many and fast", Of(100, 0.001, 0.001), true, kNormal},
      {"no reads", Of(0, kNan, kNan), false, kFewReads},
      {"no reads, held", Of(0, kNan, kNan), true, kFewReads},
  };
  for (const Case& c : cases)
    EXPECT_EQ(Judge(c.window, usual, c.held, o), c.judgement) << c.what;
}

TEST(JudgeTest, AFactorOfLittleIsNothing) {
  Options o;
  o.min_increase_seconds = 50e-6;
  const Window usual = Of(1000, 2e-6, 3e-6);
  EXPECT_EQ(Judge(Of(1000, 51e-6, 51e-6), usual, false, o), Judgement::kNormal);
  EXPECT_EQ(Judge(Of(1000, 53e-6, 53e-6), usual, false, o),
            Judgement::kDegraded);
}

TEST(JudgeTest, WhatIsNotUsualYetIsNotJudged) {
  const Options o;
  EXPECT_EQ(Judge(Of(1000, 9, 9), Of(1000, kNan, kNan), false, o),
            Judgement::kNormal);
  EXPECT_EQ(Judge(Of(1000, 9, 9), Of(1000, 1e-3, kNan), false, o),
            Judgement::kDegraded);
}

class GateTest : public testing::Test {
 protected:
  GateTest() {
    options_.start_windows = 3;
    options_.end_windows = 2;
  }
  Gate::Change Degraded() { return gate_.OnWindow(Judgement::kDegraded); }
  Gate::Change Normal() { return gate_.OnWindow(Judgement::kNormal); }
  Gate::Change Few() { return gate_.OnWindow(Judgement::kFewReads); }
  Options options_;
  Gate gate_{options_};
};
using Change = Gate::Change;

TEST_F(GateTest, OpensAfterConsecutiveWindowsOnly) {
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_TRUE(gate_.is_held());
  EXPECT_EQ(Normal(), Change::kNone);
  EXPECT_FALSE(gate_.is_held());
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Few(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kOpened);
  EXPECT_TRUE(gate_.is_open());
  EXPECT_EQ(Degraded(), Change::kNone);
}

TEST_F(GateTest, ClosesAfterConsecutiveOthersOnly) {
  for (int i = 0; i < 3; ++i) Degraded();
  EXPECT_EQ(Normal(), Change::kNone);
  EXPECT_EQ(Degraded(), Change::kNone);
  EXPECT_EQ(Few(), Change::kNone);
  EXPECT_EQ(Normal(), Change::kClosed);
  EXPECT_FALSE(gate_.is_open());
  EXPECT_FALSE(gate_.is_held());
  EXPECT_EQ(Normal(), Change::kNone);
}

}  // namespace
}  // namespace fodc::detect
