// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include "tests/support/allocation_count.h"

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What the kernel would say and what was done to the process.
constexpr std::uint64_t kLimit = 1'000'000'000;

struct Script {
  std::string group = "/a";
  ProcessName name{.pid = 42, .start_ticks = 1};
  std::optional<std::uint64_t> percent = 0;  // of kLimit; none: unreadable
  std::uint64_t limit = kLimit;              // when it is read anew
  bool has_ended = false;
  int error = 0;  // of Signal
  std::vector<int> signals;
  int releases = 0;
  int living = 0;                         // subjects
  std::vector<std::uint64_t> near_lines;  // of ReadBytesNear, in per cent
};

class ScriptedSubject final : public Subject {
 public:
  explicit ScriptedSubject(Script& script) : script_(script) {
    ++script_.living;
  }
  ~ScriptedSubject() override { --script_.living; }
  ProcessName name() const override { return script_.name; }
  bool HasEnded() const override { return script_.has_ended; }
  std::optional<std::uint64_t> ReadBytes() override {
    if (!script_.percent) return {};
    return *script_.percent * (kLimit / 100);
  }
  std::optional<std::uint64_t> ReadBytesNear(std::uint64_t line) override {
    script_.near_lines.push_back(line / (kLimit / 100));
    return ReadBytes();
  }
  std::optional<std::uint64_t> ReadResident() override { return 7; }
  void ReadLimit() override { limit_ = script_.limit; }
  std::uint64_t limit_bytes() const override { return limit_; }
  bool has_cgroup_limit() const override { return true; }
  std::string_view group() const override { return script_.group; }
  int Signal(int number) override {
    script_.signals.push_back(number);
    return script_.error;
  }
  int Release() override { return ++script_.releases, 0; }
  int pidfd() const override { return -1; }
  int event_fd() const override { return -1; }
  void DrainEvents() override {}

 private:
  Script& script_;
  std::uint64_t limit_ = kLimit;
};

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() {
    rules_.levels.kill = Level::Percent(95);
    script_.signals.reserve(16);
    script_.near_lines.reserve(1000);
    told_.reserve(1000);
    Make();
    Arm();
  }
  void Make() {
    watch_ = std::make_unique<Watch>(
        3, rules_, WallRules(), before_, clock_, counts_,
        [this](const Report& r) { told_.push_back(r); });
  }
  void Arm(std::chrono::seconds age = 1h) {
    (void)watch_->Arm(std::make_unique<ScriptedSubject>(script_),
                      clock_.Monotonic() - age);
  }
  // A look when the watch asks for one, or after `after`.
  void Look(std::optional<std::uint64_t> percent,
            std::chrono::nanoseconds after = 10ms) {
    script_.percent = percent;
    clock_.Advance(after);
    (void)watch_->Look();
  }
  std::vector<ReportKind> Told() {
    std::vector<ReportKind> kinds;
    for (const Report& r : told_) kinds.push_back(r.kind);
    told_.clear();
    return kinds;
  }

  Rules rules_;
  std::vector<Stop> before_;
  FakeClock clock_;
  ActionCounts counts_;
  Script script_;
  std::vector<Report> told_;
  std::unique_ptr<Watch> watch_;
};

