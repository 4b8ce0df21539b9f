// SPDX-License-Identifier: Apache-2.0
// What an incident says of its end, where the kernel saw how the target died.
#include "fodc/detect/deaths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DeathsTest : public testing::Test {
 protected:
  // An incident is open, of a target whose deaths the kernel tells.
  DeathsTest() {
    Levels()["ktm_oom_kills_total"] = 0;
    Levels()["ktm_exits_by_signal_total"] = 0;
    s_.Learn();
    s_.db.Cold();
    EXPECT_THAT(s_.Run(3), SizeIs(1));
  }
  SceneSource::Samples& Levels() { return s_.db.kernel.levels; }
  void Oom() {
    ++Levels()["ktm_oom_kills_total"];
    Levels()["ktm_last_oom_victim_bytes{kind=\"anon\"}"] = 100 * kMiB;
    Levels()["ktm_last_oom_victim_bytes{kind=\"file\"}"] = 20 * kMiB;
  }
  void Exit(double signal, double age) {
    ++Levels()["ktm_exits_by_signal_total"];
    Levels()["ktm_last_exit_signal"] = signal;
    Levels()["ktm_last_exit_age_seconds"] = age;
  }
  void Gone() {
    s_.db.target.levels["fodc_target_up"] = 0;
    s_.db.target.levels.erase("fodc_target_pid");
  }
  // The one that has ended.
  evidence::Incident End() {
    const auto told = s_.Run(1);
    EXPECT_THAT(told, SizeIs(1));
    if (told.empty()) return {};
    EXPECT_FALSE(told[0].is_open());
    return told[0];
  }
  static bool Has(const evidence::Incident& i, std::string_view name) {
    return std::any_of(i.numbers.begin(), i.numbers.end(),
                       [&](const auto& n) { return n.name == name; });
  }
  Scene s_;
};

TEST_F(DeathsTest, AnOomKillIsToldWithWhatItsVictimHeld) {
  Oom();
  Exit(9, 7200);
  Gone();
  const evidence::Incident end = End();
  EXPECT_THAT(
      end.summary,
      EndsWith("Ended: the target's process has ended; the kernel chose a "
               "process of it to free memory (OOM), which held 120 MiB; signal "
               "9 ended a process of it, which had run for 2h0m0s."));
  EXPECT_EQ(NumberOf(end, "oom_kills"), 1);
  EXPECT_EQ(NumberOf(end, "oom_victim_bytes"), 120 * kMiB);
  EXPECT_EQ(NumberOf(end, "exit_signal"), 9);
  EXPECT_EQ(NumberOf(end, "exit_age_seconds"), 7200);
}

TEST_F(DeathsTest, ACrashIsToldByItsSignalAlsoWhereTheTargetIsBackAtOnce) {
  Exit(11, 63);
  s_.db.target.levels["fodc_target_pid"] = 43;
  const evidence::Incident end = End();
  EXPECT_THAT(end.summary,
              EndsWith("Ended: the target was started anew; signal 11 ended a "
                       "process of it, which had run for 1m3s."));
  EXPECT_FALSE(Has(end, "oom_kills"));
  EXPECT_EQ(s_.State().phase, Phase::kLearning);
}

// The agent sees the end at once, and reads the kernel at its interval.
TEST_F(DeathsTest, TheEndWaitsForWhatTheKernelSaw) {
  Gone();
  s_.db.kernel.is_silent = true;
  EXPECT_THAT(s_.Run(1, 1), IsEmpty());
  s_.db.kernel.is_silent = false;
  Exit(6, 50);
  EXPECT_THAT(End().summary, HasSubstr("has ended; signal 6 ended a process"));
}

TEST_F(DeathsTest, ButNotForEver) {
  Gone();
  s_.db.kernel.is_silent = true;
  EXPECT_THAT(s_.Run(6), IsEmpty());
  EXPECT_THAT(End().summary, EndsWith("the target's process has ended."));
}

TEST_F(DeathsTest, WhereTheKernelTellsNoDeathsItWaitsForNothing) {
  s_.db.kernel.Drop("ktm_oom");
  s_.db.kernel.Drop("ktm_exits");
  s_.Run(1);
  Gone();
  s_.db.kernel.is_silent = true;
  EXPECT_THAT(End().summary, EndsWith("the target's process has ended."));
}

// Another process of the target, long before; or it ended by itself.
TEST_F(DeathsTest, OldDeathsAreNoneOfIt) {
  Oom();
  Exit(9, 1);
  s_.Run(10);
  EXPECT_EQ(s_.State().phase, Phase::kIncident);
  Gone();
  const evidence::Incident end = End();
  EXPECT_THAT(end.summary, EndsWith("the target's process has ended."));
  EXPECT_FALSE(Has(end, "exit_signal"));
}

// The container is gone, and its counters with it.
TEST_F(DeathsTest, TheNewestDeathTellsWithoutCounters) {
  Exit(9, 40);
  s_.Run(10);
  s_.db.kernel.Drop("ktm_oom_kills");
  s_.db.kernel.Drop("ktm_exits");
  Levels()["ktm_last_exit_age_seconds"] = 41;
  Levels()["ktm_last_oom_victim_bytes{kind=\"anon\"}"] = 5 * kMiB;
  Gone();
  const evidence::Incident end = End();
  EXPECT_THAT(end.summary, HasSubstr("which held 5 MiB; signal 9 "));
  EXPECT_EQ(NumberOf(end, "oom_kills"), 1);
}

TEST_F(DeathsTest, WhatIsNotKnownIsNotSaid) {
  ++Levels()["ktm_oom_kills_total"];
  ++Levels()["ktm_exits_by_signal_total"];
  Gone();
  const evidence::Incident end = End();
  EXPECT_THAT(
      end.summary,
      EndsWith("to free memory (OOM); a signal ended a process of it."));
  EXPECT_FALSE(Has(end, "oom_victim_bytes"));
}

TEST_F(DeathsTest, ReadsThatAreFastAgainEndItWithoutThem) {
  Exit(9, 1);  // of a helper
  s_.db.Calm();
  s_.Run(6);
  EXPECT_THAT(s_.told.back().summary, Not(HasSubstr("signal")));
}

}  // namespace
}  // namespace fodc::detect
