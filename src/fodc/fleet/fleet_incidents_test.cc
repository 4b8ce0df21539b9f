// SPDX-License-Identifier: Apache-2.0
// What the fleet keeps of agents' incidents, over lives and within bounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/fleet/fleet.h"

namespace fodc::fleet {
namespace {

using evidence::Incident;
using evidence::IncidentRef;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Incident Open(const std::string& id, std::uint32_t revision = 1) {
  Incident i;
  i.id = id;
  i.detector = "read_latency";
  i.verdict = "W3";
  i.started_ms = 1000;
  i.updated_ms = 1000 + revision;
  i.revision = revision;
  return i;
}

Incident Ended(const std::string& id, std::uint32_t revision = 2) {
  Incident i = Open(id, revision);
  i.ended_ms = i.updated_ms;
  return i;
}

std::vector<std::string> Ids(const std::vector<IncidentRef>& list) {
  std::vector<std::string> ids;
  for (const IncidentRef& i : list) ids.push_back(i->id);
  return ids;
}

class FleetIncidentsTest : public ::testing::Test {
 protected:
  AgentId Admit(const std::string& pod, recorder::Incarnation life,
                AgentKind kind = AgentKind::kFlight) {
    Registry::Claim c;
    c.kind = kind;
    c.identity.pod_name = pod;
    if (kind == AgentKind::kFlight) c.identity.instance_id = pod;
    c.identity.incarnation = life;
    c.identity.role = "ROLE_DATA";
    const auto admission = fleet_->Admit(c);
    EXPECT_THAT(admission.status, IsOk());
    return admission.id;
  }
  bool IsWatched(const AgentId& id, const std::string& incident) const {
    const AgentIncidents& kept = *fleet_->incidents(id);
    return kept.IsWatched(*kept.list().Find(incident));
  }