TEST_F(WatchTest, OneSigtermAfterTheSecondSampleThenKillAfterTheGrace) {
  Look(50);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kArmed));
  Look(76);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kCapture));
  EXPECT_EQ(counts_.of(Action::kCaptureRaised), 1U);
  Look(91);
  EXPECT_THAT(script_.signals, IsEmpty());
  Look(91);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
  EXPECT_EQ(counts_.of(Action::kTermSent), 1U);
  ASSERT_EQ(told_.size(), 1U);
  const Report& r = told_.front();
  EXPECT_EQ(r.kind, ReportKind::kTerm);
  EXPECT_EQ(r.row, 3U);
  EXPECT_EQ(r.who, script_.name);
  EXPECT_EQ(r.bytes, 910'000'000U);
  EXPECT_EQ(r.limit_bytes, 1'000'000'000U);
  EXPECT_EQ(r.lines.term, 900'000'000U);
  EXPECT_EQ(r.resident_bytes, 7U);
  EXPECT_TRUE(r.has_cgroup_limit);
  EXPECT_EQ(r.error, 0);
  EXPECT_FALSE(r.is_dry_run);
  EXPECT_NEAR(r.age_seconds, 3600.04, 0.001);
  (void)Told();
  Look(96, 29s);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
  Look(96, 1s);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM, SIGKILL));
  EXPECT_EQ(script_.releases, 1);  // only after SIGKILL
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kGraceOver, ReportKind::kKill));
  EXPECT_EQ(counts_.of(Action::kKillSent), 1U);
  Look(99, 1h);
  EXPECT_EQ(script_.signals.size(), 2U);
}

TEST_F(WatchTest, ADryRunCountsAndTouchesNothing) {
  rules_.dry_run = true;
  Make();
  Arm();
  Look(91);
  Look(91);
  Look(96, 30s);
  EXPECT_THAT(script_.signals, IsEmpty());
  EXPECT_EQ(script_.releases, 0);
  EXPECT_EQ(counts_.of(Action::kDryRunCapture), 1U);
  EXPECT_EQ(counts_.of(Action::kDryRunTerm), 1U);
  EXPECT_EQ(counts_.of(Action::kDryRunKill), 1U);
  EXPECT_EQ(counts_.of(Action::kCaptureRaised), 0U);
  EXPECT_EQ(counts_.of(Action::kTermSent), 0U);
  EXPECT_EQ(counts_.of(Action::kKillSent), 0U);
  for (const Report& r : told_) EXPECT_TRUE(r.is_dry_run);
}

TEST_F(WatchTest, ASignalThatFailsIsCountedAsThatAndTold) {
  script_.error = EPERM;
  Look(91);
  Look(91);
  EXPECT_EQ(counts_.of(Action::kTermFailed), 1U);
  EXPECT_EQ(counts_.of(Action::kTermSent), 0U);
  const auto term =
      std::find_if(told_.begin(), told_.end(),
                   [](const Report& r) { return r.kind == ReportKind::kTerm; });
  ASSERT_NE(term, told_.end());
  EXPECT_EQ(term->error, EPERM);
  Look(96, 30s);
  EXPECT_EQ(counts_.of(Action::kKillFailed), 1U);
  EXPECT_EQ(script_.releases, 0);
}

// In a loop of starts that lack a permission nobody has been stopped.
TEST_F(WatchTest, ASignalThatFailsMakesNoLoop) {
  script_.error = EPERM;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    script_.name.start_ticks = i + 1;
    Arm(1s);
    Look(91);
    Look(91);
    EXPECT_EQ(counts_.of(Action::kTermFailed), i);
  }
  EXPECT_FALSE(watch_->state().is_suppressed);
}

TEST_F(WatchTest, ADryRunMakesNoLoop) {
  rules_.dry_run = true;
  Make();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    script_.name.start_ticks = i + 1;
    Arm(1s);
    Look(91);
    Look(91);
    EXPECT_EQ(counts_.of(Action::kDryRunTerm), i);
  }
  EXPECT_FALSE(watch_->state().is_suppressed);
}

TEST_F(WatchTest, ALimitThatIsLoweredIsSeenWithinASecond) {
  Look(50);
  script_.limit = kLimit / 2 + kLimit / 20;  // it has 91 % of that
  Look(50, 500ms);
  EXPECT_EQ(watch_->state().limit_bytes, kLimit);
  Look(50, 500ms);
  EXPECT_EQ(watch_->state().limit_bytes, script_.limit);
  Look(50);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
}

