// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/course.h"

#include <gtest/gtest.h>

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kLimit = 1000 * kMiB;

// One course over a clock of its own. Memory is in MiB of a limit of 1000.
class CourseTest : public ::testing::Test {
 protected:
  CourseTest() { Restart(0s); }

  // A new instance, of that age.
  void Restart(std::chrono::seconds age) { course_.Begin(now_ - age); }
  void Use(Rules rules) { course_ = Course(rules); }
  Sample At(std::uint64_t mib) const {
    return {.at = now_,
            .bytes = mib * kMiB,
            .limit_bytes = kLimit,
            .lines = *levels_.At(kLimit)};
  }
  Orders Look(std::uint64_t mib, std::chrono::nanoseconds after = 10ms) {
    now_ += after;
    return Heed(course_.OnSample(At(mib)));
  }
  // What is ordered is done.
  Orders Heed(const Orders& orders) {
    if (orders.term && is_sent_) course_.WasSent(now_);
    return orders;
  }
  // Two samples over the line.
  Orders LookTwice(std::uint64_t mib) {
    EXPECT_FALSE(Look(mib).term);
    return Look(mib);
  }

  Levels levels_{
      .capture = Level::Percent(75), .term = Level::Percent(90), .kill = {}};
  MonotonicTime now_{1h};
  bool is_sent_ = true;
  Course course_{Rules()};
};

TEST_F(CourseTest, NothingIsOrderedBelowTheLines) {
  for (const std::uint64_t mib : {0, 1, 500, 749}) {
    EXPECT_EQ(Look(mib), Orders()) << mib;
  }
}

TEST_F(CourseTest, CapturesOnceAtTheLineAndIsCalmWellBelow) {
  EXPECT_EQ(Look(750), Orders{.capture = true});  // at, not only above
  EXPECT_EQ(Look(800), Orders());
  EXPECT_EQ(Look(740), Orders());  // not yet left: hysteresis
  EXPECT_EQ(Look(760), Orders());
  EXPECT_EQ(Look(712), Orders{.calm = true});
  EXPECT_EQ(Look(100), Orders());
}

TEST_F(CourseTest, CapturesAgainOnlyAfterTheCooldown) {
  EXPECT_TRUE(Look(760).capture);
  EXPECT_TRUE(Look(100).calm);
  EXPECT_EQ(Look(760), Orders{.no_capture = true});
  EXPECT_EQ(Look(770), Orders());  // said once for each time
  EXPECT_EQ(Look(100), Orders());  // there was no incident to end
  EXPECT_EQ(Look(760, 5min), Orders{.capture = true});
}

TEST_F(CourseTest, WhatStaysOverTheLineIsCapturedWhenTheCooldownIsOver) {
  EXPECT_TRUE(Look(760).capture);
  EXPECT_TRUE(Look(100).calm);
  EXPECT_TRUE(Look(760).no_capture);
  EXPECT_EQ(Look(760, 4min), Orders());
  EXPECT_EQ(Look(760, 1min), Orders{.capture = true});
}

TEST_F(CourseTest, TermIsConfirmedByASecondSampleTenMillisecondsLater) {
  EXPECT_FALSE(Look(900).term);
  EXPECT_EQ(course_.Wait(At(900)), 10ms);
  // An event that comes sooner confirms nothing.
  EXPECT_FALSE(Look(900, 9ms).term);
  EXPECT_EQ(course_.Wait(At(900)), 1ms);
  EXPECT_TRUE(Look(900, 1ms).term);
}

TEST_F(CourseTest, WhatDoesNotLastIsNotConfirmed) {
  EXPECT_FALSE(Look(950).term);
  EXPECT_FALSE(Look(899).term);
  EXPECT_FALSE(Look(950).term);  // begins anew
  EXPECT_TRUE(Look(950).term);
}

TEST_F(CourseTest, OneShotForEachInstance) {
  EXPECT_TRUE(LookTwice(950).term);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Look(950, 1s).term);
  EXPECT_FALSE(Look(100).term);
  EXPECT_FALSE(LookTwice(950).term);
  Restart(0s);
  EXPECT_TRUE(LookTwice(950).term);
}

TEST_F(CourseTest, AStopIsAlwaysInAnIncident) {
  EXPECT_TRUE(Look(760).capture);
  EXPECT_TRUE(Look(100).calm);
  EXPECT_TRUE(Look(950).no_capture);
  const Orders orders = Look(950);
  EXPECT_TRUE(orders.term);
  EXPECT_TRUE(orders.capture);  // whatever the cooldown says
  EXPECT_TRUE(course_.End());
  EXPECT_FALSE(course_.End());
}

TEST_F(CourseTest, AfterTheGraceItIsSaidOnceWhetherItIsStillOver) {
  ASSERT_TRUE(LookTwice(950).term);
  EXPECT_LE(course_.Wait(At(100)), 30s);
  EXPECT_FALSE(Look(950, 29s).grace_over);
  const Orders orders = Look(950, 1s);
  EXPECT_TRUE(orders.grace_over);
  EXPECT_TRUE(orders.is_still_over);
  EXPECT_FALSE(orders.kill);  // not configured
  EXPECT_EQ(Look(990, 1h), Orders());
}

TEST_F(CourseTest, BelowTheLineAfterTheGraceIsNotOver) {
  ASSERT_TRUE(LookTwice(950).term);
  const Orders orders = Look(800, 30s);
  EXPECT_TRUE(orders.grace_over);
  EXPECT_FALSE(orders.is_still_over);
}

