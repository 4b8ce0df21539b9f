// SPDX-License-Identifier: Apache-2.0
// For tests: a flight agent and a proxy with a relay between them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "fodc/base/strings.h"
#include "fodc/link/test_agent.h"
#include "fodc/link/test_peer.h"
#include "tests/support/tcp_relay.h"

namespace fodc::link {

class FlightLinkTest : public LinkServerTest {
 protected:
  FlightLinkTest() {
    options_.flight_heartbeat = std::chrono::milliseconds(50);
    // A busy machine is no silence.
    options_.flight_dead_after = std::chrono::seconds(30);
    options_.probe_timeout = std::chrono::seconds(30);
  }

  // For tests of silence itself; before StartAll. A busy machine may then break
  // a link that nobody froze.
  void NoticeSilenceSoon() {
    options_.flight_dead_after = std::chrono::milliseconds(400);
    options_.probe_timeout = std::chrono::milliseconds(200);
  }

  void StartAll() {
    StartServer();
    relay_ = std::make_unique<test::TcpRelay>(server_->port());
    agent_ = std::make_unique<TestAgent>(loop_, AgentOptions());
    agent_->StartLink();
  }

  TestAgent::Options AgentOptions() {
    TestAgent::Options o;
    o.link = QuickLinkOptions(relay_->address());
    return o;
  }

  const fleet::Mirror* mirror(const std::string& pod = "pod") {
    const fleet::Mirror* found = nullptr;
    for (const fleet::Agent& a : *fleet_->List()) {
      if (a.identity.pod_name == pod &&
          a.status != fleet::AgentStatus::kConflict) {
        found = fleet_->mirror(a.id);
      }
    }
    return found;
  }

  // Whether the newest frame of the agent has arrived.
  bool CaughtUp() {
    const fleet::Mirror* m = mirror();
    if (m == nullptr || agent_->stats().state != LinkState::kFlight) {
      return false;
    }
    const recorder::FrameName theirs = m->recording().newest();
    const recorder::FrameName ours = agent_->recording().newest();
    // An agent just reborn has lost frames that the proxy holds.
    return theirs.incarnation == ours.incarnation &&
           theirs.sequence >= ours.sequence;
  }

  std::string Describe() {
    const auto frame = [](const recorder::FrameName& f) {
      return StrCat(f.incarnation, "/", f.sequence);
    };
    const ProxyLinkStats s = agent_->stats();
    std::string out =
        StrCat("agent at ", frame(agent_->recording().newest()), ", ",
               LinkStateName(s.state), ", in flight ", s.in_flight_bytes, ", ",
               s.frames_sent, " frames sent, ", s.last_failure.ToString());
    if (const fleet::Mirror* m = mirror()) {
      out += StrCat("; mirror at ", frame(m->recording().newest()), ", ",
                    m->stats().unusable, " unusable, ", m->stats().damaged,
                    " damaged, ", m->stats().gaps, " gaps");
    }
    return out;
  }

  // Everything that the agent holds is at the proxy, bit for bit.
  void ExpectMirrored() {
    ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
    EXPECT_EQ(Missing(AllSamples(agent_->recording()),
                      AllSamples(mirror()->recording())),
              "");
  }

  std::unique_ptr<test::TcpRelay> relay_;
  std::unique_ptr<TestAgent> agent_;
};

}  // namespace fodc::link
