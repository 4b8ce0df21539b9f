// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/signals.h"

#include <gmock/gmock.h>
#include <pthread.h>

#include <csignal>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::program {
namespace {

using ::testing::ElementsAre;

TEST(SignalWatchTest, TellsTheLoopOfEachSignal) {
  BlockSignals();
  net::EventLoop loop(SystemClock());
  std::vector<int> seen;
  auto watch = SignalWatch::Create(loop, [&](int s) { seen.push_back(s); });
  ASSERT_THAT(watch, IsOk());
  loop.RunReady();
  EXPECT_THAT(seen, ElementsAre());
  ASSERT_EQ(::pthread_kill(::pthread_self(), SIGHUP), 0);
  ASSERT_TRUE(loop.RunUntil([&] { return seen.size() == 1; }));
  ASSERT_EQ(::pthread_kill(::pthread_self(), SIGTERM), 0);
  ASSERT_TRUE(loop.RunUntil([&] { return seen.size() == 2; }));
  EXPECT_THAT(seen, ElementsAre(SIGHUP, SIGTERM));
}

}  // namespace
}  // namespace fodc::program
