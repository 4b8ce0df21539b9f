// SPDX-License-Identifier: Apache-2.0
// Which captures belong to one incident.
#include <filesystem>

#include "fodc/agent/first_response_testing.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// The line and the hard line are crossed in one ramp-up, with an event each.
TEST_F(FirstResponseTest, OneRampUpIsOneIncidentWithSeveralEvents) {
  StartNode(800, 60s);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(950 * kMib);
  Tick();
  ASSERT_TRUE(AwaitRequests(2));
  loop_.RunReady();
  const std::string id = Request(0).incident_id;
  EXPECT_EQ(Request(1).incident_id, id);
  EXPECT_EQ(Request(1).ramp_up, Request(0).ramp_up);
  Answer(1);
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_TRUE(Incident(id).is_open());
  EXPECT_THAT(Incident(id).summary, HasSubstr("event-0"));
  EXPECT_THAT(Incident(id).summary, HasSubstr("event-1"));
  EXPECT_THAT(Incident(id).summary, HasSubstr("950 MiB"));
  Die(/*oom_kills=*/1);
  EXPECT_FALSE(Incident(id).is_open());
  EXPECT_THAT(Incident(id).summary, HasSubstr("killed it for memory"));
  // Each event tells of the death, so that the last before it is known.
  ASSERT_THAT(aftermaths_, SizeIs(2));
  for (const capture::CaptureAftermath& a : aftermaths_) EXPECT_TRUE(a.death);
  EXPECT_EQ(aftermaths_[1].event_id, "event-1");
  EXPECT_THAT(incidents_.all(), SizeIs(1));
}

TEST_F(FirstResponseTest, AnotherRampUpIsAnotherIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(5 * kMib);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  loop_.RunReady();
  Tick(2s);
  SetUsage(950 * kMib);
  Tick(6min);
  ASSERT_TRUE(AwaitRequests(2));
  loop_.RunReady();
  EXPECT_NE(Request(1).incident_id, Request(0).incident_id);
  EXPECT_THAT(incidents_.all(), SizeIs(2));
}

TEST_F(FirstResponseTest, ACaptureBehindTheEndBelongsToTheSameIncident) {
  StartNode(800, 60s);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(950 * kMib);
  ASSERT_TRUE(AwaitRequests(2));
  loop_.RunReady();  // hears of it before it hears of the death
  Die(/*oom_kills=*/1);
  Answer(1);
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  const std::string id = Request(0).incident_id;
  EXPECT_FALSE(Incident(id).is_open());
  EXPECT_THAT(Incident(id).summary, HasSubstr("event-1"));
}

