// SPDX-License-Identifier: Apache-2.0
// Whose recording goes on, and where: lives of one agent, and rivals for its
// pod.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "fodc/base/log_testing.h"
#include "fodc/link/flight_link_testing.h"

namespace fodc::link {
namespace {

using fleet::AgentStatus;

TEST_F(FlightLinkTest, ResumesBehindALifeThatTheProxyHasLetGo) {
  // The mirror has less room than the agent.
  fleet_options_.memory.per_agent_bytes = 64u << 10;
  fleet_options_.memory.total_bytes = 64u << 10;
  StartAll();
  agent_->Append(100);
  ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  agent_ = agent_->Reborn(/*lost=*/0);
  agent_->StartLink();
  const auto holds_first_life = [&] {
    const auto positions = mirror()->Positions();
    return std::any_of(positions.begin(), positions.end(),
                       [](const auto& p) { return p.incarnation == 100; });
  };
  ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  for (int i = 0; i < 200 && holds_first_life(); ++i) {
    agent_->Append(20);
    ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  }
  ASSERT_FALSE(holds_first_life());
  ASSERT_EQ(agent_->recording().held().size(), 2u);
  relay_->Cut();
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state != LinkState::kFlight; }));
  const std::uint64_t sent = agent_->stats().frames_sent;
  relay_->Heal();
  agent_->Append(3);
  ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  EXPECT_EQ(mirror()->stats().unusable, 0u);
  EXPECT_LE(agent_->stats().frames_sent, sent + 2 * 3 + 16) << "not anew";
}

// The wall clock was set back before the agent came back, with what it had
// spilled or without.
class SmallerIncarnationTest : public FlightLinkTest,
                               public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Spill, SmallerIncarnationTest, ::testing::Bool());

TEST_P(SmallerIncarnationTest, GoesOn) {
  StartAll();
  agent_->Append(20);
  ExpectMirrored();
  TestAgent::Options o = AgentOptions();
  o.incarnation = 40;
  agent_ = GetParam() ? agent_->Reborn(0, 40)
                      : std::make_unique<TestAgent>(loop_, o);
  agent_->StartLink();
  agent_->Append(20);
  ExpectMirrored();
  EXPECT_EQ(mirror()->recording().newest().incarnation, 40u);
  EXPECT_EQ(fleet_->List()->size(), 1u);
  EXPECT_EQ(mirror()->stats().unusable, 0u);
  for (const recorder::SourceFrame& f : mirror()->recording().Latest()) {
    EXPECT_EQ(f.name.incarnation, 40u);
    EXPECT_LT(mirror()->pace().AgeOf(f.name, f.time, loop_.clock().Monotonic()),
              std::chrono::minutes(1));
  }
}

TEST_F(FlightLinkTest, ALiveTwinWithTheSameInstanceIdHarmsNobody) {
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  TestAgent::Options o = AgentOptions();
  o.incarnation = 200;  // a second process on a copied directory
  TestAgent twin(loop_, o);
  twin.Append(3);
  twin.StartLink();
  o.pod = "elsewhere";
  TestAgent copy(loop_, o);
  copy.Append(3);
  copy.StartLink();
  ASSERT_TRUE(Until([&] {
    return twin.stats().state == LinkState::kFlight &&
           copy.stats().state == LinkState::kFlight;
  }));
  EXPECT_EQ(fleet_->List()->size(), 3u);
  EXPECT_EQ(fleet_->stats().registry.conflicts, 1u);
  agent_->Append(3);
  ExpectMirrored();
  EXPECT_EQ(agent_->stats().connects, 1u) << "the first must go on unharmed";
  EXPECT_EQ(fleet_->stats().mirrors.unusable, 0u);
  twin.StopLink();
  copy.StopLink();
}

// Its base comes before the link and goes after it: all of its threads may log.
class ToldLinkTest : protected LogCapture, public FlightLinkTest {};

TEST_F(ToldLinkTest, ASecondLiveAgentOfAPodIsInConflict) {
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  TestAgent::Options o = AgentOptions();
  o.instance = "another";
  TestAgent rival(loop_, o);
  rival.Append(3);
  rival.StartLink();
  ASSERT_TRUE(Until([&] { return fleet_->List()->size() == 2; }));
  ASSERT_TRUE(Until([&] { return rival.stats().state == LinkState::kFlight; }));
  EXPECT_EQ(fleet_->stats().conflict, 1u);
  EXPECT_EQ(fleet_->stats().registry.conflicts, 1u);
  agent_->Append(3);
  ExpectMirrored();
  EXPECT_EQ(agent_->stats().connects, 1u) << "the first must go on unharmed";
  // It is told, and says so once.
  EXPECT_TRUE(rival.stats().conflict);
  EXPECT_FALSE(agent_->stats().conflict);
  rival.Append(3);
  EXPECT_EQ(Lines("another live agent has this pod name").size(), 1u);

  agent_->StopLink();
  ASSERT_TRUE(Until([&] { return !rival.stats().conflict; }))
      << "heartbeats tell the end";
  EXPECT_EQ(rival.stats().connects, 1u);
  EXPECT_EQ(Lines("another live agent has this pod name").size(), 1u);
  ASSERT_TRUE(Until([&] {
    for (const fleet::Agent& a : *fleet_->List()) {
      if (a.identity.instance_id == "another") {
        return a.status == AgentStatus::kOnline;
      }
    }
    return false;
  }));
}

TEST_F(FlightLinkTest, AnAgentBackFromAFrozenLinkReplacesItselfAtOnce) {
  // Long before its silence is noticed, its probe has gone unanswered.
  options_.probe_timeout = std::chrono::milliseconds(200);
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  relay_->Freeze();
  auto second = std::make_unique<test::TcpRelay>(server_->port());
  auto reborn = agent_->Reborn(0);
  agent_->StopLink();  // the proxy does not hear of it
  TestAgent::Options o = AgentOptions();
  o.link.proxies = {second->address()};
  o.incarnation = 101;
  agent_ = std::make_unique<TestAgent>(loop_, o);
  agent_->StartLink();
  agent_->Append(3);
  ExpectMirrored();
  EXPECT_EQ(fleet_->List()->size(), 1u);
  EXPECT_EQ(fleet_->List()->at(0).status, AgentStatus::kOnline);
  relay_ = std::move(second);
}

}  // namespace
}  // namespace fodc::link
