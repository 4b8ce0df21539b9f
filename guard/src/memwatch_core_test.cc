// SPDX-License-Identifier: Apache-2.0
#include "memwatch_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr std::uint64_t kMib = 1 << 20;
constexpr std::uint64_t kLimit = 1000 * kMib;

class MemwatchCoreTest : public ::testing::Test {
 protected:
  MemwatchCoreTest() {
    options_.hard.percent = 90;
    options_.soft.percent = 80;
  }
  void Make(bool in_crash_loop = false) {
    auto settings = ToCoreSettings(options_);
    ASSERT_THAT(settings, IsOk());
    settings->in_crash_loop = in_crash_loop;
    core_.emplace(*settings);
  }
  // After `later`, of a life that began with the first.
  CoreDecision Step(std::optional<std::uint64_t> mib,
                    std::chrono::nanoseconds later = 1s) {
    if (!core_) Make();
    now_ += later;
    CoreSample s;
    s.at = now_;
    s.age = now_ - start_;
    if (mib) s.bytes = *mib * kMib;
    s.limit_bytes = kLimit;
    return core_->Step(s);
  }

  MemwatchOptions options_;
  std::optional<MemwatchCore> core_;
  const MonotonicTime start_{1000s};
  MonotonicTime now_ = start_;
};

TEST_F(MemwatchCoreTest, FiresAtTheThresholdAndNotBelow) {
  CoreDecision d = Step(899);
  EXPECT_FALSE(d.fire);
  EXPECT_EQ(d.hard_bytes, 900 * kMib);
  d = Step(900);
  EXPECT_TRUE(d.fire);
  EXPECT_EQ(d.level, MemoryLevel::kHard);
  EXPECT_FALSE(d.over_at_start);
}

TEST_F(MemwatchCoreTest, FiresOnceEvenIfMemoryStaysHigh) {
  EXPECT_TRUE(Step(950).fire);
  EXPECT_FALSE(Step(950).fire);
  EXPECT_FALSE(Step(100).fire);
  EXPECT_FALSE(Step(950).fire);
}

// R10: after a restart above the line the kernel is quicker than a wait.
TEST_F(MemwatchCoreTest, R10TheFirstSampleCanFire) {
  const CoreDecision d = Step(950, 0s);
  EXPECT_TRUE(d.fire);
  EXPECT_TRUE(d.over_at_start);
}

TEST_F(MemwatchCoreTest, SoftHasHysteresisAndIsEnteredManyTimes) {
  options_.predict = false;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Step(799).level, MemoryLevel::kNormal);
    EXPECT_EQ(Step(800).level, MemoryLevel::kSoft);
    EXPECT_EQ(Step(790).level, MemoryLevel::kSoft);
    EXPECT_EQ(Step(760).level, MemoryLevel::kSoft);  // 95 % of 800
    const CoreDecision d = Step(759);
    EXPECT_EQ(d.before, MemoryLevel::kSoft);
    EXPECT_EQ(d.level, MemoryLevel::kNormal);
    EXPECT_EQ(Step(770).level, MemoryLevel::kNormal);
  }
}

TEST_F(MemwatchCoreTest, AnUnsetSoftIsEightNinthsOfHard) {
  options_.soft.percent = 0;
  EXPECT_EQ(Step(1).soft_bytes, 800 * kMib);
  options_.hard = {.bytes = 1};
  Make();
  EXPECT_EQ(Step(1).soft_bytes, 0);
}

TEST_F(MemwatchCoreTest, SoftAloneNeverFires) {
  options_.hard.percent = 0;
  EXPECT_EQ(Step(999).level, MemoryLevel::kSoft);
  EXPECT_FALSE(Step(1000).fire);
}

TEST_F(MemwatchCoreTest, AStepThatWouldPassTheLimitEntersSoftButNeverHard) {
  EXPECT_EQ(Step(300).level, MemoryLevel::kNormal);
  EXPECT_EQ(Step(617).level, MemoryLevel::kNormal);
  const CoreDecision d = Step(777);  // + 160 = 937 >= 1000 - 64
  EXPECT_EQ(d.level, MemoryLevel::kSoft);
  EXPECT_FALSE(d.fire);
  // It did not come: the level ends a second later.
  EXPECT_EQ(Step(700, 500ms).level, MemoryLevel::kSoft);
  EXPECT_EQ(Step(700, 500ms).level, MemoryLevel::kNormal);
}

TEST_F(MemwatchCoreTest, ThePredictionCanBeOff) {
  options_.predict = false;
  (void)Step(300);
  (void)Step(617);
  EXPECT_EQ(Step(777).level, MemoryLevel::kNormal);
}

TEST_F(MemwatchCoreTest, TellsTheSecondsToTheLimit) {
  EXPECT_EQ(Step(100).seconds_to_limit, std::nullopt);
  EXPECT_THAT(Step(200).seconds_to_limit, Optional(DoubleNear(8, 1e-9)));
  EXPECT_EQ(Step(150).seconds_to_limit, std::nullopt);
}

