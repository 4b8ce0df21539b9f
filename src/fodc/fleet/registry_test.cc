// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/registry.h"

#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::fleet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Registry::Claim V1(const std::string& pod,
                   const std::string& role = "ROLE_DATA") {
  Registry::Claim c;
  c.identity.pod_name = pod;
  c.identity.role = role;
  c.peer_address = "10.0.0.1";
  return c;
}

Registry::Claim Flight(const std::string& pod, const std::string& instance,
                       recorder::Incarnation incarnation) {
  Registry::Claim c = V1(pod);
  c.kind = AgentKind::kFlight;
  c.identity.instance_id = instance;
  c.identity.incarnation = incarnation;
  return c;
}

class RegistryTest : public ::testing::Test {
 protected:
  AgentStatus StatusOf(const AgentId& id) {
    const Agent* a = registry_.Find(id);
    EXPECT_NE(a, nullptr) << id;
    return a == nullptr ? AgentStatus::kOffline : a->status;
  }

  FakeClock clock_;
  Registry registry_{clock_, {.max_agents = 3}};
};

TEST_F(RegistryTest, AdmitsUnderAFreshUuid) {
  const auto a = registry_.Admit(V1("a"));
  const auto b = registry_.Admit(V1("b"));
  ASSERT_TRUE(a.status.ok() && b.status.ok());
  EXPECT_EQ(a.id.size(), 36u);
  EXPECT_EQ(a.id[14], '4');
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(StatusOf(a.id), AgentStatus::kOnline);
  EXPECT_EQ(registry_.List()->size(), 2u);
}

TEST_F(RegistryTest, ListsOfAPodTheOneOnlineFirst) {
  const auto first = registry_.Admit(V1("a"));
  std::vector<AgentId> ids{first.id};
  for (int i = 0; i < 2; ++i) {
    clock_.Advance(seconds(1));
    Registry::Claim rival = V1("a");
    rival.found_alive = {ids.begin(), ids.end()};
    ids.push_back(registry_.Admit(rival).id);
  }
  const auto listed = [&] {
    std::vector<AgentId> out;
    for (const Agent& agent : *registry_.List()) out.push_back(agent.id);
    return out;
  };
  EXPECT_THAT(listed(), ElementsAre(ids[0], ids[1], ids[2]));
  registry_.SetPrecious(ids[0], true);
  registry_.Disconnect(ids[0]);
  EXPECT_THAT(listed(), ElementsAre(ids[1], ids[0], ids[2]));
}

TEST_F(RegistryTest, RefusesInTheOrderAndWordsOfV1) {
  EXPECT_THAT(registry_.Admit(V1("", "")).status,
              StatusIs(Code::kInvalidArgument, "node role cannot be empty"));
  EXPECT_THAT(registry_.Admit(V1("")).status,
              StatusIs(Code::kInvalidArgument, "pod name cannot be empty"));
  for (const char* pod : {"a", "b", "c"}) registry_.Admit(V1(pod));
  EXPECT_THAT(registry_.Admit(V1("", "")).status,
              StatusIs(Code::kResourceExhausted,
                       "maximum number of agents (3) reached"));
  EXPECT_EQ(registry_.size(), 3u);
}

TEST_F(RegistryTest, TakesAnUnspecifiedRole) {
  EXPECT_TRUE(registry_.Admit(V1("a", "ROLE_UNSPECIFIED")).status.ok());
}

TEST_F(RegistryTest, MakesRoomByDroppingWhoIsOfflineAndHoldsNothing) {
  const auto a = registry_.Admit(V1("a"));
  const auto b = registry_.Admit(Flight("b", "ib", 1));
  registry_.Admit(V1("c"));
  registry_.SetPrecious(b.id, true);
  registry_.Disconnect(b.id);
  clock_.Advance(seconds(1));
  registry_.Disconnect(a.id);
  const auto d = registry_.Admit(V1("d"));
  ASSERT_TRUE(d.status.ok());
  EXPECT_THAT(d.evicted, ElementsAre(a.id));
  EXPECT_THAT(registry_.Admit(V1("e")).status,
              StatusIs(Code::kResourceExhausted, HasSubstr("(3)")));
}

TEST_F(RegistryTest, AReturningV1AgentReplacesItsEndedEntryAtOnce) {
  const auto first = registry_.Admit(V1("a"));
  registry_.Disconnect(first.id);
  EXPECT_EQ(StatusOf(first.id), AgentStatus::kOffline);
  const auto second = registry_.Admit(V1("a"));
  ASSERT_TRUE(second.status.ok());
  EXPECT_FALSE(second.conflict);
  EXPECT_THAT(second.replaced, ElementsAre(first.id));
  EXPECT_EQ(registry_.size(), 1u);
  EXPECT_EQ(registry_.stats().conflicts, 0u);
}

