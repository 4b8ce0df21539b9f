// SPDX-License-Identifier: Apache-2.0
// A watch and its wall: when the killer is off, and that it comes on again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "fodc/base/file.h"
#include "fodc/guardian/watch.h"
#include "tests/support/wait.h"

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Script {
  std::string group = "/a";
  std::uint64_t percent = 0;
  bool has_ended = false;
  std::vector<int> signals;
  // The wall.
  bool is_off = false;
  bool is_standing = false;
  int hold_error = 0;
  RaiseResult raise = RaiseResult::kDone;
  std::uint64_t raised = 0;
  int lowered = 0;
};

class ScriptedSubject : public Subject {
 public:
  explicit ScriptedSubject(Script& script) : script_(script) {}
  ProcessName name() const override { return {.pid = 42, .start_ticks = 1}; }
  bool HasEnded() const override { return script_.has_ended; }
  std::optional<std::uint64_t> ReadBytes() override {
    return script_.percent * 10'000'000;
  }
  std::optional<std::uint64_t> ReadBytesNear(std::uint64_t) override {
    return ReadBytes();
  }
  std::optional<std::uint64_t> ReadResident() override { return {}; }
  void ReadLimit() override {}
  std::uint64_t limit_bytes() const override { return 1'000'000'000; }
  bool has_cgroup_limit() const override { return true; }
  std::string_view group() const override { return script_.group; }
  int Signal(int number) override {
    script_.signals.push_back(number);
    return 0;
  }
  int Release() override { return 0; }
  int pidfd() const override { return -1; }
  int event_fd() const override { return -1; }
  void DrainEvents() override {}

 private:
  Script& script_;
};

class ScriptedWall final : public Wall {
 public:
  ScriptedWall(Script& script, int fd) : script_(script), fd_(fd) {}
  int Hold() override {
    script_.is_off = script_.hold_error == 0;
    return script_.hold_error;
  }
  void Release() override { script_.is_off = false; }
  bool IsHeld() override { return script_.is_off; }
  bool IsStanding() override { return script_.is_standing; }
  RaiseResult Raise(std::uint64_t bytes, int*) override {
    script_.raised += bytes;
    return script_.raise;
  }
  void Lower() override { ++script_.lowered; }
  int event_fd() const override { return -1; }
  void DrainEvents() override {}
  int control_fd() const override { return fd_; }

 private:
  Script& script_;
  int fd_;
};

class WallWatchTest : public ::testing::Test {
 protected:
  explicit WallWatchTest(const Rules& rules = {},
                         const WallOptions& options = {})
      : watch_(0, rules, {.options = options, .timer = &timer_}, {}, clock_,
               counts_, [this](const Report& r) { told_.push_back(r.kind); }) {
    (void)watch_.Arm(std::make_unique<ScriptedSubject>(script_),
                     clock_.Monotonic() - 1h);
    (void)watch_.PutWall(std::make_unique<ScriptedWall>(script_, fd_.get()),
                         {.pid = 42, .start_ticks = 1});
  }
  std::optional<std::chrono::nanoseconds> Look(std::uint64_t percent) {
    script_.percent = percent;
    clock_.Advance(10ms);
    return watch_.Look();
  }
  std::vector<ReportKind> Told() { return std::exchange(told_, {}); }

  FakeClock clock_;
  ActionCounts counts_;
  Script script_;
  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  WallTimer timer_{1, clock_};
  std::vector<ReportKind> told_;
  Watch watch_;
};

TEST_F(WallWatchTest, TheKillerIsOffOnlyNearTheLimit) {
  Look(50);
  EXPECT_FALSE(script_.is_off);
  Look(75);
  EXPECT_TRUE(script_.is_off);
  Look(72);
  EXPECT_TRUE(script_.is_off);
  Look(71);
  EXPECT_FALSE(script_.is_off);
  Look(80);
  EXPECT_TRUE(script_.is_off);
}

class ShortDeadlineTest : public WallWatchTest {
 protected:
  ShortDeadlineTest() : WallWatchTest({}, {.deadline = 8ms}) {}
};

// Or the timer takes a guardian that has nothing to look at for one that hangs.
TEST_F(ShortDeadlineTest, WhileTheKillerIsOffItLooksWithinTheDeadline) {
  EXPECT_GE(*Look(50), Course::kShortestWait);
  EXPECT_LE(*Look(75), 4ms);
  ASSERT_TRUE(script_.is_off);
  EXPECT_GE(*Look(50), Course::kShortestWait);
}

TEST_F(WallWatchTest, AKillerThatComesOnBeforeTheWallIsTold) {
  Look(80);
  (void)Told();
  script_.is_off = false;  // the timer, or an operator
  Look(80);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kWallOver));
  Look(80);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_FALSE(script_.is_off);
}

class WallWithoutIncidentsTest : public WallWatchTest {
 protected:
  WallWithoutIncidentsTest()
      : WallWatchTest({.levels = {.capture = Level()}}) {}
};

