// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/renewed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;

class RenewedTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  std::atomic<int> finds_ = 0;
  std::atomic<bool> is_open_ = true;  // else finding waits
  std::function<Result<Expiring<int>>(int n)> answer_ = [this](int n) {
    return Expiring<int>{.value = n, .expires = clock_.Unix() + 1h};
  };
  Renewed<int> renewed_{[this](const std::stop_token& stop) {
                          const int n = ++finds_;
                          while (!is_open_ && !stop.stop_requested())
                            std::this_thread::yield();
                          if (stop.stop_requested())
                            return Result<Expiring<int>>(Cancelled("stopped"));
                          return answer_(n);
                        },
                        clock_};
};

TEST_F(RenewedTest, FindsAnewFiveMinutesBeforeItExpires) {
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
  clock_.Advance(54min);
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
  clock_.Advance(1min);
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(2));
  EXPECT_THAT(renewed_.Get(true, {}), IsOkAndHolds(3));
}

TEST_F(RenewedTest, WhatHoldsYetIsBetterThanNothing) {
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
  answer_ = [](int) { return Unavailable("away"); };
  clock_.Advance(57min);
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
  EXPECT_THAT(renewed_.Get(true, {}), StatusIs(Code::kUnavailable, _));
  clock_.Advance(3min);
  EXPECT_THAT(renewed_.Get(false, {}), StatusIs(Code::kUnavailable, _));
}

TEST_F(RenewedTest, WhatNeverExpiresIsFoundOnce) {
  answer_ = [](int n) { return Expiring<int>{.value = n}; };
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
  clock_.Advance(1000h);
  EXPECT_THAT(renewed_.Get(false, {}), IsOkAndHolds(1));
}

// A hundred requests that are refused at once ask once; a service that is
// away is not asked by each in turn.
TEST_F(RenewedTest, ThoseThatComeMeanwhileShareWhatOneFinds) {
  for (const bool fails : {false, true}) {
    SCOPED_TRACE(fails);
    if (fails) answer_ = [](int) { return Unavailable("away"); };
    finds_ = 0;
    is_open_ = false;
    std::atomic<int> began = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        ++began;
        EXPECT_EQ(renewed_.Get(true, {}).ok(), !fails);
      });
    }
    while (began < 8 || finds_ == 0) std::this_thread::yield();
    // Time for all to wait; who comes later asks for itself.
    std::this_thread::sleep_for(50ms);
    is_open_ = true;
    threads.clear();
    EXPECT_LE(finds_, 2);
  }
}

TEST_F(RenewedTest, WhoWaitsIsStoppedAlone) {
  is_open_ = false;
  std::jthread first([&] { EXPECT_THAT(renewed_.Get(false, {}), IsOk()); });
  while (finds_ == 0) std::this_thread::yield();
  std::stop_source stop;
  std::jthread second([&] {
    EXPECT_THAT(renewed_.Get(false, stop.get_token()),
                StatusIs(Code::kCancelled, _));
  });
  stop.request_stop();
  second.join();
  is_open_ = true;
}

}  // namespace
}  // namespace fodc::object_store
