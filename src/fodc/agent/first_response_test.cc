// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/first_response.h"

#include <nlohmann/json.hpp>

#include "fodc/agent/explain.h"
#include "fodc/agent/first_response_testing.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(FirstResponseTest, PressureBeginsACaptureAndAnIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  const capture::CaptureRequest r = Request(0);
  EXPECT_EQ(r.target, "data");
  EXPECT_EQ(r.trigger.kind, "memory_pressure");
  EXPECT_EQ(r.bytes, 800 * kMib);
  EXPECT_EQ(r.limit_bytes, 1000 * kMib);
  EXPECT_EQ(r.threshold_bytes, 750 * kMib);
  EXPECT_EQ(r.trigger_percent, 75U);
  EXPECT_TRUE(r.is_urgent);
  EXPECT_EQ(r.ramp_up, "ramp-77-0-1");
  ASSERT_THAT(r.processes, SizeIs(1));
  EXPECT_EQ(r.processes[0].pid, kPid);
  loop_.RunReady();
  EXPECT_TRUE(Incident(r.incident_id).is_open());
  EXPECT_EQ(Incident(r.incident_id).verdict, "memory_pressure");
  Answer(0);
  EXPECT_THAT(Incident(r.incident_id).summary, HasSubstr("event-0"));
  EXPECT_EQ(response_->counts()[0].captured, 1U);
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 1U);
}

TEST_F(FirstResponseTest, WhatCameAfterIsAddedLater) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  EXPECT_THAT(aftermaths_, SizeIs(0));
  clock_.Advance(30s);
  loop_.RunReady();
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_EQ(aftermaths_[0].event_id, "event-0");
  EXPECT_FALSE(aftermaths_[0].death);
}

TEST_F(FirstResponseTest, TheKillAfterwardsIsToldByTheSameIncident) {
  StartNode(800, 60s);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  Die(/*oom_kills=*/1);
  const std::string id = Request(0).incident_id;
  EXPECT_FALSE(Incident(id).is_open());
  EXPECT_THAT(Incident(id).summary, HasSubstr("killed it for memory"));
  ASSERT_THAT(aftermaths_, SizeIs(1));
  ASSERT_TRUE(aftermaths_[0].death);
  EXPECT_TRUE(aftermaths_[0].death->oom_killed);
  EXPECT_EQ(Requests(), 1U);  // what can be had of the dead is added
  clock_.Advance(1min);
  loop_.RunReady();
  EXPECT_THAT(aftermaths_, SizeIs(1));
}

TEST_F(FirstResponseTest, WhatATargetSharesIsHeldForItsDeath) {
  StartNode(100);
  Make();
  Tick();
  ASSERT_FALSE(held_processes_.empty());
  EXPECT_EQ(held_processes_[0].pid, kPid);
  const capture::CaptureProcess node = held_processes_[0];
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).dead, node);
}

TEST_F(FirstResponseTest, WhoDiesInMidCaptureIsToldOfWhenItIsOver) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Die();
  EXPECT_THAT(aftermaths_, SizeIs(0));
  Answer(0);
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_TRUE(aftermaths_[0].death);
  EXPECT_THAT(Incident(Request(0).incident_id).summary, HasSubstr("event-0"));
}

// The memory is gone before the process is, and the kill counted.
TEST_F(FirstResponseTest, ADeathThatIsSeenLateIsNoCalmAndNoOtherKill) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(5 * kMib);
  SetOomKills(1);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  loop_.RunReady();
  End(kPid);
  Tick();
  EXPECT_EQ(Requests(), 1U);
  EXPECT_THAT(Incident(Request(0).incident_id).summary,
              HasSubstr("killed it for memory"));
}

TEST_F(FirstResponseTest, CalmThatStaysEndsTheIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(5 * kMib);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  const std::string id = Request(0).incident_id;
  loop_.RunReady();
  EXPECT_TRUE(Incident(id).is_open());
  Tick(2s);
  EXPECT_FALSE(Incident(id).is_open());
}

TEST_F(FirstResponseTest, ADeathIsCapturedWithoutTheDead) {
  StartNode(100);
  Make();
  Tick();
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
  EXPECT_THAT(Request(0).processes, SizeIs(0));
  EXPECT_TRUE(Request(0).death);
  const std::string id = Request(0).incident_id;
  EXPECT_TRUE(Incident(id).is_open());
  Answer(0);
  // It comes back and stays.
  StartNode(100);
  Tick();
  Tick(31s);
  EXPECT_FALSE(Incident(id).is_open());
}

