// SPDX-License-Identifier: Apache-2.0
// Which captures belong to one incident.
#include "fodc/agent/first_response_testing.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
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
  // But whoever never serves one does not fill the store with what lacks it.
  Answer(1, /*has_evidence=*/true, /*lacks_profiles=*/true);
  Tick(3s);
  ASSERT_TRUE(AwaitRequests(3));
  loop_.RunReady();
  Answer(2, /*has_evidence=*/true, /*lacks_profiles=*/true);
  EXPECT_EQ(response_->counts()[0].captured, 1U);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  Tick(4min);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 3U);
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
