// SPDX-License-Identifier: Apache-2.0
// Of the first response: how targets ended, as the table, their group and the
// kernel tell it.
#include "fodc/agent/first_response_testing.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// What the kernel tells of the end of a process that began then. It counts
// processes in a namespace of its own.
kernel::KernelEvent KernelEnd(kernel::KernelEvent::Kind kind,
                              std::uint64_t start_ticks, int signal = 0) {
  kernel::KernelEvent event;
  event.kind = kind;
  event.pid = 42;
  event.start_ticks = start_ticks;
  event.signal = signal;
  return event;
}

// The next life does not come near its limit, and is killed for another reason.
TEST_F(FirstResponseTest, ALaterDeathIsNotThatOfAnEarlierLifesEvent) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  Die(/*oom_kills=*/1);
  StartNode(100);
  Tick(1s);
  Tick(31s);
  EXPECT_FALSE(Incident(Request(0).incident_id).is_open());
  const std::size_t told = aftermaths_.size();
  Die();
  EXPECT_THAT(aftermaths_, SizeIs(told));
  EXPECT_THAT(incidents_.all(), SizeIs(2));
}

// The pace is that of captures: what happened is told in any case.
TEST_F(FirstResponseTest, ADeathWithinTheCooldownIsTold) {
  StartNode(100);
  Make();
  Tick();
  Tick(31s);
  Die();
  ASSERT_EQ(Requests(), 1U);
  Answer(0);
  StartNode(100);
  Tick();
  Tick(31s);
  ASSERT_FALSE(Incident(Request(0).incident_id).is_open());
  Die();
  EXPECT_EQ(Requests(), 1U);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  const evidence::Incident& again = Incident(Request(0).incident_id);
  EXPECT_TRUE(again.is_open());
  EXPECT_THAT(again.summary,
              HasSubstr("Later: data died. Nothing is captured: cooldown."));
  EXPECT_EQ(NumberOf(again, "times"), 2);
  // It stays, and dies again much later: that is another one.
  StartNode(100);
  Tick();
  Tick(31s);
  EXPECT_FALSE(Incident(Request(0).incident_id).is_open());
  Tick(10min);
  Die();
  EXPECT_THAT(incidents_.all(), SizeIs(2));
}

// What goes on and on is captured once in each cooldown, and stays one
// incident: those of yesterday are not pushed out of the list.
TEST_F(FirstResponseTest, WhatFlapsForHoursIsOneIncident) {
  Make();
  for (int death = 0; death < 300; ++death) {
    StartNode(100);
    Tick();
    Tick(40s);
    Die();
    for (std::size_t i = answered_; i < Requests(); ++i) Answer(i);
    answered_ = Requests();
  }
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_EQ(NumberOf(*incidents_.all()[0], "times"), 300);
  EXPECT_GE(Requests(), 20U);
  EXPECT_LE(Requests(), 45U);
}

TEST_F(FirstResponseTest, AStormWithinTheCooldownIsOneIncident) {
  StartNode(100);
  Make();
  Tick();
  Tick();
  for (int kill = 1; kill <= 20; ++kill) {
    SetOomKills(kill);
    Tick();
    Tick(2s);
    if (kill == 1) Answer(0);
  }
  EXPECT_EQ(Requests(), 1U);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_EQ(NumberOf(*incidents_.all()[0], "times"), 20);
}

// A container's runtime reaps at once, and removes the cgroup.
TEST_F(FirstResponseTest, TheKernelTellsHowItEnded) {
  using Kind = kernel::KernelEvent::Kind;
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  const std::uint64_t began = Request(0).processes.at(0).start_ticks;
  Die();
  const std::string id = Request(0).incident_id;
  EXPECT_THAT(Incident(id).summary, HasSubstr("how is not known"));
  response_->OnKernelDeath(KernelEnd(Kind::kOomVictim, began + 5));
  EXPECT_THAT(Incident(id).summary, Not(HasSubstr("The kernel tells")));
  Tick(1min);  // readings of the kernel may be as far apart as that
  response_->OnKernelDeath(KernelEnd(Kind::kOomVictim, began));
  EXPECT_THAT(Incident(id).summary,
              HasSubstr("The kernel tells: The kernel killed it for memory."));
  response_->OnKernelDeath(KernelEnd(Kind::kExitBySignal, began, 9));
  const auto& numbers = Incident(id).numbers;
  const auto signal = std::ranges::find(numbers, "exit_signal",
                                        &evidence::IncidentNumber::name);
  ASSERT_NE(signal, numbers.end());
  EXPECT_EQ(signal->value, 9);
  EXPECT_EQ(aftermaths_.back().event_id, "event-0");
  EXPECT_TRUE(aftermaths_.back().death->oom_killed);
}

