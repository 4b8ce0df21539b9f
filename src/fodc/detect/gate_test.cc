// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/gate.h"

#include <gtest/gtest.h>

#include <limits>

namespace fodc::detect {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Of 10 s.
Window Of(double reads, double p50, double p95, double p99) {
  Window w;
  w.to_ms = 10'000;
  w.reads = reads;
  w.p50 = p50;
  w.p95 = p95;
  w.p99 = p99;
  return w;
}

struct Case {
  const char* what;
  Window window;
  Judgement judgement;
};

// Usual is half a millisecond, 1 ms and 2 ms, to be exceeded three times and by
// half a millisecond.
TEST(JudgeTest, EveryBoundOfTheGate) {
  Options o;
  o.factor = 3;
  o.min_increase_seconds = 0.0005;
  o.min_reads = 100;
  const Window usual = Of(1000, 0.0005, 0.001, 0.002);
  const auto kDegraded = Judgement::kDegraded;
  const auto kNormal = Judgement::kNormal;
  const auto kFewReads = Judgement::kFewReads;
  const Case cases[] = {
      {"as usual", Of(1000, 0.0005, 0.001, 0.002), kNormal},
      {"just below the factor", Of(1000, 0.0005, 0.00299, 0.00599), kNormal},
      {"p95 at the factor", Of(1000, 0.0005, 0.003, 0.003), kDegraded},
      {"p99 at the factor", Of(1000, 0.0005, 0.001, 0.006), kDegraded},
      {"p95 of just enough reads", Of(100, 0.0005, 0.003, 0.003), kDegraded},
      {"p95 of too few", Of(99, 0.0005, 0.3, 0.3), kFewReads},
      {"p99 of just enough", Of(500, 0.0005, 0.001, 0.006), kDegraded},
      {"p99 of too few", Of(499, 0.0005, 0.001, 0.6), kNormal},
      {"few, and half are slow", Of(99, 0.0015, 0.3, 0.3), kDegraded},
      {"few, less than half are", Of(99, 0.00149, 0.3, 0.3), kFewReads},
      {"the fewest", Of(10, 0.0015, 0.0015, 0.0015), kDegraded},
      {"too few", Of(9, 0.5, 0.5, 0.5), kFewReads},
      {"fewer that take half of the time", Of(9, 0.56, 0.6, 0.6), kDegraded},
      {"one that does", Of(1, 5, 5, 5), kDegraded},
      {"one that does not", Of(1, 4.9, 4.9, 4.9), kFewReads},
      {"enough, and slow at the median only", Of(100, 0.0015, 0.0029, 0.0029),
       kNormal},
      {"few and fast", Of(50, 0.0005, 0.001, 0.001), kFewReads},
      {"no reads", Of(0, kNan, kNan, kNan), kFewReads},
  };
  for (const Case& c : cases)
    EXPECT_EQ(Judge(c.window, usual, o), c.judgement) << c.what;
}

// Few that take all of the time, as they always do.
TEST(JudgeTest, WhatUsuallyTakesThatLongIsNotSlow) {
  const Options o;
  EXPECT_EQ(Judge(Of(20, 1, 1, 1), Of(1000, 0.5, 1, 1), o),
            Judgement::kFewReads);
}

TEST(JudgeTest, AFactorOfLittleIsNothing) {
  Options o;
  o.min_increase_seconds = 50e-6;
  const Window usual = Of(1000, 2e-6, 2e-6, 3e-6);
  EXPECT_EQ(Judge(Of(1000, 2e-6, 51e-6, 51e-6), usual, o), Judgement::kNormal);
  EXPECT_EQ(Judge(Of(1000, 2e-6, 53e-6, 53e-6), usual, o),
            Judgement::kDegraded);
}

TEST(JudgeTest, WhatIsNotUsualYetIsNotJudged) {
  const Options o;
  EXPECT_EQ(Judge(Of(1000, 9, 9, 9), Of(1000, kNan, kNan, kNan), o),
            Judgement::kNormal);
  EXPECT_EQ(Judge(Of(1000, 9, 9, 9), Of(1000, 1e-3, 1e-3, kNan), o),
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
  EXPECT_EQ(Normal(), Change::kNone);
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
  EXPECT_EQ(Normal(), Change::kNone);
}

}  // namespace
}  // namespace fodc::detect