TEST_F(MemwatchCoreTest, TheWaitIsTheHeadroomToHardAtEveryDecade) {
  const auto wait_ms = [this](std::uint64_t mib) {
    Make();  // no history of slopes
    return static_cast<double>(Step(mib).wait.count()) / 1e6;
  };
  EXPECT_EQ(wait_ms(900 - 1), 10);
  EXPECT_EQ(wait_ms(900 - 10), 10);
  EXPECT_NEAR(wait_ms(900 - 100), 16.67, 0.01);
  EXPECT_NEAR(wait_ms(900 - 374), 62.33, 0.01);
  options_.hard = {.bytes = 10'000 * kMib};
  EXPECT_EQ(wait_ms(1), 1000);
}

TEST_F(MemwatchCoreTest, AGrowthFasterThanAssumedShortensTheWait) {
  (void)Step(0);
  EXPECT_EQ(Step(300, 50ms).wait, 50ms);  // 600 MiB at twice 6000 MiB/s
}

TEST_F(MemwatchCoreTest, WithoutAdaptionTheWaitIsAsConfigured) {
  options_.adaptive = false;
  options_.poll_interval = 250ms;
  EXPECT_EQ(Step(890).wait, 250ms);
  EXPECT_EQ(Step(10).wait, 250ms);
}

// R8: no cadence stalls the process.
TEST_F(MemwatchCoreTest, R8AMicrosecondIsRaisedTo10Ms) {
  options_.poll_interval = 1us;
  options_.adaptive = false;
  EXPECT_EQ(Step(10).wait, 10ms);
}

TEST_F(MemwatchCoreTest, AnIntervalOfNothingIsASecond) {
  options_.adaptive = false;
  for (const auto bad : {0ns, std::chrono::nanoseconds(-5s)}) {
    options_.poll_interval = bad;
    Make();
    EXPECT_EQ(Step(10).wait, 1s);
  }
}

TEST_F(MemwatchCoreTest, GlibcsHeapIsAskedOnceASecondAtMost) {
  options_.source = MemorySource::kHeapGlibc;
  options_.poll_interval = 10ms;
  EXPECT_EQ(Step(899).wait, 1s);
}

// R13: a source that fails is a state, not a zero.
TEST_F(MemwatchCoreTest, R13TenFailuresInARowMakeTheMemoryUnknown) {
  EXPECT_EQ(Step(850).level, MemoryLevel::kSoft);
  for (int i = 0; i < 9; ++i) {
    const CoreDecision d = Step(std::nullopt);
    EXPECT_FALSE(d.unknown);
    EXPECT_FALSE(d.fire);
    EXPECT_EQ(d.level, MemoryLevel::kSoft);
  }
  CoreDecision d = Step(std::nullopt);
  EXPECT_TRUE(d.unknown);
  EXPECT_TRUE(d.unknown_changed);
  d = Step(std::nullopt);
  EXPECT_TRUE(d.unknown);
  EXPECT_FALSE(d.unknown_changed);
  d = Step(850);
  EXPECT_FALSE(d.unknown);
  EXPECT_TRUE(d.unknown_changed);
}

TEST_F(MemwatchCoreTest, OneSuccessBeginsTheCountAnew) {
  for (int i = 0; i < 30; ++i) {
    EXPECT_FALSE(
        Step(i % 10 == 9 ? std::optional<std::uint64_t>(5) : std::nullopt)
            .unknown);
  }
}

TEST_F(MemwatchCoreTest, InACrashLoopItLeavesTheBaselineToTheKernel) {
  Make(true);
  const CoreDecision d = Step(950);
  EXPECT_FALSE(d.fire);
  EXPECT_TRUE(d.over_at_start);
  EXPECT_TRUE(d.below_baseline);
  EXPECT_EQ(d.level, MemoryLevel::kSoft);
  EXPECT_EQ(d.wait, 1s);
  // Beyond the first minute, too, as long as it was not seen below.
  EXPECT_FALSE(Step(950, 100s).fire);
  EXPECT_FALSE(Step(100, 1s).below_baseline);
  EXPECT_TRUE(Step(950).fire);
}

TEST_F(MemwatchCoreTest, InACrashLoopTheFirstMinuteDoesNotFire) {
  Make(true);
  EXPECT_FALSE(Step(10, 1s).fire);
  EXPECT_FALSE(Step(950, 50s).fire);
  EXPECT_FALSE(Step(10, 5s).fire);
  EXPECT_FALSE(Step(950, 3s).fire);
  EXPECT_FALSE(Step(10, 1s).fire);  // 60 s: from here on it is trusted
  EXPECT_TRUE(Step(950, 1s).fire);
}

TEST_F(MemwatchCoreTest, ThresholdsFollowTheLimit) {
  (void)Step(100);
  now_ += 1s;
  const CoreDecision d = core_->Step(
      {.at = now_, .age = 2s, .bytes = 190 * kMib, .limit_bytes = 200 * kMib});
  EXPECT_TRUE(d.fire);
  EXPECT_EQ(d.hard_bytes, 180 * kMib);
}

TEST_F(MemwatchCoreTest, ThresholdsThatMakeNoSenseAreRefused) {
  const auto settings = [](MemoryThreshold hard, MemoryThreshold soft) {
    MemwatchOptions o;
    o.hard = hard;
    o.soft = soft;
    return ToCoreSettings(o);
  };
  for (const double percent : {0.5, -1.0, 100.5, std::nan("")}) {
    EXPECT_THAT(settings({.percent = percent}, {}),
                StatusIs(Code::kInvalidArgument, HasSubstr("hard")));
    EXPECT_THAT(settings({.percent = 90}, {.percent = percent}),
                StatusIs(Code::kInvalidArgument, HasSubstr("soft")));
  }
  EXPECT_THAT(settings({.bytes = 5, .percent = 90}, {}),
              StatusIs(Code::kInvalidArgument, HasSubstr("and in per cent")));
  EXPECT_THAT(settings({.percent = 80}, {.percent = 80}),
              StatusIs(Code::kInvalidArgument, HasSubstr("not below")));
  EXPECT_THAT(settings({.bytes = 80}, {.bytes = 81}),
              StatusIs(Code::kInvalidArgument, HasSubstr("not below")));
  EXPECT_THAT(settings({.percent = 100}, {.percent = 1}), IsOk());
}

}  // namespace
}  // namespace fodc::guard