TEST_F(FirstResponseTest, ANodeThatDiesAtEveryStartIsOneIncident) {
  Make();
  for (int i = 0; i < 6; ++i) {
    StartNode(100);
    Tick(1s);
    Die();
    for (std::size_t k = 0; k < Requests(); ++k) Answer(k);
  }
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  ASSERT_EQ(Requests(), 2U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
  EXPECT_EQ(Request(1).trigger.kind, "death_loop");
  EXPECT_EQ(Request(1).death->count, 3U);
  EXPECT_EQ(Request(0).incident_id, Request(1).incident_id);
  const evidence::Incident& i = Incident(Request(0).incident_id);
  EXPECT_EQ(i.verdict, "death_loop");
  const auto deaths =
      std::ranges::find(i.numbers, "deaths", &evidence::IncidentNumber::name);
  ASSERT_NE(deaths, i.numbers.end());
  EXPECT_EQ(deaths->value, 6);
}

TEST_F(FirstResponseTest, TheCountOfALoopSurvivesTheAgent) {
  Make();
  evidence::EventInfo event;
  event.meta.captured_at = clock_.Unix() - 2min;
  event.meta.pod_name = "pod";
  event.meta.target = "data";
  event.meta.trigger.kind = "death_loop";
  event.meta.profiles.push_back({.type = "heap", .filename = "heap.pprof"});
  event.meta.death = {.at = clock_.Unix() - 1min, .count = 5};
  response_->Restore({event});
  StartNode(100);
  Tick(1s);
  Die();
  // Too soon for another capture, and told of all the same.
  EXPECT_EQ(Requests(), 0U);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  const evidence::Incident& i = *incidents_.all()[0];
  EXPECT_EQ(i.verdict, "death_loop");
  EXPECT_THAT(i.summary, HasSubstr("died 6 times"));
  EXPECT_TRUE(i.is_open());
}

TEST_F(FirstResponseTest, ADeathLongAgoIsNotCounted) {
  Make();
  evidence::EventInfo event;
  event.meta.captured_at = clock_.Unix() - 1h;
  event.meta.pod_name = "pod";
  event.meta.target = "data";
  event.meta.trigger.kind = "death_loop";
  event.meta.profiles.push_back({.type = "heap", .filename = "heap.pprof"});
  event.meta.death = {.at = clock_.Unix() - 1h, .count = 5};
  response_->Restore({event});
  StartNode(100);
  Tick(1s);
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
  EXPECT_EQ(Request(0).death->count, 1U);
}

// The memory of each of its lives crosses the hard line.
TEST_F(FirstResponseTest, ANodeThatFillsItsMemoryAtEveryStartIsOneIncident) {
  Make();
  int kills = 0;
  std::vector<std::string> events;
  for (std::size_t life = 0; life < 3; ++life) {
    StartNode(100);
    Tick(1s);
    ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
    SetUsage(950 * kMib);
    Tick(1s);
    ASSERT_TRUE(AwaitRequests(life + 1)) << life;
    loop_.RunReady();
    EXPECT_EQ(Request(life).trigger.kind, "memory_pressure");
    Answer(life);
    events.push_back(StrCat("event-", life));
    Die(++kills);
    // Its own event tells of the death, no earlier one does.
    ASSERT_THAT(aftermaths_, SizeIs(life + 1));
    EXPECT_EQ(aftermaths_[life].event_id, events[life]);
    EXPECT_EQ(aftermaths_[life].death->count, life + 1);
    ASSERT_THAT(incidents_.all(), SizeIs(1));
    EXPECT_TRUE(incidents_.all()[0]->is_open());
    EXPECT_EQ(incidents_.all()[0]->verdict,
              life < 2 ? "memory_pressure" : "death_loop");
  }
  ASSERT_EQ(Requests(), 4U);
  EXPECT_EQ(Request(3).trigger.kind, "death_loop");
  for (std::size_t i = 1; i < 4; ++i)
    EXPECT_EQ(Request(i).incident_id, Request(0).incident_id);
  EXPECT_THAT(incidents_.all()[0]->summary, HasSubstr("died 3 times"));
  EXPECT_NE(incidents_.all()[0]->cause, "line");
  Answer(3);
  StartNode(100);
  Tick(1s);
  Tick(31s);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_FALSE(incidents_.all()[0]->is_open());
  EXPECT_THAT(incidents_.all()[0]->summary, HasSubstr("and stays"));
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

TEST_F(FirstResponseTest, ALoopGoesOnWhenTheAgentComesBack) {
  Make();
  evidence::EventInfo event = Earlier("death_loop", 2min);
  event.meta.death = {.at = clock_.Unix() - 1min, .count = 5};
  evidence::EventInfo pressure = Earlier("memory_pressure", 2min);
  pressure.meta.rss_bytes = 950 * kMib;
  response_->Restore({event, pressure});
  StartNode(100);
  Tick(1s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  SetUsage(950 * kMib);
  Tick(1s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 0U);
}

TEST_F(FirstResponseTest, AnEventWithoutItsProfilesStartsNoCooldown) {
  Make();
  evidence::EventInfo event = Earlier("memory_pressure", 1min);
  event.meta.profiles.clear();
  event.meta.steps.push_back({.step = "status", .file = "status.txt"});
  event.meta.lacks_profiles = true;
  response_->Restore({event});
  StartNode(800);
  Tick(1s);
  ASSERT_TRUE(AwaitRequests(1));
}

// Its memory is not seen to grow.
TEST_F(FirstResponseTest, ANodeKilledForMemoryAtEveryStartIsOneIncident) {
  settings_.pressure.pace.cooldown = 1min;
  Make();
  int kills = 0;
  for (int life = 0; life < 3; ++life) {
    StartNode(100);
    Tick(1s);
    Die(++kills);
    for (std::size_t k = 0; k < Requests(); ++k) Answer(k);
  }
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  const std::string id = incidents_.all()[0]->id;
  EXPECT_EQ(incidents_.all()[0]->verdict, "death_loop");
  const std::size_t before = Requests();
  StartNode(100);
  Tick(1s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  SetUsage(950 * kMib);
  Tick(1s);
  ASSERT_TRUE(AwaitRequests(before + 1));
  loop_.RunReady();
  EXPECT_EQ(Request(before).trigger.kind, "memory_pressure");
  EXPECT_EQ(Request(before).incident_id, id);
  EXPECT_EQ(Request(before).ramp_up, "lives-" + id);
  Answer(before);
  Die(++kills);
  // The next life, within the cooldown: not even at the hard line.
  StartNode(100);
  Tick(1s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  SetUsage(950 * kMib);
  Tick(1s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), before + 1);
  EXPECT_THAT(incidents_.all(), SizeIs(1));
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
  ASSERT_THAT(incidents_.all(), SizeIs(2));
  for (const evidence::IncidentRef& i : incidents_.all()) {
    if (i->id == Request(0).incident_id) continue;
    EXPECT_THAT(i->summary, HasSubstr("data died."));
    EXPECT_THAT(i->summary, HasSubstr("Nothing is captured: cooldown."));
    EXPECT_TRUE(i->is_open());
  }
}

TEST_F(FirstResponseTest, AStormWithinTheCooldownIsOneMoreIncident) {
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
  EXPECT_THAT(incidents_.all(), SizeIs(2));
}

TEST_F(FirstResponseTest, WithoutAProfileThatMayComeThereIsNoCooldown) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0, /*has_evidence=*/true, /*lacks_profiles=*/true);
  EXPECT_EQ(response_->counts()[0].captured, 0U);
  EXPECT_EQ(response_->counts()[0].empty, 1U);
  const std::string id = Request(0).incident_id;
  EXPECT_THAT(Incident(id).summary, HasSubstr("without a profile"));
  Tick(2s);
  ASSERT_TRUE(AwaitRequests(2));
  loop_.RunReady();
  EXPECT_EQ(Request(1).incident_id, id);
}

TEST_F(FirstResponseTest, WhatCameAfterAnEarlierLifesEventIsAdded) {
  Make();
  evidence::EventInfo told = Earlier("memory_pressure", 1min);
  told.id = "told";
  told.meta.steps.push_back({.step = "window-after.2"});
  evidence::EventInfo old = Earlier("memory_pressure", 2h);
  old.id = "old";
  response_->Restore({Earlier("memory_pressure", 1min), told, old});
  Tick(31s);
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_EQ(aftermaths_[0].event_id, "earlier");
}

TEST_F(FirstResponseTest, AnAftermathThatFindsNoRoomIsTriedAgain) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  aftermath_status_ = ResourceExhausted("16 wait");
  Die(/*oom_kills=*/1);
  EXPECT_THAT(aftermaths_, SizeIs(0));
  aftermath_status_ = Status();
  Tick(1s);
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_TRUE(aftermaths_[0].death->oom_killed);
}

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

TEST_F(FirstResponseTest, IsArmedOnlyWhereItCanFire) {
  std::string problem;
  settings_.detector_problem = [&problem] { return problem; };
  StartNode(100);
  Make();
  Tick();
  EXPECT_TRUE(Trigger(TriggerKind::kOomKill).is_armed);
  EXPECT_TRUE(Trigger(TriggerKind::kReadLatency).is_armed);
  problem = "the kernel does not permit it";  // any more
  const TriggerView reads = Trigger(TriggerKind::kReadLatency);
  EXPECT_FALSE(reads.is_armed);
  EXPECT_EQ(reads.reason, "no_detector");
  EXPECT_EQ(reads.problem, "the kernel does not permit it");
}

TEST_F(FirstResponseTest, AVerdictOfSlowReadsIsCapturedUnderItsIncident) {
  StartNode(100);
  Make();
  Tick();
  evidence::Incident slow;
  slow.id = "slow-1";
  slow.detector = "read_latency";
  slow.verdict = "W3";
  slow.target = "data";
  slow.started_ms = slow.updated_ms = 5;
  ASSERT_THAT(incidents_.Put(slow), IsOk());
  response_->OnIncidents();
  response_->OnIncidents();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).incident_id, "slow-1");
  EXPECT_EQ(Request(0).trigger.kind, "read_latency");
  Answer(0);
  EXPECT_THAT(incidents_.all(), SizeIs(1));
}

}  // namespace
}  // namespace fodc::agent
