// SPDX-License-Identifier: Apache-2.0
// What the fleet keeps of agents' incidents, over lives and within bounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/evidence/incident_testing.h"
#include "fodc/fleet/fleet.h"

namespace fodc::fleet {
namespace {

using evidence::EndedIncident;
using evidence::Incident;
using evidence::IncidentRef;
using evidence::OpenIncident;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Ids(const std::vector<IncidentRef>& list) {
  std::vector<std::string> ids;
  ids.reserve(list.size());
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

  FakeClock clock_;
  Fleet::Options options_;
  std::unique_ptr<Fleet> fleet_ = std::make_unique<Fleet>(clock_, options_);
};

TEST_F(FleetIncidentsTest, KeepsTheGreaterRevisionOfEachAgentsOwn) {
  const AgentId a = Admit("a", 5);
  const AgentId b = Admit("b", 6);
  ASSERT_THAT(fleet_->TakeIncidents(a, {OpenIncident("x"), EndedIncident("y")}),
              IsOk());
  // An id that another agent uses, too, is another incident.
  ASSERT_THAT(fleet_->TakeIncidents(b, {EndedIncident("x", 9)}), IsOk());
  ASSERT_THAT(
      fleet_->TakeIncidents(a, {OpenIncident("x", 3), OpenIncident("x", 2)}),
      IsOk());
  EXPECT_EQ(fleet_->incidents(a)->Find("x")->revision, 3u);
  EXPECT_TRUE(fleet_->incidents(a)->Find("x")->is_open());
  const Fleet::IncidentStats s = fleet_->stats().incidents;
  EXPECT_EQ(s.added, 3u);
  EXPECT_EQ(s.updated, 1u);
  EXPECT_EQ(s.known, 1u);
  EXPECT_EQ(s.open, 1u);
  EXPECT_EQ(s.ended, 2u);
  EXPECT_EQ(s.bytes,
            fleet_->incidents(a)->bytes() + fleet_->incidents(b)->bytes());
}

TEST_F(FleetIncidentsTest, AV1AgentHasNone) {
  const AgentId id = Admit("a", 0, AgentKind::kV1);
  EXPECT_EQ(fleet_->incidents(id), nullptr);
  EXPECT_THAT(fleet_->TakeIncidents(id, {OpenIncident("x")}),
              StatusIs(Code::kNotFound, HasSubstr(id)));
}

TEST_F(FleetIncidentsTest, StayUntilTheAgentsEntryGoes) {
  const AgentId id = Admit("a", 5);
  // Without a recording, too.
  ASSERT_THAT(fleet_->TakeIncidents(id, {OpenIncident("x")}), IsOk());
  fleet_->Disconnect(id);
  ASSERT_NE(fleet_->incidents(id), nullptr);
  EXPECT_THAT(Ids(fleet_->incidents(id)->all()), ElementsAre("x"));
  // The same life comes back, and goes on.
  const AgentId again = Admit("a", 5);
  EXPECT_EQ(fleet_->incidents(id), nullptr);
  EXPECT_THAT(Ids(fleet_->incidents(again)->all()), ElementsAre("x"));
  EXPECT_TRUE(fleet_->incidents(again)->Find("x")->is_open());
  fleet_->Disconnect(again);
  clock_.Advance(options_.registry.cleanup_timeout + std::chrono::seconds(1));
  EXPECT_THAT(fleet_->Sweep(), ElementsAre(again));
  EXPECT_EQ(fleet_->incidents(again), nullptr);
  EXPECT_EQ(fleet_->stats().incidents.bytes, 0u);
  EXPECT_EQ(fleet_->stats().incidents.open, 0u);
}

TEST_F(FleetIncidentsTest, WhatALifeLeftOpenEndsWithTheNextOne) {
  const AgentId id = Admit("a", 5);
  const AgentId other = Admit("b", 5);
  ASSERT_THAT(
      fleet_->TakeIncidents(id, {OpenIncident("x", 7), EndedIncident("y", 3)}),
      IsOk());
  ASSERT_THAT(fleet_->TakeIncidents(other, {OpenIncident("x")}), IsOk());
  fleet_->Disconnect(id);
  EXPECT_EQ(fleet_->stats().incidents.open, 2u);
  const AgentId next = Admit("a", 6);
  const evidence::IncidentList& list = *fleet_->incidents(next);
  Incident unseen = OpenIncident("x", 7);
  evidence::EndUnseen(&unseen);
  EXPECT_EQ(*list.Find("x"), unseen);
  EXPECT_EQ(*list.Find("y"), EndedIncident("y", 3));
  const Fleet::IncidentStats s = fleet_->stats().incidents;
  EXPECT_EQ(s.open, 1u) << "the other agent's lasts";
  EXPECT_EQ(s.ended, 2u);
  EXPECT_EQ(s.bytes, list.bytes() + fleet_->incidents(other)->bytes());
  // What the new life finds itself lasts.
  ASSERT_THAT(fleet_->TakeIncidents(next, {OpenIncident("z")}), IsOk());
  fleet_->Disconnect(next);
  EXPECT_TRUE(fleet_->incidents(Admit("a", 6))->Find("z")->is_open());
}

// The agent's file may be older than what it told, or newer.
TEST_F(FleetIncidentsTest, NoWordOfALaterLifeLeavesItOpen) {
  struct Case {
    std::string name;
    Incident told;
    std::uint32_t revision;  // that is held in the end
    bool is_seen;            // its end
  };
  const auto unseen = [](std::uint32_t revision) {
    Incident i = OpenIncident("x", revision);
    evidence::EndUnseen(&i);
    return i;
  };
  for (const Case& c :
       {Case{"older", unseen(3), 4, false}, Case{"equal", unseen(4), 4, false},
        Case{"newer", unseen(5), 5, false},
        Case{"end", EndedIncident("x", 5), 5, true},
        Case{"later end", EndedIncident("x", 9), 9, true}}) {
    const AgentId id = Admit(c.name, 5);
    ASSERT_THAT(fleet_->TakeIncidents(id, {OpenIncident("x", 4)}), IsOk());
    fleet_->Disconnect(id);
    const AgentId next = Admit(c.name, 6);
    ASSERT_THAT(fleet_->TakeIncidents(next, {c.told}), IsOk());
    const IncidentRef held = fleet_->incidents(next)->Find("x");
    EXPECT_EQ(held->revision, c.revision) << c.name;
    EXPECT_FALSE(held->is_open()) << c.name;
    EXPECT_EQ(held->summary.empty(), c.is_seen) << c.name;
  }
}

// Restarts in the middle of incidents leave no open ones that push others out.
TEST_F(FleetIncidentsTest, AgentsThatForgetDoNotFillTheListWithOpenOnes) {
  for (unsigned life = 1; life <= 300; ++life) {
    const AgentId id = Admit("a", life);
    ASSERT_THAT(fleet_->TakeIncidents(id, {OpenIncident(std::to_string(life))}),
                IsOk());
    fleet_->Disconnect(id);
  }
  const AgentId last = Admit("a", 301);
  ASSERT_THAT(fleet_->TakeIncidents(
                  last, {EndedIncident("seen"), OpenIncident("lasts")}),
              IsOk());
  const evidence::IncidentList& list = *fleet_->incidents(last);
  EXPECT_EQ(list.open(), 1u);
  EXPECT_NE(list.Find("seen"), nullptr);
}

// An end takes some bytes, too.
TEST_F(FleetIncidentsTest, EndsKeepTheBoundOfAllTogether) {
  options_.incident_bytes = 10 * evidence::IncidentBytes(OpenIncident("a"));
  fleet_ = std::make_unique<Fleet>(clock_, options_);
  const AgentId id = Admit("a", 5);
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(fleet_->TakeIncidents(id, {OpenIncident(std::to_string(i))}),
                IsOk());
  }
  EXPECT_EQ(fleet_->stats().incidents.open, 10u);
  fleet_->Disconnect(id);
  const AgentId next = Admit("a", 6);
  const Fleet::IncidentStats s = fleet_->stats().incidents;
  EXPECT_LE(s.bytes, options_.incident_bytes);
  EXPECT_EQ(s.bytes, fleet_->incidents(next)->bytes());
  EXPECT_EQ(s.ended + s.dropped, 10u);
  EXPECT_EQ(s.open, 0u);
}

TEST_F(FleetIncidentsTest, WhatMayNotBeKeptIsLeftOutAndCounted) {
  const AgentId id = Admit("a", 5);
  Incident bad = OpenIncident("b");
  bad.summary.assign(5000, 'x');
  EXPECT_THAT(fleet_->TakeIncidents(id, {OpenIncident("a"), bad,
                                         OpenIncident(""), OpenIncident("c")}),
              StatusIs(Code::kInvalidArgument, HasSubstr("summary has 5000")));
  EXPECT_THAT(Ids(fleet_->incidents(id)->all()), ElementsAre("a", "c"));
  EXPECT_EQ(fleet_->stats().incidents.refused, 2u);
}

TEST_F(FleetIncidentsTest, AFloodKeepsItsBounds) {
  options_.incidents = {.incidents = 10, .bytes = 64u << 10};
  options_.incident_bytes = 16u << 10;
  fleet_ = std::make_unique<Fleet>(clock_, options_);
  const AgentId modest = Admit("modest", 5);
  ASSERT_THAT(fleet_->TakeIncidents(modest, {OpenIncident("m")}), IsOk());
  const AgentId greedy = Admit("greedy", 5);
  for (int i = 0; i < 1000; ++i) {
    Incident large = OpenIncident(std::to_string(i));
    large.summary.assign(4000, 'x');
    ASSERT_THAT(fleet_->TakeIncidents(greedy, {large}), IsOk());
    ASSERT_LE(fleet_->stats().incidents.bytes, options_.incident_bytes);
  }
  // Who takes most gives most.
  EXPECT_THAT(Ids(fleet_->incidents(modest)->all()), ElementsAre("m"));
  EXPECT_THAT(Ids(fleet_->incidents(greedy)->all()),
              ElementsAre("997", "998", "999"));
  EXPECT_EQ(fleet_->stats().incidents.dropped, 997u);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(
        fleet_->TakeIncidents(modest, {EndedIncident(std::to_string(i))}),
        IsOk());
  }
  EXPECT_EQ(fleet_->incidents(modest)->all().size(), 10u);
  EXPECT_NE(fleet_->incidents(modest)->Find("m"), nullptr);
  fleet_->Remove(greedy);
  fleet_->Remove(modest);
  EXPECT_EQ(fleet_->stats().incidents.bytes, 0u);
}

}  // namespace
}  // namespace fodc::fleet
