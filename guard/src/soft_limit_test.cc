// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/soft_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "environment_testing.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "soft_rounds.h"

namespace fodc::guard {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kMib = 1 << 20;
using Kind = SoftLimit::Kind;

TEST(ParseSoftLimitTest, TakesGosSyntaxPerCentAndOff) {
  EXPECT_EQ(ParseSoftLimit("")->kind, Kind::kOff);
  EXPECT_EQ(ParseSoftLimit("off")->kind, Kind::kOff);
  EXPECT_EQ(ParseSoftLimit("72%")->percent, 72);
  EXPECT_EQ(ParseSoftLimit("72.5%")->percent, 72.5);
  EXPECT_EQ(ParseSoftLimit("512")->bytes, 512);
  EXPECT_EQ(ParseSoftLimit("512B")->bytes, 512);
  EXPECT_EQ(ParseSoftLimit("3KiB")->bytes, 3 * 1024);
  EXPECT_EQ(ParseSoftLimit(" 1800MiB\n")->bytes, 1800 * kMib);
  EXPECT_EQ(ParseSoftLimit("2GiB")->bytes, 2048 * kMib);
  EXPECT_EQ(ParseSoftLimit("1TiB")->kind, Kind::kBytes);
}

TEST(ParseSoftLimitTest, RefusesTheRestByName) {
  for (const char* bad : {"OFF", "0", "0%", "101%", "nan%", "%", "B", "1800m",
                          "1800MB", "1.5GiB", "-1", "99999999999TiB"}) {
    EXPECT_THAT(
        ParseSoftLimit(bad),
        StatusIs(Code::kInvalidArgument, HasSubstr(StrCat("\"", bad, "\""))));
  }
}

TEST(ChooseSoftLimitTest, TheCommandLineGoesBeforeTheEnvironment) {
  constexpr char kName[] = "T2_MEMORY_SOFT_LIMIT";
  EXPECT_EQ(ChooseSoftLimit({}, {}, "T2")->kind, Kind::kDerived);
  EXPECT_EQ(ChooseSoftLimit({}, "3B", "T2")->bytes, 3);
  {
    const ScopedVariable set(kName, "2B");
    EXPECT_EQ(ChooseSoftLimit({}, "3B", "T2")->bytes, 2);
    EXPECT_EQ(ChooseSoftLimit("1B", "3B", "T2")->bytes, 1);
  }
  const ScopedVariable bad(kName, "lots");
  EXPECT_THAT(ChooseSoftLimit({}, "3B", "T2"),
              StatusIs(Code::kInvalidArgument, HasSubstr(kName)));
}

// Whoever sets it to nothing wants none, not the next one's.
TEST(ChooseSoftLimitTest, EmptyIsOffWhereverItIsGiven) {
  EXPECT_EQ(ChooseSoftLimit({}, "", "T3")->kind, Kind::kOff);
  const ScopedVariable set("T3_MEMORY_SOFT_LIMIT", "");
  EXPECT_EQ(ChooseSoftLimit({}, "3B", "T3")->kind, Kind::kOff);
  EXPECT_EQ(ChooseSoftLimit("1B", "3B", "T3")->bytes, 1);
  const ScopedVariable two("T3_MEMORY_SOFT_LIMIT", "2B");
  EXPECT_EQ(ChooseSoftLimit(" ", "3B", "T3")->kind, Kind::kOff);
}

class FakeHeap final : public Heap {
 public:
  FakeHeap(std::uint64_t* memory, std::uint64_t gives, std::uint64_t used,
           int* releases)
      : memory_(memory), gives_(gives), used_(used), releases_(releases) {}
  std::optional<std::uint64_t> ReadInUse() override { return used_; }
  void Release() override {
    ++*releases_;
    *memory_ -= gives_;
  }

 private:
  std::uint64_t* memory_;
  std::uint64_t gives_;
  std::uint64_t used_;
  int* releases_;
};

// Line 720, limit 1000.
class SoftRoundsTest : public ::testing::Test {
 protected:
  void Make(std::uint64_t heap_gives, bool heap_is_slow = false,
            std::uint64_t heap_used = 0) {
    rounds_ = std::make_unique<SoftRounds>(
        [this]() -> std::optional<MemoryMeasure> {
          if (memory_ == UINT64_MAX) return {};
          return MemoryMeasure{memory_, memory_};
        },
        std::make_unique<FakeHeap>(&memory_, heap_gives, heap_used, &releases_),
        heap_is_slow);
  }
  SoftRounds::Outcome Look() { return rounds_->Look({720, 1000}); }