TEST_F(WallWithoutIncidentsTest, TheKillerIsOffFromTheLineOfTheStop) {
  Look(50);
  EXPECT_FALSE(script_.is_off);
  Look(90);
  EXPECT_TRUE(script_.is_off);
  Look(85);
  EXPECT_FALSE(script_.is_off);
}

TEST_F(WallWatchTest, AtTheWallItIsAskedGivenABreathAndLowered) {
  Look(80);
  (void)Told();
  script_.is_standing = true;
  Look(100);
  EXPECT_THAT(script_.signals, ElementsAre(SIGTERM));
  EXPECT_EQ(script_.raised, 64U << 20);
  EXPECT_EQ(counts_.of(Action::kRaiseDone), 1U);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kTerm, ReportKind::kWall,
                                  ReportKind::kRaise));
  Look(100);
  EXPECT_EQ(script_.raised, 64U << 20);  // once
  EXPECT_TRUE(script_.is_off);
  script_.has_ended = true;
  Look(0);
  EXPECT_FALSE(script_.is_off);
  EXPECT_EQ(script_.lowered, 1);
  EXPECT_EQ(watch_.wall(), nullptr);
}

TEST_F(WallWatchTest, WhoeverWasAskedBeforeIsGivenTheBreathAllTheSame) {
  Look(91);
  Look(91);
  ASSERT_EQ(script_.signals.size(), 1U);
  script_.is_standing = true;
  Look(100);
  EXPECT_EQ(script_.signals.size(), 1U);
  EXPECT_EQ(counts_.of(Action::kRaiseDone), 1U);
}

TEST_F(WallWatchTest, ARaiseThatIsRefusedOrFailsIsCounted) {
  script_.raise = RaiseResult::kRefused;
  Look(80);
  script_.is_standing = true;
  Look(100);
  EXPECT_EQ(counts_.of(Action::kRaiseRefused), 1U);
  EXPECT_EQ(counts_.of(Action::kRaiseDone), 0U);
}

TEST_F(WallWatchTest, WhatTheTimerSwitchedOnStaysOn) {
  Look(80);
  script_.is_standing = true;
  Look(100);
  (void)Told();
  script_.is_off = false;  // as the timer does it
  Look(100);
  EXPECT_THAT(Told(), ElementsAre(ReportKind::kWallOver));
  Look(80);
  EXPECT_FALSE(script_.is_off);
}

TEST_F(WallWatchTest, AGroupThatRefusesKeepsItsKiller) {
  script_.hold_error = EPERM;
  Look(80);
  EXPECT_FALSE(script_.is_off);
  script_.is_standing = true;
  Look(100);
  EXPECT_EQ(script_.raised, 0U);
}

TEST_F(WallWatchTest, LetGoTheKillerIsOn) {
  Look(80);
  ASSERT_TRUE(script_.is_off);
  (void)watch_.Disarm();
  EXPECT_FALSE(script_.is_off);
}

TEST_F(WallWatchTest, AProcessThatWasMovedLeavesItsOldGroupItsKiller) {
  Look(80);
  (void)watch_.Arm(std::make_unique<ScriptedSubject>(script_), {});
  EXPECT_TRUE(script_.is_off);  // looked up anew, where it was
  // What is compared is what each subject found.
  struct Moved final : ScriptedSubject {
    using ScriptedSubject::ScriptedSubject;
    std::string_view group() const override { return "/b"; }
  };
  const Retired retired = watch_.Arm(std::make_unique<Moved>(script_), {});
  EXPECT_FALSE(script_.is_off);
  EXPECT_NE(retired.wall, nullptr);
  EXPECT_EQ(watch_.wall(), nullptr);
}

TEST_F(WallWatchTest, AnothersWallIsGivenBack) {
  const Retired back =
      watch_.PutWall(std::make_unique<ScriptedWall>(script_, fd_.get()),
                     {.pid = 43, .start_ticks = 1});
  EXPECT_NE(back.wall, nullptr);
}

// On files in place of memory.oom_control. The clock stands still; what is due
// is due at once.
TEST(WallTimerTest, SwitchesOnWhatIsDueAndNothingThatWasCleared) {
  FakeClock clock;
  const TempDirectory dir;
  const std::string a = dir.File("a");
  const std::string b = dir.File("b");
  ASSERT_TRUE(WriteFileAtomically(a, "1").ok());
  ASSERT_TRUE(WriteFileAtomically(b, "1").ok());
  const UniqueFd fd_a(::open(a.c_str(), O_WRONLY | O_CLOEXEC));
  const UniqueFd fd_b(::open(b.c_str(), O_WRONLY | O_CLOEXEC));
  {
    WallTimer timer(2, clock);
    ASSERT_TRUE(timer.Set(0, fd_a.get(), clock.Monotonic() + 1h));
    timer.Clear(0);
    ASSERT_TRUE(timer.Set(1, fd_b.get(), clock.Monotonic()));
    EXPECT_TRUE(test::WaitUntil([&] { return *ReadFile(b) == "0"; }, 10s, 1ms));
  }
  EXPECT_EQ(*ReadFile(a), "1");
}

}  // namespace
}  // namespace fodc::guardian