TEST_F(CourseTest, KillsOnceAfterTheGraceAtItsOwnLine) {
  levels_.kill = Level::Percent(95);
  ASSERT_TRUE(LookTwice(960).term);
  EXPECT_FALSE(Look(960, 29s).kill);  // not within the grace
  EXPECT_FALSE(Look(940, 1s).kill);   // below its line
  EXPECT_TRUE(Look(950).kill);
  EXPECT_FALSE(Look(990).kill);
  Restart(0s);
  EXPECT_FALSE(Look(990).kill);
}

TEST_F(CourseTest, WithoutATermLevelNobodyIsAsked) {
  levels_.term = {};
  EXPECT_TRUE(Look(990).capture);
  EXPECT_EQ(Look(1000), Orders());
}

TEST_F(CourseTest, ThreeYoungTerminationsTripTheCrashLoopGuard) {
  for (int i = 0; i < 3; ++i) {
    Restart(5s);
    EXPECT_TRUE(LookTwice(950).term) << i;
    EXPECT_EQ(course_.is_suppressed(now_), i == 2);
    now_ += 1min;
  }
  Restart(5s);
  const Orders first = Look(950);
  EXPECT_TRUE(first.no_capture || first.capture);  // goes on capturing
  EXPECT_EQ(Look(950), Orders{.suppressed = true});
  EXPECT_EQ(Look(990, 1s), Orders());  // said once
  EXPECT_TRUE(course_.is_suppressed(now_));
  // The window passes while it runs over the line: its usual need lies above.
  EXPECT_EQ(Look(950, 20min), Orders{.capture = true});
  EXPECT_EQ(Look(950), Orders());
  EXPECT_TRUE(course_.is_suppressed(now_));
  // It was below meanwhile: what comes then is pressure again.
  EXPECT_TRUE(Look(100).calm);
  EXPECT_FALSE(course_.is_suppressed(now_));
  EXPECT_TRUE(LookTwice(950).term);
}

TEST_F(CourseTest, OldTargetsAndOldTerminationsAreNoLoop) {
  for (int i = 0; i < 6; ++i) {  // not young
    Restart(60s);
    EXPECT_TRUE(LookTwice(950).term) << i;
  }
  for (int i = 0; i < 6; ++i) {  // young, but too rare
    Restart(5s);
    EXPECT_TRUE(LookTwice(950).term) << i;
    now_ += 5min;
  }
}

// As in a dry run, or where the signal fails.
TEST_F(CourseTest, WhatIsNotSentIsNoLoop) {
  is_sent_ = false;
  for (int i = 0; i < 6; ++i) {
    Restart(5s);
    EXPECT_TRUE(LookTwice(950).term) << i;
  }
}

TEST_F(CourseTest, AtTheWallItIsAskedWithoutConfirmationButOnce) {
  Restart(1h);
  EXPECT_TRUE(Heed(course_.OnWall(At(1000))).term);
  EXPECT_FALSE(Heed(course_.OnWall(At(1000))).term);
  EXPECT_FALSE(LookTwice(1000).term);
  for (int i = 0; i < 2; ++i) {
    Restart(5s);
    EXPECT_TRUE(Heed(course_.OnWall(At(1000))).term);
  }
  Restart(5s);
  EXPECT_TRUE(Heed(course_.OnWall(At(1000))).term);  // the first was an old one
  Restart(5s);
  EXPECT_TRUE(Heed(course_.OnWall(At(1000))).suppressed);
}

// The wait falls with the room that is left, at every decade of it.
TEST_F(CourseTest, TheWaitIsTheRoomAtTheFastestGrowth) {
  // 6000 MiB/s is reckoned with: 750 MiB to the capture line take 125 ms.
  EXPECT_EQ(course_.Wait(At(0)), 125ms);
  EXPECT_EQ(course_.Wait(At(690)), 10ms);
  EXPECT_EQ(course_.Wait(At(749)), 10ms);
  EXPECT_EQ(course_.Wait(At(750)), 25ms);  // to the next line
  EXPECT_EQ(course_.Wait(At(899)), 10ms);
  EXPECT_EQ(course_.Wait(At(2000)), 10ms);  // beyond the limit
  const std::uint64_t big = std::uint64_t{64} << 30;
  const Sample empty{
      .at = now_, .bytes = 0, .limit_bytes = big, .lines = *levels_.At(big)};
  EXPECT_EQ(course_.Wait(empty), 1s);
  Use({.longest_wait = 100ms});
  EXPECT_EQ(course_.Wait(empty), 100ms);
}

TEST_F(CourseTest, WhatGrewFasterIsReckonedWithTwice) {
  (void)Look(0, 10ms);
  (void)Look(100, 10ms);                      // 10000 MiB/s
  EXPECT_EQ(course_.Wait(At(100)), 32500us);  // 650 MiB at 20000 MiB/s
  ASSERT_TRUE(course_.SecondsTo(kLimit).has_value());
  EXPECT_NEAR(*course_.SecondsTo(kLimit), 0.09, 1e-9);
  Restart(0s);
  EXPECT_EQ(course_.SecondsTo(kLimit), std::nullopt);
}

TEST_F(CourseTest, AGraceThatEndsIsNotSleptOver) {
  Use({.grace = 100ms});
  course_.Begin(now_);
  ASSERT_TRUE(LookTwice(950).term);
  now_ += 95ms;
  Sample far = At(0);
  far.limit_bytes = std::uint64_t{64} << 30;
  far.lines = *levels_.At(far.limit_bytes);
  EXPECT_EQ(course_.Wait(far), 5ms);
}

}  // namespace
}  // namespace fodc::guardian