TEST_F(WatchTest, AnEndDisarmsAndNothingIsSignalled) {
  Look(91);
  (void)Told();
  script_.has_ended = true;
  Look(91);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kEnded));
  EXPECT_FALSE(watch_->state().is_armed);
  EXPECT_EQ(watch_->subject(), nullptr);
  EXPECT_EQ(watch_->Look(), std::nullopt);
  EXPECT_THAT(script_.signals, IsEmpty());
}

// The owner may see its end first.
TEST_F(WatchTest, WhoeverIsLetGoIsToldOf) {
  Look(91);
  (void)Told();
  script_.has_ended = true;
  (void)watch_->Disarm();
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kEnded));
  (void)watch_->Disarm();
  EXPECT_THAT(Told(), IsEmpty());
  script_.has_ended = false;
  ++script_.name.start_ticks;
  Arm();
  ++script_.name.start_ticks;
  Arm();
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kEnded));
  (void)watch_->Disarm();
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kLost));
}

TEST_F(WatchTest, AVanishedCgroupDisarmsUntilItIsLookedUpAnew) {
  Look(91);
  (void)Told();
  Look(std::nullopt);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kLost));
  EXPECT_FALSE(watch_->state().is_armed);
  EXPECT_EQ(watch_->state().failures, 1U);
  EXPECT_THAT(script_.signals, IsEmpty());
  Arm();
  EXPECT_TRUE(watch_->state().is_armed);
  Look(91);
  Look(91);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
}

TEST_F(WatchTest, LookedUpAnewTheShotIsStillFired) {
  Look(91);
  Look(91);
  Arm();
  Look(91);
  Look(91);
  EXPECT_EQ(script_.signals.size(), 1U);
  ++script_.name.start_ticks;  // the same pid, another process
  Arm();
  Look(91);
  Look(91);
  EXPECT_EQ(script_.signals.size(), 2U);
}

TEST_F(WatchTest, TheCrashLoopGuardStopsSendingAndGoesOnCapturing) {
  for (int i = 0; i < 3; ++i) {
    Look(91);
    Look(91);
    ++script_.name.start_ticks;
    Arm(5s);
  }
  EXPECT_EQ(script_.signals.size(), 3U);  // the first was an old process
  Look(91);
  Look(91);
  EXPECT_EQ(script_.signals.size(), 4U);
  ++script_.name.start_ticks;
  Arm(5s);
  (void)Told();
  Look(91, 6min);
  Look(91);
  EXPECT_EQ(script_.signals.size(), 4U);
  EXPECT_EQ(counts_.of(Action::kSuppressedByCrashLoop), 1U);
  EXPECT_TRUE(watch_->state().is_suppressed);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kArmed, ReportKind::kCapture,
                                  ReportKind::kSuppressed));
}

TEST_F(WatchTest, AtTheShortestWaitMostLooksAreCheapUntilItIsAsked) {
  for (int i = 0; i < 20; ++i) Look(50);  // waits longer: all in full
  EXPECT_THAT(script_.near_lines, IsEmpty());
  for (int i = 0; i < 1 + Watch::kNearReads; ++i) Look(74);
  EXPECT_EQ(script_.near_lines,
            std::vector<std::uint64_t>(Watch::kNearReads - 1, 75));
  EXPECT_DOUBLE_EQ(watch_->state().wait_seconds, 0.01);
  // Over that line the next one counts.
  script_.near_lines.clear();
  Look(89);
  Look(89);
  EXPECT_THAT(script_.near_lines, ElementsAre(75, 90));
  // Over the line of the stop everything is read in full.
  Look(91);
  script_.near_lines.clear();
  for (int i = 0; i < 20; ++i) Look(91);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
  for (int i = 0; i < 20; ++i) Look(89);
  EXPECT_THAT(script_.near_lines, IsEmpty());
}

