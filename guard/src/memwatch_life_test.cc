// SPDX-License-Identifier: Apache-2.0
// The watchdog and the end of the process: cause, crash loops, the deadline,
// and nothing allocated on the way.
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "memwatch_fixture.h"
#include "tests/support/allocation_count.h"

namespace fodc::guard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MemwatchLifeTest : public MemwatchTest {
 protected:
  // Ends by pressure after `age`, if it fires.
  void Live(Script script, std::size_t waits = 1000) {
    auto life = Life::Begin({.directory = tree_.path(),
                             .events = log_.sink(),
                             .metrics = nullptr,
                             .clock = &clock_});
    ASSERT_THAT(life, IsOk());
    options_.life = life->get();
    Run(std::move(script), waits);
    code_ = (*life)->Conclude(OkStatus());
  }
  TempDirectory tree_;
  int code_ = -1;
};

TEST_F(MemwatchLifeTest, FiringIsTheCauseAndCode2WithTheNumbers) {
  Live({.mib = {950}});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(ReadFile(tree_.File("last-exit.json")).value(),
              AllOf(HasSubstr("\"cause\":\"pressure\""),
                    HasSubstr(StrCat("\"rss_bytes\":", 7 * kMib)),
                    HasSubstr(StrCat("\"limit_bytes\":", 1000 * kMib)),
                    HasSubstr(StrCat("\"threshold_bytes\":", 900 * kMib))));
}

TEST_F(MemwatchLifeTest, AStopThatCameFirstKeepsItsCode) {
  options_.on_pressure = [this](const MemoryState&) { ++fired_; };
  auto life = Life::Begin({.directory = tree_.path(),
                           .events = {},
                           .metrics = nullptr,
                           .clock = &clock_});
  ASSERT_TRUE((*life)->Claim(ExitCause::kStop));
  options_.life = life->get();
  Run({.mib = {950}});
  EXPECT_EQ((*life)->Conclude(OkStatus()), 0);
}

// A threshold below what the process needs at rest would stop it for ever.
TEST_F(MemwatchLifeTest, AfterThreeStopsAtTheStartItLeavesTheKernelToDecide) {
  for (int i = 0; i < 3; ++i) Live({.mib = {950}});
  EXPECT_EQ(fired_, 3);
  Live({.mib = {950}}, 5);
  EXPECT_EQ(fired_, 3);
  EXPECT_EQ(code_, 0);
  EXPECT_THAT(Lines("memory threshold below baseline"), ::testing::SizeIs(1));
  EXPECT_THAT(Page(),
              HasSubstr("\nfodc_guard_memory_threshold_below_baseline 1\n"));
}

TEST_F(MemwatchLifeTest, TheCrashLoopGuardCanBeOff) {
  options_.crash_loop_guard = false;
  for (int i = 0; i < 4; ++i) Live({.mib = {950}});
  EXPECT_EQ(fired_, 4);
}

TEST_F(MemwatchTest, NothingIsAllocatedBetweenTheFirstSampleAndTheCallback) {
  options_.events = {};
  std::uint64_t at_soft = 0;
  std::uint64_t at_hard = 1;
  std::vector<std::optional<std::uint64_t>> mib = {100, 850};
  mib.insert(mib.end(), 500, 850);
  mib.push_back(950);
  calls_.reserve(2000);
  quiets_.reserve(2000);
  options_.adaptive = false;  // "1s" is no allocation of the waiter's
  options_.predict = false;
  options_.on_pressure = [&](const MemoryState&) {
    at_hard = test::AllocationCount();
  };
  auto watch = Make({.mib = mib});
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Subscribe([&](MemoryLevel, const MemoryState& s) {
    if (s.level == MemoryLevel::kSoft) at_soft = test::AllocationCount();
  }),
              IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->WaitDone();
  EXPECT_EQ(at_hard, at_soft);
}

using DeadlineDeathTest = MemwatchTest;

// ThreadSanitizer's exit code would be another: it takes the thread of the
// flush, which nobody is left to join, for forgotten.
#if !defined(FODC_TSAN)
TEST_F(DeadlineDeathTest, AShutdownThatHangsEndsWithCode2AfterItsFlush) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        options_.deadline = 1ms;
        options_.flush = [] { (void)std::fputs("flushed\n", stderr); };
        auto watch = Make({.mib = {950}});
        (void)(*watch)->Start();
        std::promise<void>().get_future().wait();
      },
      ::testing::ExitedWithCode(2), "flushed");
}
#endif

TEST_F(DeadlineDeathTest, ACallbackThatHangsEndsWithCode2) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        options_.deadline = 1ms;
        options_.on_pressure = [](const MemoryState&) {
          std::promise<void>().get_future().wait();
        };
        auto watch = Make({.mib = {950}});
        (void)(*watch)->Start();
        std::promise<void>().get_future().wait();
      },
      ::testing::ExitedWithCode(2), "");
}

// The host's stop waits for the callback: the deadline must not end with it.
TEST_F(DeadlineDeathTest, AStopWhileTheCallbackHangsEndsWithCode2) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        options_.deadline = 200ms;
        std::promise<void> called;
        options_.on_pressure = [&called](const MemoryState&) {
          called.set_value();
          std::promise<void>().get_future().wait();
        };
        auto watch = Make({.mib = {950}});
        (void)(*watch)->Start();
        called.get_future().wait();
        (*watch)->Stop();
      },
      ::testing::ExitedWithCode(2), "");
}

TEST_F(MemwatchTest, WhatTheCallbackThrowsIsSaid) {
  options_.on_pressure = [](const MemoryState&) { throw 1; };
  Run({.mib = {950}});
  EXPECT_THAT(log_.lines(),
              ::testing::Contains(HasSubstr("WARN on_pressure threw")));
}

TEST_F(MemwatchTest, AShutdownInTimeCallsTheDeadlineOff) {
  options_.deadline = 1h;
  Run({.mib = {950}});
  EXPECT_EQ(fired_, 1);
}

}  // namespace
}  // namespace fodc::guard
