// SPDX-License-Identifier: Apache-2.0
// Which captures belong to one incident.
#include "fodc/agent/first_response_testing.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// The line and the hard line are crossed in one climb, with an event each.
TEST_F(FirstResponseTest, OneClimbIsOneIncidentWithSeveralEvents) {
  StartNode(800);
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

TEST_F(FirstResponseTest, AnotherClimbIsAnotherIncident) {
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
  StartNode(800);
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