TEST_F(WatchTest, AnEstimateIsNoReasonToLookLessOften) {
  Look(74);
  Look(20);
  EXPECT_THAT(script_.near_lines, ElementsAre(75));
  EXPECT_DOUBLE_EQ(watch_->state().wait_seconds, 0.01);
  for (int i = 0; i < Watch::kNearReads - 1; ++i) Look(20);
  EXPECT_GT(watch_->state().wait_seconds, 0.08);
}

// The agent may end at any time, by our own hand or the kernel's.
TEST_F(WatchTest, AGuardianThatStartsAgainAsksNobodyTwice) {
  before_ = {{.who = script_.name, .at = clock_.Monotonic(), .age = 1h}};
  Make();
  Arm();
  Look(91);
  Look(91, 29s);
  EXPECT_THAT(script_.signals, IsEmpty());
  // The grace runs from then, too.
  Look(96, 1s);
  EXPECT_THAT(script_.signals, ElementsAre(SIGKILL));
  script_.has_ended = true;
  (void)Told();
  (void)watch_->Look();
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_TRUE(told_.front().was_asked);
  // Whoever comes next was not asked.
  script_.has_ended = false;
  ++script_.name.start_ticks;
  Arm();
  Look(91);
  Look(91);
  EXPECT_THAT(script_.signals, ElementsAre(SIGKILL, SIGTERM));
}

TEST_F(WatchTest, AGuardianThatStartsAgainGoesOnCountingALoop) {
  for (int i = 1; i <= 3; ++i) {
    before_.push_back({.who = {.pid = 7, .start_ticks = 1},
                       .at = clock_.Monotonic(),
                       .age = 5s});
    clock_.Advance(2min);
  }
  Make();
  Arm(5s);
  Look(91);
  EXPECT_TRUE(watch_->state().is_suppressed);
  Look(91);
  EXPECT_THAT(script_.signals, IsEmpty());
  EXPECT_EQ(counts_.of(Action::kSuppressedByCrashLoop), 1U);
  // Ten minutes after the first of them it is no loop any more.
  Look(10);
  ++script_.name.start_ticks;
  Arm(5s);
  Look(91, 4min);
  Look(91);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
}

TEST_F(WatchTest, WhatIsReplacedIsGivenBackToBeFreedElsewhere) {
  Retired first = watch_->Arm(std::make_unique<ScriptedSubject>(script_), {});
  EXPECT_EQ(script_.living, 2);
  first.subject.reset();
  EXPECT_EQ(script_.living, 1);
  script_.has_ended = true;
  (void)watch_->Look();
  EXPECT_EQ(script_.living, 1);
  (void)watch_->Disarm();
  EXPECT_EQ(script_.living, 0);
}

TEST_F(WatchTest, LookingAndActingAllocateNothing) {
  Look(50);
  const std::uint64_t before = test::AllocationCount();
  for (int i = 0; i < 100; ++i) Look(50);
  Look(76);
  Look(91);
  Look(91);
  Look(96, 30s);
  script_.has_ended = true;
  Look(96);
  EXPECT_EQ(test::AllocationCount(), before);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM, SIGKILL));
}

TEST(ReportRingTest, IsBoundedAndKeepsTheOrder) {
  ReportRing ring;
  Report r;
  for (std::size_t i = 0; i < ReportRing::kReports + 2; ++i) {
    r.bytes = i;
    ring.Push(r);
  }
  EXPECT_EQ(ring.dropped(), 2U);
  for (std::size_t i = 0; i < ReportRing::kReports; ++i)
    EXPECT_EQ(ring.Pop()->bytes, i);
  EXPECT_FALSE(ring.Pop());
}

TEST(ActionCountsTest, AllAreThereFromTheStart) {
  const ActionCounts counts;
  for (std::size_t i = 0; i < kActions; ++i) {
    EXPECT_EQ(counts.of(static_cast<Action>(i)), 0U);
    EXPECT_NE(LabelsOf(static_cast<Action>(i)).action, "");
  }
}

}  // namespace
}  // namespace fodc::guardian
