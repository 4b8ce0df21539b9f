// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/retry.h"

#include <gtest/gtest.h>

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;

TEST(ClassifyAnswerTest, KnowsWhatMayBeTriedAgain) {
  for (const int status : {200, 201, 202, 204, 206})
    EXPECT_EQ(ClassifyAnswer(status, ""), Attempt::kDone);
  for (const int status : {0, 408, 500, 502, 504})
    EXPECT_EQ(ClassifyAnswer(status, ""), Attempt::kTransient) << status;
  for (const int status : {429, 503})
    EXPECT_EQ(ClassifyAnswer(status, ""), Attempt::kThrottled) << status;
  for (const int status : {301, 307, 400, 403, 404, 409, 411, 412, 413, 501})
    EXPECT_EQ(ClassifyAnswer(status, ""), Attempt::kRefused) << status;
  EXPECT_EQ(ClassifyAnswer(400, "RequestTimeout"), Attempt::kTransient);
  EXPECT_EQ(ClassifyAnswer(400, "ExpiredToken"), Attempt::kUnsigned);
  EXPECT_EQ(ClassifyAnswer(401, ""), Attempt::kUnsigned);
  EXPECT_EQ(ClassifyAnswer(403, "RequestTimeTooSkewed"), Attempt::kClockSkewed);
  EXPECT_EQ(ClassifyAnswer(403, "AccessDenied"), Attempt::kRefused);
  EXPECT_EQ(ClassifyAnswer(503, "SlowDown"), Attempt::kThrottled);
  EXPECT_EQ(ClassifyAnswer(400, "Throttling"), Attempt::kThrottled);
}

class RetryStateTest : public ::testing::Test {
 protected:
  const MonotonicTime now_ = FakeClock().Monotonic();
  RetryState state_{{}, now_};
};

TEST_F(RetryStateTest, WaitsLongerEachTimeUpToABound) {
  std::chrono::nanoseconds most = 200ms;
  for (int i = 1; i < 8; ++i) {
    const auto wait = state_.Next(Attempt::kTransient, now_, 0.999999, {});
    ASSERT_TRUE(wait) << i;
    EXPECT_LE(*wait, most);
    EXPECT_GT(*wait, most * 99 / 100);
    most = std::min<std::chrono::nanoseconds>(2 * most, 20s);
  }
  EXPECT_FALSE(state_.Next(Attempt::kTransient, now_, 0, {}));
  EXPECT_EQ(state_.attempts(), 8);
}

TEST_F(RetryStateTest, TheServersWordIsTheLeast) {
  EXPECT_EQ(state_.Next(Attempt::kThrottled, now_, 0, 7s), 7s);
  EXPECT_EQ(state_.Next(Attempt::kThrottled, now_, 0, {}), 0s);
  // Longer than there is time.
  EXPECT_FALSE(state_.Next(Attempt::kThrottled, now_, 0, 600s));
}

TEST_F(RetryStateTest, HasATime) {
  EXPECT_TRUE(state_.Next(Attempt::kTransient, now_ + 299s, 0, {}));
  EXPECT_FALSE(state_.Next(Attempt::kTransient, now_ + 300s, 0, {}));
}

TEST_F(RetryStateTest, WhatIsRefusedIsNotTriedAgain) {
  EXPECT_FALSE(state_.Next(Attempt::kRefused, now_, 0, {}));
}

TEST_F(RetryStateTest, ClocksAndCredentialsAreMendedOnce) {
  EXPECT_EQ(state_.Next(Attempt::kClockSkewed, now_, 0.5, {}), 0s);
  EXPECT_EQ(state_.Next(Attempt::kUnsigned, now_, 0.5, {}), 0s);
  EXPECT_FALSE(state_.Next(Attempt::kClockSkewed, now_, 0.5, {}));
  EXPECT_FALSE(state_.Next(Attempt::kUnsigned, now_, 0.5, {}));
}

TEST(RetryBudgetTest, AStormEnds) {
  RetryBudget budget;
  int retries = 0;
  while (budget.Take()) ++retries;
  EXPECT_EQ(retries, 100);
  for (int i = 0; i < 4; ++i) budget.OnSuccess();
  EXPECT_FALSE(budget.Take());
  budget.OnSuccess();
  EXPECT_TRUE(budget.Take());
}

TEST(ConcurrencyTest, HalvesAndComesBackOneByOne) {
  const MonotonicTime now = FakeClock().Monotonic();
  Concurrency c(8);
  EXPECT_EQ(c.limit(), 8u);
  c.OnThrottled(now);
  c.OnThrottled(now + 1ms);  // of the same crowd
  EXPECT_EQ(c.limit(), 4u);
  c.OnThrottled(now + 2s);
  c.OnThrottled(now + 4s);
  c.OnThrottled(now + 6s);
  EXPECT_EQ(c.limit(), 1u);
  for (int i = 0; i < 99; ++i) c.OnSuccess();
  EXPECT_EQ(c.limit(), 1u);
  c.OnSuccess();
  EXPECT_EQ(c.limit(), 2u);
  for (int i = 0; i < 2000; ++i) c.OnSuccess();
  EXPECT_EQ(c.limit(), 8u);
}

}  // namespace
}  // namespace fodc::object_store