  std::uint64_t memory_ = 800;
  int releases_ = 0;
  std::unique_ptr<SoftRounds> rounds_;
};

TEST_F(SoftRoundsTest, BelowTheLineItDoesNothing) {
  Make(100);
  memory_ = 719;
  const auto o = Look();
  EXPECT_FALSE(o.over);
  EXPECT_FALSE(o.round);
  EXPECT_EQ(releases_, 0);
}

TEST_F(SoftRoundsTest, CachesGoFirstAndEachStepIsMeasured) {
  Make(30);
  rounds_->AddCache({"block", 400, 50, [this](std::uint64_t budget) {
                       EXPECT_EQ(releases_, 0);
                       EXPECT_EQ(budget, 200);
                       memory_ -= 60;
                     }});
  const auto o = Look();
  EXPECT_TRUE(o.round);
  EXPECT_EQ(o.from_caches_bytes, 60);
  EXPECT_EQ(o.from_allocator_bytes, 30);
  EXPECT_FALSE(o.gave_up);
}

TEST_F(SoftRoundsTest, BudgetsHalveToTheirMinimumAndDoubleBack) {
  Make(20);
  std::vector<std::uint64_t> budgets;
  rounds_->AddCache({"block", 400, 150,
                     [&](std::uint64_t budget) { budgets.push_back(budget); }});
  memory_ = 800;
  for (int i = 0; i < 3; ++i) (void)Look();
  EXPECT_THAT(budgets, ElementsAre(200, 150));
  memory_ = 700;  // below the line, but not by 5 %
  (void)Look();
  EXPECT_THAT(budgets, ElementsAre(200, 150));
  memory_ = 600;
  for (int i = 0; i < 3; ++i) (void)Look();
  EXPECT_THAT(budgets, ElementsAre(200, 150, 300, 400));
}

TEST_F(SoftRoundsTest, ACacheThatWasCutToNothingComesBack) {
  Make(20);
  std::uint64_t now = 400;
  rounds_->AddCache({"block", 400, 0, [&](std::uint64_t b) { now = b; }});
  for (int i = 0; i < 20; ++i) {
    memory_ = 800;
    (void)Look();
  }
  EXPECT_EQ(now, 0);
  memory_ = 100;
  for (int i = 0; i < 6; ++i) (void)Look();
  EXPECT_EQ(now, 400);
}

// The death spiral: hours of trying at the edge instead of an end.
TEST_F(SoftRoundsTest, ThreeRoundsThatGiveNothingEndTheTrying) {
  Make(9);  // of 1000: less than 1 %
  EXPECT_FALSE(Look().gave_up);
  EXPECT_FALSE(Look().gave_up);
  EXPECT_TRUE(Look().gave_up);
  memory_ = 800;
  const auto o = Look();
  EXPECT_TRUE(o.over);
  EXPECT_FALSE(o.round);
  EXPECT_EQ(releases_, 3);
  rounds_->TryAgain();  // the level changed
  EXPECT_TRUE(Look().round);
}

TEST_F(SoftRoundsTest, BelowTheLineTheTryingBeginsAnew) {
  Make(0);
  for (int i = 0; i < 4; ++i) (void)Look();
  memory_ = 710;
  (void)Look();
  memory_ = 800;
  EXPECT_TRUE(Look().round);
}

TEST_F(SoftRoundsTest, ARoundThatIsWorthItKeepsItTrying) {
  Make(10);
  for (int i = 0; i < 8; ++i) {
    memory_ = 800;
    EXPECT_TRUE(Look().round);
  }
}

TEST_F(SoftRoundsTest, AHeapThatStallsIsAskedOnlyWhenLittleIsInUse) {
  Make(10, true, 400);
  (void)Look();
  EXPECT_EQ(releases_, 0);
  Make(10, true, 399);
  (void)Look();
  EXPECT_EQ(releases_, 1);
}

TEST_F(SoftRoundsTest, WhatIsNotKnownIsNotOver) {
  Make(10);
  memory_ = UINT64_MAX;
  EXPECT_FALSE(Look().over);
  EXPECT_EQ(releases_, 0);
}

TEST(SoftLimiterTest, OffAndASecondStartDoNothing) {
  SoftLimiterOptions options;
  options.limit.kind = Kind::kOff;
  auto off = SoftLimiter::Create(options);
  ASSERT_THAT(off, IsOk());
  EXPECT_FALSE((*off)->enabled());
  EXPECT_THAT((*off)->Start(), IsOk());
  options.limit = {.kind = Kind::kPercent, .percent = 99};
  auto on = SoftLimiter::Create(options);
  ASSERT_THAT(on, IsOk());
  EXPECT_THAT((*on)->Start(), IsOk());
  EXPECT_THAT((*on)->Start(), IsOk());
  EXPECT_THAT((*on)->AddCache({}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("before")));
  (*on)->OnLevel(MemoryLevel::kSoft);
  (*on)->Stop();
}

// A clock that stands, and tells how often it was looked at.
class StandingClock final : public Clock {
 public:
  UnixTime Unix() const override { return {}; }
  MonotonicTime Monotonic() const override {
    ++looks_;
    return MonotonicTime(std::chrono::hours(1));
  }
  int looks() const { return looks_; }