TEST_F(FirstResponseTest, AnOomKillOfAChildIsCapturedAlive) {
  StartNode(100);
  Make();
  Tick();
  Tick();
  SetOomKills(1);
  Tick();
  EXPECT_EQ(Requests(), 0U);  // it may be the node itself
  Tick(2s);
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "oom_kill");
  EXPECT_THAT(Request(0).processes, SizeIs(1));
  Answer(0);
  SetOomKills(2);
  Tick();
  Tick(2s);
  EXPECT_EQ(Requests(), 1U);  // a storm is one capture
  EXPECT_EQ(response_->View()[0]
                .triggers[static_cast<std::size_t>(TriggerKind::kOomKill)]
                .last->reason,
            "cooldown");
}

TEST_F(FirstResponseTest, CooldownsOfAnEarlierLifeGoOn) {
  StartNode(800);
  Make();
  evidence::EventInfo event;
  event.id = "x";
  event.meta.captured_at = clock_.Unix() - 1min;
  event.meta.pod_name = "pod";
  event.meta.target = "data";
  event.meta.trigger.kind = "memory_pressure";
  event.meta.trigger.inputs = {{"memory_bytes", 790.0 * kMib}};
  event.meta.profiles.push_back({.type = "heap", .filename = "heap.pprof"});
  evidence::EventInfo empty = event;  // one without evidence is none
  empty.meta.profiles.clear();
  empty.meta.trigger.kind = "target_gone";
  evidence::EventInfo others = event;  // nor is another pod's
  others.meta.pod_name = "another";
  others.meta.trigger.kind = "target_gone";
  response_->Restore({empty, others, event});
  Tick();
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 0U);
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
}

TEST_F(FirstResponseTest, ACaptureThatCannotBeginIsTriedAgainAndTold) {
  begin_status_ = Unavailable("busy: /var/lib/events is locked");
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kRetryLater));
  EXPECT_EQ(response_->counts()[0].failed, 1U);
  EXPECT_THAT(Incident(Request(0).incident_id).summary,
              HasSubstr("busy: events is locked"));
}

TEST_F(FirstResponseTest, ExplainsWhatItDidAndDidNot) {
  Make();
  Tick();
  auto json = nlohmann::json::parse(ExplainJson(response_.get()));
  EXPECT_EQ(json["enabled"], true);
  ASSERT_EQ(json["targets"].size(), 1U);
  EXPECT_EQ(json["targets"][0]["target"], "data");
  ASSERT_EQ(json["targets"][0]["triggers"].size(), kTriggerKinds);
  const auto& memory = json["targets"][0]["triggers"][0];
  EXPECT_EQ(memory["trigger"], "memory_pressure");
  EXPECT_EQ(memory["armed"], false);
  EXPECT_EQ(memory["reason"], "no_target");
  EXPECT_FALSE(memory["why_not"].get<std::string>().empty());
  StartNode(100);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  json = nlohmann::json::parse(ExplainJson(response_.get()));
  const auto& now = json["targets"][0]["triggers"][0];
  EXPECT_EQ(now["armed"], true);
  EXPECT_EQ(now["last_decision"]["reason"], "below");
  EXPECT_EQ(now["last_decision"]["inputs"]["memory_bytes"], 100 * kMib);
  EXPECT_TRUE(now["last_fired"].is_null());
  EXPECT_EQ(nlohmann::json::parse(ExplainJson(nullptr))["enabled"], false);
}

TEST_F(FirstResponseTest, WithoutAStoreNothingIsArmed) {
  settings_.problem = "read-only";
  StartNode(100);
  Make();
  Tick();
  const std::vector<TriggerView> triggers = response_->View()[0].triggers;
  for (const TriggerView& t : triggers) {
    EXPECT_FALSE(t.is_armed);
    EXPECT_EQ(t.reason, "no_store");
  }
  Die();
  EXPECT_EQ(Requests(), 0U);
}

TEST_F(FirstResponseTest, AStoreThatComesLaterArmsIt) {
  settings_.problem = "not open yet";
  StartNode(800);
  Make();
  response_->Follow();
  Tick();
  EXPECT_THAT(held_processes_, SizeIs(0));  // nobody is followed so soon
  EXPECT_EQ(nlohmann::json::parse(ExplainJson(response_.get()))["problem"],
            "not open yet");
  response_->set_problem("");
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_TRUE(response_->View()[0].triggers[0].is_armed);
  EXPECT_EQ(nlohmann::json::parse(ExplainJson(response_.get()))["problem"], "");
}

// Numbers are shown, and why nothing is captured.
TEST_F(FirstResponseTest, AStoreThatDoesNotComeHoldsNothingElseUp) {
  settings_.problem = "not open yet";
  StartNode(800);
  Make();
  Tick(3s);
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kRetryLater));
  EXPECT_EQ(Requests(), 0U);
  EXPECT_EQ(response_->View()[0].triggers[0].reason, "no_store");
  EXPECT_EQ(response_->View()[0].memory.last.sample.bytes, 800 * kMib);
}

}  // namespace
}  // namespace fodc::agent