// With it the kernel may kill others of its group.
TEST_F(FirstResponseTest, TheKernelsWordMayComeFirst) {
  using Kind = kernel::KernelEvent::Kind;
  StartNode(100);
  Make();
  Tick();
  const std::uint64_t began = held_processes_.at(0).start_ticks;
  response_->OnKernelDeath(KernelEnd(Kind::kExitBySignal, began, 11));
  response_->OnKernelDeath(KernelEnd(Kind::kExitBySignal, began + 1, 9));
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).death->signal, 11);
}

// By then the next life of a target that dies again and again has had a capture
// of its own.
TEST_F(FirstResponseTest, AWordThatIsLateIsOfTheLifeThatItTellsOf) {
  Make();
  const auto live = [&](std::size_t life) {
    StartNode(100, 0.5s, kPid + static_cast<pid_t>(life));
    Tick(1s);
    ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
    SetUsage(950 * kMib);
    Tick(1s);
    ASSERT_TRUE(AwaitRequests(life + 1)) << life;
    loop_.RunReady();
    Answer(life);
  };
  live(0);
  End(kPid);
  Tick();
  live(1);
  ASSERT_EQ(Request(1).incident_id, Request(0).incident_id);
  aftermaths_.clear();
  response_->OnKernelDeath(KernelEnd(kernel::KernelEvent::Kind::kExitBySignal,
                                     Request(0).processes.at(0).start_ticks,
                                     9));
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_EQ(aftermaths_[0].event_id, "event-0");
  EXPECT_EQ(aftermaths_[0].death->signal, 9);
  aftermaths_.clear();
  End(kPid + 1);
  Tick();
  ASSERT_THAT(aftermaths_, SizeIs(1)) << "its own event tells of its death";
  EXPECT_EQ(aftermaths_[0].event_id, "event-1");
  EXPECT_FALSE(aftermaths_[0].death->signal);
}

TEST_F(FirstResponseTest, SaysWhyADeathFiresNothing) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  Die(/*oom_kills=*/1);
  const TriggerView kill = Trigger(TriggerKind::kOomKill);
  ASSERT_TRUE(kill.last);
  EXPECT_EQ(kill.last->reason, "covered");
  EXPECT_FALSE(kill.last->fires);
}

// Of a child; the target itself is stopped before the kill has settled, and a
// later one, hours on, is no kill.
TEST_F(FirstResponseTest, AKillWithoutATargetSettlesToo) {
  StartNode(100);
  Make();
  Tick();
  Tick();
  Die();
  ASSERT_EQ(Requests(), 1U);
  Answer(0);
  SetOomKills(1);  // of who is left in the group
  Tick();
  Tick(1h);
  StartNode(100);
  Tick();
  Tick(31s);
  Die();
  const auto& all = incidents_.all();
  ASSERT_FALSE(all.empty());
  const auto& last = *all.back();
  EXPECT_THAT(last.summary, Not(HasSubstr("killed it for memory")))
      << last.summary;
}

// Of a child, and then the target went for another reason, much later.
TEST_F(FirstResponseTest, AKillLongAgoIsNotTheDeaths) {
  StartNode(100);
  Make();
  Tick();
  Tick();
  SetOomKills(1);
  Tick();
  Tick(2s);
  ASSERT_EQ(Requests(), 1U);
  Answer(0);
  Tick(60s);
  Die();
  ASSERT_EQ(Requests(), 2U);
  EXPECT_FALSE(Request(1).death->oom_killed);
}

TEST_F(FirstResponseTest, AGroupThatTellsNoKillsIsNotArmedForThem) {
  std::filesystem::remove(tree_.File("m/pod/one/memory.oom_control"));
  StartNode(100);
  Make();
  Tick();
  const TriggerView kill = Trigger(TriggerKind::kOomKill);
  EXPECT_FALSE(kill.is_armed);
  EXPECT_EQ(kill.reason, "unreadable");
}

}  // namespace
}  // namespace fodc::agent