TEST_F(RegistryTest, AsksForAProbeOfALiveRivalAndLeavesItUnharmed) {
  const auto first = registry_.Admit(V1("a"));
  Registry::Claim rival = V1("a");
  const auto asked = registry_.Admit(rival);
  ASSERT_TRUE(asked.status.ok());
  EXPECT_EQ(asked.probe, first.id);
  EXPECT_EQ(registry_.size(), 1u);

  rival.found_alive.insert(first.id);
  const auto second = registry_.Admit(rival);
  ASSERT_TRUE(second.status.ok());
  EXPECT_TRUE(second.conflict);
  EXPECT_THAT(second.replaced, IsEmpty());
  EXPECT_EQ(StatusOf(first.id), AgentStatus::kOnline);
  EXPECT_EQ(StatusOf(second.id), AgentStatus::kConflict);
  EXPECT_EQ(registry_.stats().conflicts, 1u);
}

TEST_F(RegistryTest, ReplacesARivalWhoseProbeFailed) {
  const auto first = registry_.Admit(V1("a"));
  Registry::Claim rival = V1("a");
  rival.found_dead.insert(first.id);
  const auto second = registry_.Admit(rival);
  EXPECT_FALSE(second.conflict);
  EXPECT_THAT(second.replaced, ElementsAre(first.id));
}

TEST_F(RegistryTest, ARivalMovesUpWhenTheFirstGoes) {
  for (const bool precious : {false, true}) {
    Registry registry(clock_, {});
    const auto first = registry.Admit(V1("a"));
    Registry::Claim rival = V1("a");
    rival.found_alive.insert(first.id);
    const auto second = registry.Admit(rival);
    registry.SetPrecious(first.id, precious);
    registry.Disconnect(first.id);
    EXPECT_EQ(registry.Find(second.id)->status, AgentStatus::kOnline);
    if (precious) {
      EXPECT_EQ(registry.Find(first.id)->status, AgentStatus::kOffline);
    } else {
      EXPECT_EQ(registry.Find(first.id), nullptr) << "no ghost";
    }
  }
}

TEST_F(RegistryTest, TheSameInstanceReturnsAtOnceWhenItsStreamHasEnded) {
  const auto first = registry_.Admit(Flight("a", "i", 5));
  registry_.SetPrecious(first.id, true);
  registry_.Disconnect(first.id);
  const auto reconnected = registry_.Admit(Flight("a", "i", 5));
  EXPECT_THAT(reconnected.replaced, ElementsAre(first.id));
  EXPECT_EQ(reconnected.heir_of, first.id);
  registry_.Disconnect(reconnected.id);
  // A later life may have a smaller number: clocks are set back.
  const auto restarted = registry_.Admit(Flight("a", "i", 4));
  EXPECT_THAT(restarted.replaced, ElementsAre(reconnected.id));
  EXPECT_EQ(restarted.heir_of, reconnected.id);
}

TEST_F(RegistryTest, TheSameInstanceIsProbedWhileItsStreamIsOpen) {
  const auto first = registry_.Admit(Flight("a", "i", 5));
  registry_.SetPrecious(first.id, true);
  for (const recorder::Incarnation life : {4U, 5U, 6U}) {
    EXPECT_EQ(registry_.Admit(Flight("a", "i", life)).probe, first.id);
  }
  Registry::Claim twin = Flight("a", "i", 6);
  twin.found_alive.insert(first.id);
  const auto second = registry_.Admit(twin);
  EXPECT_TRUE(second.conflict);
  EXPECT_THAT(second.replaced, IsEmpty());
  EXPECT_FALSE(second.heir_of);
  Registry::Claim back = Flight("a", "i", 7);
  back.found_dead.insert({first.id, second.id});
  EXPECT_EQ(registry_.Admit(back).heir_of, first.id);
}

TEST_F(RegistryTest, TheSameInstanceInAnotherPodIsSomebodyElse) {
  const auto first = registry_.Admit(Flight("a", "i", 5));
  registry_.SetPrecious(first.id, true);
  const auto copy = registry_.Admit(Flight("b", "i", 6));
  EXPECT_FALSE(copy.probe);
  EXPECT_FALSE(copy.conflict);
  EXPECT_THAT(copy.replaced, IsEmpty());
  EXPECT_FALSE(copy.heir_of);
  EXPECT_EQ(StatusOf(first.id), AgentStatus::kOnline);
}

