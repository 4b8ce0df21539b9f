// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/memory_row.h"

#include <gtest/gtest.h>

namespace fodc::detect {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMib = 1 << 20;

// What a scripted process has.
struct Script {
  std::optional<std::uint64_t> bytes = 100 * kMib;
  std::uint64_t limit = 1000 * kMib;
  std::uint64_t next_limit = 1000 * kMib;  // from the next ReadLimits
  bool is_blind = false;
  bool has_ended = false;
  int limit_reads = 0;
};

class ScriptedMemory final : public MemorySource {
 public:
  ScriptedMemory(Script* script, pid_t pid) : script_(script), pid_(pid) {}
  pid_t pid() const override { return pid_; }
  std::uint64_t start_ticks() const override { return 7; }
  bool HasEnded() const override { return script_->has_ended; }
  PressureMeasure measure() const override {
    return script_->is_blind ? PressureMeasure::kResident
                             : PressureMeasure::kCharge;
  }
  bool is_blind() const override { return script_->is_blind; }
  std::optional<std::uint64_t> ReadBytes() override { return script_->bytes; }
  std::string Why() const override { return "it is scripted so"; }
  std::uint64_t limit_bytes() const override { return script_->limit; }
  void ReadLimits() override {
    ++script_->limit_reads;
    script_->limit = script_->next_limit;
  }
  int pidfd() const override { return -1; }
  int event_fd() const override { return -1; }
  void DrainEvents() override {}
  int stall_fd() const override { return -1; }
  void DropStall() override {}
  std::string EventsProblem() const override { return ""; }

 private:
  Script* const script_;
  const pid_t pid_;
};

class MemoryRowTest : public ::testing::Test {
 protected:
  void Follow(pid_t pid) {
    (void)row_.Follow(std::make_unique<ScriptedMemory>(&script_, pid), {}, "");
  }
  MemoryLook Look(std::chrono::nanoseconds after, bool is_scrape = false) {
    clock_.Advance(after);
    return row_.Look(clock_, is_scrape);
  }
  MemoryLook LookAt(std::uint64_t mib, std::chrono::nanoseconds after = 10ms) {
    script_.bytes = mib * kMib;
    return Look(after);
  }
  PressureReason reason() const { return row_.state().last.reason; }