 private:
  mutable std::atomic<int> looks_{0};
};

TEST(SoftLimiterTest, AChangeOfLevelHasItLookAtOnce) {
  constexpr std::uint64_t kTaken = 128 << 20;
  const StandingClock clock;
  auto gauge = MemoryGauge::Open({});
  ASSERT_THAT(gauge, IsOk());
  SoftLimiterOptions options;
  options.clock = &clock;
  options.limit = {.kind = Kind::kBytes,
                   .bytes = gauge->ReadBytes().value() + kTaken / 2};
  auto limiter = SoftLimiter::Create(options);
  ASSERT_THAT(limiter, IsOk());
  std::promise<void> shrunk;
  std::atomic<int> calls{0};
  ASSERT_THAT((*limiter)->AddCache({"block", 2, 1,
                                    [&](std::uint64_t) {
                                      if (calls++ == 0) shrunk.set_value();
                                    }}),
              IsOk());
  ASSERT_THAT((*limiter)->Start(), IsOk());
  // It has looked in vain and waits for the second to pass, which it never
  // does.
  while (clock.looks() < 3) std::this_thread::yield();
  const std::string taken(kTaken, 'x');
  (*limiter)->OnLevel(MemoryLevel::kSoft);
  EXPECT_EQ(shrunk.get_future().wait_for(std::chrono::seconds(60)),
            std::future_status::ready);
  EXPECT_EQ(taken.back(), 'x');
  (*limiter)->Stop();
}

TEST(SoftLimiterTest, AnyThreadsMayStopItAtOnce) {
  SoftLimiterOptions options;
  options.limit = {.kind = Kind::kPercent, .percent = 99};
  for (int i = 0; i < 20; ++i) {
    auto limiter = SoftLimiter::Create(options);
    ASSERT_THAT(limiter, IsOk());
    std::vector<std::thread> threads;
    threads.emplace_back([&] { (void)(*limiter)->Start(); });
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] { (*limiter)->Stop(); });
    }
    for (std::thread& t : threads) t.join();
  }
}

TEST(SoftLimiterTest, WhatMakesNoSenseIsRefused) {
  SoftLimiterOptions options;
  options.limit = {.kind = Kind::kPercent, .percent = 101};
  EXPECT_THAT(SoftLimiter::Create(options),
              StatusIs(Code::kInvalidArgument, HasSubstr("1 to 100")));
  options.limit = {.kind = Kind::kBytes, .bytes = UINT64_MAX};
  EXPECT_THAT(SoftLimiter::Create(options),
              StatusIs(Code::kInvalidArgument, HasSubstr("above")));
  options.limit = {.kind = Kind::kOff};
  auto off = SoftLimiter::Create(options);
  EXPECT_THAT((*off)->AddCache({"block", 1, 2, {}}),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("block"), HasSubstr("minimum 2"))));
}

TEST(CacheSizeTest, IsAShareOfTheLimitOrWhatTheHostSays) {
  EXPECT_EQ(*CacheSize(25, 77), 77);
  const auto quarter = CacheSize();
  const auto half = CacheSize(50);
  ASSERT_THAT(quarter, IsOk());
  EXPECT_NEAR(static_cast<double>(*half), 2.0 * static_cast<double>(*quarter),
              2);
  for (const double bad : {0.5, 91.0, -1.0}) {
    EXPECT_THAT(CacheSize(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr("1 to 90")));
  }
}

}  // namespace
}  // namespace fodc::guard