TEST_F(RegistryTest, AV1AgentInheritsNoRecording) {
  const auto first = registry_.Admit(Flight("a", "i", 5));
  registry_.SetPrecious(first.id, true);
  registry_.Disconnect(first.id);
  const auto second = registry_.Admit(V1("a"));
  EXPECT_THAT(second.replaced, ElementsAre(first.id));
  EXPECT_FALSE(second.heir_of);
}

TEST_F(RegistryTest, ANewInstanceInADeadPodInheritsItsRecording) {
  const auto first = registry_.Admit(Flight("a", "i", 5));
  registry_.SetPrecious(first.id, true);
  registry_.Disconnect(first.id);
  const auto second = registry_.Admit(Flight("a", "j", 9));
  EXPECT_EQ(second.heir_of, first.id);
}

TEST_F(RegistryTest, SilenceTurnsOfflineAndLaterForgets) {
  const auto a = registry_.Admit(V1("a"));
  clock_.Advance(seconds(30));
  EXPECT_THAT(registry_.Sweep(), IsEmpty());
  EXPECT_EQ(StatusOf(a.id), AgentStatus::kOnline);
  clock_.Advance(seconds(1));
  registry_.Sweep();
  EXPECT_EQ(StatusOf(a.id), AgentStatus::kOffline);
  EXPECT_THAT(registry_.Heartbeat(a.id), IsOk());
  EXPECT_EQ(StatusOf(a.id), AgentStatus::kOnline);
  clock_.Advance(minutes(5) + seconds(1));
  EXPECT_THAT(registry_.Sweep(), ElementsAre(a.id));
  EXPECT_THAT(registry_.Heartbeat(a.id),
              StatusIs(Code::kNotFound, StrCat("agent ", a.id, " not found")));
}

TEST_F(RegistryTest, ASilentAgentThatSpeaksAgainDoesNotOustItsSuccessor) {
  const auto first = registry_.Admit(V1("a"));
  Registry::Claim rival = V1("a");
  rival.found_alive.insert(first.id);
  const auto second = registry_.Admit(rival);
  clock_.Advance(seconds(31));
  EXPECT_THAT(registry_.Heartbeat(second.id), IsOk());
  registry_.Sweep();
  EXPECT_EQ(StatusOf(second.id), AgentStatus::kOnline);
  EXPECT_THAT(registry_.Heartbeat(first.id), IsOk());
  EXPECT_EQ(StatusOf(first.id), AgentStatus::kConflict);
  EXPECT_EQ(StatusOf(second.id), AgentStatus::kOnline);
}

TEST_F(RegistryTest, AHeartbeatNeverReplacesAKnownRoleByAnUnknownOne) {
  const auto a = registry_.Admit(V1("a"));
  ASSERT_THAT(registry_.RefreshRole(a.id, "", {{"x", "y"}}), IsOk());
  ASSERT_THAT(registry_.RefreshRole(a.id, "ROLE_UNSPECIFIED", {{"x", "y"}}),
              IsOk());
  EXPECT_EQ(registry_.Find(a.id)->identity.role, "ROLE_DATA");
  EXPECT_THAT(registry_.Find(a.id)->identity.labels, IsEmpty());
  ASSERT_THAT(registry_.RefreshRole(a.id, "ROLE_LIAISON", {{"x", "y"}}),
              IsOk());
  ASSERT_THAT(registry_.RefreshRole(a.id, "ROLE_META", {}), IsOk());
  EXPECT_EQ(registry_.Find(a.id)->identity.role, "ROLE_META");
  EXPECT_EQ(registry_.Find(a.id)->identity.labels, (Labels{{"x", "y"}}));
}

TEST_F(RegistryTest, AnIdentityUpdateCannotMoveToAnotherPod) {
  const auto a = registry_.Admit(Flight("a", "i", 5));
  AgentIdentity next;
  next.pod_name = "b";
  next.instance_id = "j";
  next.incarnation = 9;
  next.role = "ROLE_LIAISON";
  ASSERT_THAT(registry_.UpdateIdentity(a.id, next), IsOk());
  const AgentIdentity& held = registry_.Find(a.id)->identity;
  EXPECT_EQ(held.pod_name, "a");
  EXPECT_EQ(held.instance_id, "i");
  EXPECT_EQ(held.incarnation, 5u);
  EXPECT_EQ(held.role, "ROLE_LIAISON");
}

TEST_F(RegistryTest, ListsStayAsTheyWereTaken) {
  const auto a = registry_.Admit(V1("a"));
  const AgentList before = registry_.List();
  EXPECT_EQ(before, registry_.List());
  registry_.Disconnect(a.id);
  EXPECT_EQ(before->at(0).status, AgentStatus::kOnline);
  EXPECT_EQ(registry_.List()->at(0).status, AgentStatus::kOffline);
}

}  // namespace
}  // namespace fodc::fleet