  FakeClock clock_;
  Script script_;
  MemoryRow row_{{}, {}};
};

TEST_F(MemoryRowTest, FiresAtTheLineAndOnceUntilItsCaptureIsOver) {
  Follow(5);
  EXPECT_FALSE(LookAt(749).fires);
  EXPECT_TRUE(LookAt(750).fires);
  EXPECT_EQ(row_.ramp(), 1U);
  EXPECT_EQ(row_.state().last_fired->threshold_bytes, 750 * kMib);
  EXPECT_FALSE(LookAt(800).fires);
  EXPECT_EQ(reason(), PressureReason::kInProgress);
  row_.OnCaptured(clock_.Monotonic(), true);
  EXPECT_FALSE(LookAt(849).fires);
  EXPECT_EQ(reason(), PressureReason::kCooldown);
  EXPECT_TRUE(LookAt(850).fires);  // a step above the one that was captured
  EXPECT_EQ(row_.ramp(), 1U);      // of the same ramp-up
  EXPECT_EQ(row_.state().fired, 2U);
}

TEST_F(MemoryRowTest, AnotherRampUpHasAnotherName) {
  Follow(5);
  EXPECT_TRUE(LookAt(760).fires);
  row_.OnCaptured(clock_.Monotonic(), true);
  EXPECT_FALSE(LookAt(740).is_calm);  // it only trembles
  EXPECT_TRUE(LookAt(690).is_calm);
  EXPECT_FALSE(LookAt(690).is_calm);
  EXPECT_TRUE(LookAt(760, 5min).fires);
  EXPECT_EQ(row_.ramp(), 2U);
}

TEST_F(MemoryRowTest, LooksMoreOftenTheLessRoomThereIs) {
  script_.next_limit = 100'000 * kMib;
  Follow(5);
  EXPECT_EQ(LookAt(100).wait, 1s);
  const auto wait = *LookAt(74'400, 1s).wait;
  EXPECT_GE(wait, 10ms);
  // It grew by 74 GB in a second, and may again, twice as fast.
  EXPECT_LE(wait, 20ms);
  // What has nothing left but the limit is looked at as often as can be.
  EXPECT_EQ(LookAt(100'000).wait, 10ms);
}

TEST_F(MemoryRowTest, LimitsAreReadAnew) {
  Follow(5);
  EXPECT_FALSE(LookAt(500).fires);
  EXPECT_EQ(script_.limit_reads, 1);
  script_.next_limit = 600 * kMib;
  EXPECT_FALSE(LookAt(500, 1s).fires);
  EXPECT_TRUE(LookAt(500, 5s).fires);
  EXPECT_EQ(row_.state().last.sample.limit_bytes, 600 * kMib);
}

TEST_F(MemoryRowTest, ForecastsTheLimit) {
  Follow(5);
  (void)LookAt(100);
  EXPECT_FALSE(row_.state().seconds_to_limit);
  (void)LookAt(200, 1s);  // 100 MiB/s, 800 MiB to go
  ASSERT_TRUE(row_.state().seconds_to_limit);
  EXPECT_NEAR(*row_.state().seconds_to_limit, 8.0, 0.01);
  // Another process starts from nothing.
  Follow(6);
  (void)LookAt(300);
  EXPECT_FALSE(row_.state().seconds_to_limit);
}

TEST_F(MemoryRowTest, ThePageIsAskedOnlyWhereTheGroupIsNotSeen) {
  Follow(5);
  row_.OnPage(PagePair{.bytes = 90, .limit_bytes = 100});
  EXPECT_FALSE(LookAt(100).fires);
  EXPECT_EQ(row_.state().last.sample.measure, PressureMeasure::kCharge);
  script_.is_blind = true;
  const MemoryLook look = LookAt(100);
  EXPECT_TRUE(look.fires);
  EXPECT_FALSE(look.wait);  // until the next page
  EXPECT_EQ(row_.state().last.sample.measure, PressureMeasure::kPage);
  row_.OnCaptured(clock_.Monotonic(), true);
  // Without one it is the resident memory again.
  row_.OnPage({});
  EXPECT_FALSE(LookAt(100).fires);
  EXPECT_EQ(row_.state().last.sample.measure, PressureMeasure::kResident);
}

TEST_F(MemoryRowTest, APageThatTellsNoLimitDoesNotArm) {
  row_.OnPage(PagePair{.bytes = 90, .limit_bytes = 0});
  EXPECT_FALSE(Look(1s).fires);
  EXPECT_EQ(reason(), PressureReason::kNoLimit);
  EXPECT_FALSE(row_.state().problem.empty());
  row_.OnPage(PagePair{.bytes = 90, .limit_bytes = 100});
  EXPECT_TRUE(Look(1s).fires);
  EXPECT_EQ(row_.state().problem, "");
}

TEST_F(MemoryRowTest, APageThatTellsNoLimitDoesNotDisarm) {
  Follow(5);
  script_.is_blind = true;
  row_.OnPage(PagePair{.bytes = 90, .limit_bytes = 0});
  EXPECT_FALSE(LookAt(100).fires);
  EXPECT_EQ(row_.state().last.sample.measure, PressureMeasure::kResident);
  EXPECT_EQ(reason(), PressureReason::kBelow);
}

TEST_F(MemoryRowTest, SaysWhyItIsNotArmed) {
  EXPECT_FALSE(Look(1s).wait);
  EXPECT_EQ(reason(), PressureReason::kNoTarget);
  (void)row_.Follow(nullptr, PressureReason::kUnreadable, "no right to");
  (void)Look(1s);
  EXPECT_EQ(reason(), PressureReason::kUnreadable);
  EXPECT_EQ(row_.state().problem, "no right to");
  Follow(5);
  script_.bytes.reset();
  EXPECT_EQ(Look(1s).wait, 1s);
  EXPECT_EQ(reason(), PressureReason::kUnreadable);
  EXPECT_EQ(row_.state().problem, "it is scripted so");
  EXPECT_EQ(row_.state().failures, 1U);
}

TEST_F(MemoryRowTest, WhoHasEndedIsLookedAtNoMore) {
  Follow(5);
  EXPECT_TRUE(LookAt(800).fires);
  script_.has_ended = true;
  const MemoryLook look = LookAt(990);
  EXPECT_FALSE(look.is_calm);  // of the dead there is more to tell
  EXPECT_FALSE(look.fires);
  EXPECT_FALSE(look.wait);
  EXPECT_EQ(reason(), PressureReason::kNoTarget);
}

// As Go counts: once for each scrape that finds it so.
TEST_F(MemoryRowTest, CountsScrapesWithinTheCooldown) {
  Follow(5);
  EXPECT_TRUE(LookAt(760).fires);
  EXPECT_FALSE(Look(1s, true).fires);
  EXPECT_EQ(row_.state().skipped_cooldown, 0U);  // it is in progress
  row_.OnCaptured(clock_.Monotonic(), true);
  EXPECT_FALSE(Look(1s, false).fires);
  EXPECT_FALSE(Look(1s, true).fires);
  EXPECT_FALSE(Look(1s, true).fires);
  EXPECT_EQ(row_.state().skipped_cooldown, 2U);
}

TEST_F(MemoryRowTest, AnEarlierLifesCaptureCounts) {
  row_.Restore(clock_.Monotonic(), 1min, 740 * kMib);
  Follow(5);
  EXPECT_FALSE(LookAt(760).fires);
  EXPECT_EQ(reason(), PressureReason::kCooldown);
  EXPECT_TRUE(LookAt(760, 4min).fires);
}

TEST_F(MemoryRowTest, ACaptureThatBroughtNothingIsTriedAgainSoon) {
  Follow(5);
  EXPECT_TRUE(LookAt(760).fires);
  row_.OnCaptured(clock_.Monotonic(), false);
  EXPECT_FALSE(LookAt(760).fires);
  EXPECT_EQ(reason(), PressureReason::kRetryLater);
  EXPECT_TRUE(LookAt(760, 1s).fires);
}

}  // namespace
}  // namespace fodc::detect