  FakeClock clock_;
  Fleet::Options options_;
  std::unique_ptr<Fleet> fleet_ = std::make_unique<Fleet>(clock_, options_);
};

TEST_F(FleetIncidentsTest, KeepsTheGreaterRevisionOfEachAgentsOwn) {
  const AgentId a = Admit("a", 5);
  const AgentId b = Admit("b", 6);
  ASSERT_THAT(fleet_->TakeIncidents(a, {Open("x"), Ended("y")}), IsOk());
  // An id that another agent uses, too, is another incident.
  ASSERT_THAT(fleet_->TakeIncidents(b, {Ended("x", 9)}), IsOk());
  ASSERT_THAT(fleet_->TakeIncidents(a, {Open("x", 3), Open("x", 2)}), IsOk());
  EXPECT_EQ(fleet_->incidents(a)->list().Find("x")->revision, 3u);
  EXPECT_TRUE(fleet_->incidents(a)->list().Find("x")->is_open());
  const Fleet::IncidentStats s = fleet_->stats().incidents;
  EXPECT_EQ(s.added, 3u);
  EXPECT_EQ(s.updated, 1u);
  EXPECT_EQ(s.known, 1u);
  EXPECT_EQ(s.open, 1u);
  EXPECT_EQ(s.ended, 2u);
  EXPECT_EQ(s.bytes, fleet_->incidents(a)->list().bytes() +
                         fleet_->incidents(b)->list().bytes());
}

TEST_F(FleetIncidentsTest, AV1AgentHasNone) {
  const AgentId id = Admit("a", 0, AgentKind::kV1);
  EXPECT_EQ(fleet_->incidents(id), nullptr);
  EXPECT_THAT(fleet_->TakeIncidents(id, {Open("x")}),
              StatusIs(Code::kNotFound, HasSubstr(id)));
}

TEST_F(FleetIncidentsTest, StayUntilTheAgentsEntryGoes) {
  const AgentId id = Admit("a", 5);
  // Without a recording, too.
  ASSERT_THAT(fleet_->TakeIncidents(id, {Open("x")}), IsOk());
  fleet_->Disconnect(id);
  ASSERT_NE(fleet_->incidents(id), nullptr);
  EXPECT_THAT(Ids(fleet_->incidents(id)->list().all()), ElementsAre("x"));
  // The same life comes back, and goes on.
  const AgentId again = Admit("a", 5);
  EXPECT_EQ(fleet_->incidents(id), nullptr);
  EXPECT_THAT(Ids(fleet_->incidents(again)->Held()), ElementsAre("x"));
  EXPECT_TRUE(IsWatched(again, "x"));
  fleet_->Disconnect(again);
  clock_.Advance(options_.registry.cleanup_timeout + std::chrono::seconds(1));
  EXPECT_THAT(fleet_->Sweep(), ElementsAre(again));
  EXPECT_EQ(fleet_->incidents(again), nullptr);
  EXPECT_EQ(fleet_->stats().incidents.bytes, 0u);
  EXPECT_EQ(fleet_->stats().incidents.open, 0u);
}

TEST_F(FleetIncidentsTest, WhatIsOpenIsWatchedAgainOnceANewLifeTellsOfIt) {
  const AgentId id = Admit("a", 5);
  ASSERT_THAT(fleet_->TakeIncidents(
                  id, {Open("lost"), Open("kept"), Open("ends"), Ended("old")}),
              IsOk());
  fleet_->Disconnect(id);
  const AgentId next = Admit("a", 6);
  // The new life is asked for what only it can know to last.
  EXPECT_THAT(Ids(fleet_->incidents(next)->Held()), ElementsAre("old"));
  EXPECT_FALSE(IsWatched(next, "kept"));
  ASSERT_THAT(fleet_->TakeIncidents(next, {Open("kept"), Ended("ends", 2)}),
              IsOk());
  EXPECT_TRUE(IsWatched(next, "kept"));
  EXPECT_FALSE(IsWatched(next, "lost"));
  EXPECT_FALSE(IsWatched(next, "ends"));
  EXPECT_FALSE(IsWatched(next, "old"));
  EXPECT_THAT(Ids(fleet_->incidents(next)->Held()),
              ElementsAre("kept", "old", "ends"));
  EXPECT_EQ(fleet_->stats().incidents.known, 1u);
}

TEST_F(FleetIncidentsTest, OfWhatLastedTheNewLifeKnowsBest) {
  const AgentId id = Admit("a", 5);
  ASSERT_THAT(fleet_->TakeIncidents(id, {Open("x", 7), Ended("y", 7)}), IsOk());
  fleet_->Disconnect(id);
  // What it kept was older, and it counts on from there.
  const AgentId next = Admit("a", 6);
  ASSERT_THAT(fleet_->TakeIncidents(next, {Open("x", 3), Ended("y", 3)}),
              IsOk());
  const evidence::IncidentList& list = fleet_->incidents(next)->list();
  EXPECT_EQ(list.Find("x")->revision, 3u);
  EXPECT_EQ(list.Find("y")->revision, 7u);
  ASSERT_THAT(fleet_->TakeIncidents(next, {Ended("x", 4)}), IsOk());
  EXPECT_FALSE(list.Find("x")->is_open());
  // Within a life the greater one holds.
  ASSERT_THAT(fleet_->TakeIncidents(next, {Open("x", 2)}), IsOk());
  EXPECT_EQ(list.Find("x")->revision, 4u);
  EXPECT_EQ(fleet_->stats().incidents.bytes, list.bytes());
  EXPECT_EQ(fleet_->stats().incidents.dropped, 0u);
}

TEST_F(FleetIncidentsTest, WhatMayNotBeKeptIsLeftOutAndCounted) {
  const AgentId id = Admit("a", 5);
  Incident bad = Open("b");
  bad.summary.assign(5000, 'x');
  EXPECT_THAT(fleet_->TakeIncidents(id, {Open("a"), bad, Open(""), Open("c")}),
              StatusIs(Code::kInvalidArgument, HasSubstr("summary has 5000")));
  EXPECT_THAT(Ids(fleet_->incidents(id)->list().all()), ElementsAre("a", "c"));
  EXPECT_EQ(fleet_->stats().incidents.refused, 2u);
}

TEST_F(FleetIncidentsTest, AFloodKeepsItsBounds) {
  options_.incidents = {.incidents = 10, .bytes = 64u << 10};
  options_.incident_bytes = 16u << 10;
  fleet_ = std::make_unique<Fleet>(clock_, options_);
  const AgentId modest = Admit("modest", 5);
  ASSERT_THAT(fleet_->TakeIncidents(modest, {Open("m")}), IsOk());
  const AgentId greedy = Admit("greedy", 5);
  for (int i = 0; i < 1000; ++i) {
    Incident large = Open(std::to_string(i));
    large.summary.assign(4000, 'x');
    ASSERT_THAT(fleet_->TakeIncidents(greedy, {large}), IsOk());
    ASSERT_LE(fleet_->stats().incidents.bytes, options_.incident_bytes);
  }
  // Who takes most gives most.
  EXPECT_THAT(Ids(fleet_->incidents(modest)->list().all()), ElementsAre("m"));
  EXPECT_THAT(Ids(fleet_->incidents(greedy)->list().all()),
              ElementsAre("997", "998", "999"));
  EXPECT_EQ(fleet_->stats().incidents.dropped, 997u);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(fleet_->TakeIncidents(modest, {Ended(std::to_string(i))}),
                IsOk());
  }
  EXPECT_EQ(fleet_->incidents(modest)->list().all().size(), 10u);
  EXPECT_NE(fleet_->incidents(modest)->list().Find("m"), nullptr);
  fleet_->Remove(greedy);
  fleet_->Remove(modest);
  EXPECT_EQ(fleet_->stats().incidents.bytes, 0u);
}

}  // namespace
}  // namespace fodc::fleet
