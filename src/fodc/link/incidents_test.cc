// SPDX-License-Identifier: Apache-2.0
// Incidents over the flight link: through breaks and restarts of either end,
// towards proxies of an older version, and from peers that do not mean well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/incident_testing.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/flight_codec.h"
#include "fodc/link/flight_link_testing.h"
#include "fodc/link/server_stream.h"

namespace fodc::link {
namespace {

using evidence::Incident;
using evidence::IncidentRef;
using flight::v1::AgentMessage;
using flight::v1::ProxyMessage;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kConnect[] = "/fodc.flight.v1.FlightService/Connect";

// With all that crosses the wire.
Incident Open(const std::string& id, std::uint32_t revision = 1) {
  Incident i = evidence::OpenIncident(id, revision);
  i.cause = "policy";
  i.target = "data";
  i.summary = "reads became slow";
  i.advice = "raise eviction thresholds";
  i.numbers = {{"read_p99_seconds", 0.5}, {"refaults_per_second", 1e6}};
  i.missing_signals = {"compaction_bytes"};
  return i;
}

Incident Ended(const std::string& id, std::uint32_t revision = 2) {
  Incident i = Open(id, revision);
  i.ended_ms = i.updated_ms;
  return i;
}

class IncidentLinkTest : public FlightLinkTest {
 protected:
  const evidence::IncidentList* kept() {
    const fleet::AgentList agents = fleet_->List();
    return agents->empty() ? nullptr : fleet_->incidents(agents->front().id);
  }
  IncidentRef Held(const std::string& id) {
    return kept() == nullptr ? nullptr : kept()->Find(id);
  }
  // Whether the proxy holds all that the agent has, as it is.
  bool HasAll() {
    for (const IncidentRef& i : agent_->incidents().all()) {
      const IncidentRef held = Held(i->id);
      if (held == nullptr || *held != *i) return false;
    }
    return true;
  }
  bool Connected() { return agent_->stats().state == LinkState::kFlight; }
};

TEST_F(IncidentLinkTest, EachRevisionArrivesWhole) {
  StartAll();
  agent_->Put(Open("a"));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  agent_->Append(3);
  agent_->Put(Open("b"));
  agent_->Put(Open("a", 2));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  agent_->Put(Ended("a", 3));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  EXPECT_EQ(agent_->stats().incidents_sent, 4u);
  EXPECT_EQ(fleet_->stats().incidents.added, 2u);
  EXPECT_EQ(fleet_->stats().incidents.updated, 2u);
  EXPECT_EQ(fleet_->stats().incidents.known, 0u);
  ExpectMirrored();
}

TEST_F(IncidentLinkTest, ACutLosesNothingAndTellsNothingTwice) {
  StartAll();
  agent_->Put(Open("a"));
  agent_->Put(Ended("b"));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  relay_->Cut();
  ASSERT_TRUE(Until([&] { return !Connected(); }));
  agent_->Put(Open("a", 2));
  agent_->Put(Ended("a", 3));
  agent_->Put(Open("c"));
  relay_->Heal();
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  EXPECT_EQ(agent_->stats().incidents_sent, 4u);
  EXPECT_EQ(fleet_->stats().incidents.known, 0u);
  EXPECT_FALSE(Held("a")->is_open());
}

TEST_F(IncidentLinkTest, ARestartedProxyIsToldEverythingAgain) {
  StartAll();
  agent_->Put(Ended("a"));
  agent_->Put(Open("b"));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  RestartServer();
  ASSERT_TRUE(Until([&] { return kept() != nullptr && HasAll(); }));
  EXPECT_THAT(kept()->all(), SizeIs(2));
}

TEST_F(IncidentLinkTest, ALinkThatFreezesInTheMiddleLosesNothing) {
  NoticeSilenceSoon();
  StartAll();
  for (int round = 1; round <= 4; ++round) {
    relay_->Freeze();
    for (int i = 0; i < 20; ++i) {
      agent_->Put(Open(StrCat(i), static_cast<std::uint32_t>(round)));
      agent_->Append();
      RunFor(std::chrono::milliseconds(1));
    }
    RunFor(std::chrono::milliseconds(round * 120));
    relay_->Heal();
    ASSERT_TRUE(Until([&] { return kept() != nullptr && HasAll(); })) << round;
  }
  ExpectMirrored();
}

TEST_F(IncidentLinkTest, TheIncidentsOfADeadAgentStayWithItsRecording) {
  StartAll();
  agent_->Append(3);
  agent_->Put(Open("a"));
  ASSERT_TRUE(Until([&] { return HasAll() && CaughtUp(); }));
  agent_->StopLink();
  ASSERT_TRUE(Until([&] {
    return fleet_->List()->front().status == fleet::AgentStatus::kOffline;
  }));
  ASSERT_NE(Held("a"), nullptr);
  EXPECT_TRUE(Held("a")->is_open());
}

// Killed: what it told is ahead of its disk, or its disk ahead of that.
TEST_F(IncidentLinkTest, ANewLifeLeavesNothingOpenThatItDoesNotWatch) {
  StartAll();
  agent_->Append(3);
  for (const char* id : {"lost", "kept", "newer"}) agent_->Put(Open(id, 4));
  agent_->Put(Ended("old"));
  ASSERT_TRUE(Until([&] { return HasAll() && CaughtUp(); }));
  std::unique_ptr<TestAgent> reborn = agent_->Reborn(0);
  agent_ = std::move(reborn);
  // What its disk gave back.
  Incident unseen = Open("kept", 3);
  evidence::EndUnseen(&unseen);
  for (const Incident& i : {unseen, Ended("newer", 5), Ended("old")})
    agent_->Put(i);
  agent_->Append();
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return Held("newer")->revision == 5; }));
  ExpectMirrored();
  EXPECT_EQ(agent_->stats().incidents_sent, 1u);
  EXPECT_EQ(kept()->open(), 0u);
  for (const char* id : {"lost", "kept"}) {
    EXPECT_EQ(Held(id)->revision, 4u);
    EXPECT_THAT(Held(id)->summary, HasSubstr("nobody saw the end"));
  }
  EXPECT_EQ(*Held("newer"), Ended("newer", 5));
  // Of its own it tells as ever.
  agent_->Put(Open("mine"));
  ASSERT_TRUE(Until([&] { return Held("mine") != nullptr; }));
  EXPECT_TRUE(Held("mine")->is_open());
}

TEST_F(IncidentLinkTest, WhatEndsWithTheAgentIsItsLastNews) {
  StartAll();
  agent_->Append(200);
  agent_->Put(Open("a"));
  ASSERT_TRUE(Until([&] { return HasAll(); }));
  bool stopped = false;
  agent_->Append(200);  // entries wait to leave
  agent_->Put(Ended("a"));
  agent_->link().Stop("test", std::chrono::seconds(60),
                      [&] { stopped = true; });
  ASSERT_TRUE(Until([&] { return stopped; }));
  EXPECT_TRUE(Until([&] { return !Held("a")->is_open(); }));
}

// --- Proxies of another version.

// Says what the test says.
class FakeFlightProxy {
 public:
  explicit FakeFlightProxy(net::EventLoop& loop) : loop_(loop) {
    grpc::ServerBuilder builder;
    streams_ = std::make_unique<ServerStreams>(
        builder, [this](ServerStreams::Call& call) {
          const auto raw = call.Take(loop_, BytesDecoder());
          loop_.Post(
              [this, raw] { stream_ = std::make_unique<TestStream>(raw); });
        });
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    streams_->Start(builder.BuildAndStart());
  }
  std::string address() const { return StrCat("127.0.0.1:", port_); }
  TestStream* stream() { return stream_.get(); }
  std::vector<AgentMessage> Received() const {
    std::vector<AgentMessage> out;
    for (std::size_t i = 0; i < stream_->received(); ++i) {
      out.push_back(stream_->Message<AgentMessage>(i));
    }
    return out;
  }

 private:
  net::EventLoop& loop_;
  int port_ = 0;
  std::unique_ptr<TestStream> stream_;
  std::unique_ptr<ServerStreams> streams_;  // the first to go
};

class OtherProxyTest : public LinkServerTest {
 protected:
  void Start(const flight::v1::Welcome& welcome) {
    TestAgent::Options o;
    o.link = QuickLinkOptions(proxy_.address());
    agent_ = std::make_unique<TestAgent>(loop_, o);
    agent_->Put(Open("a"));
    agent_->Put(Ended("b"));
    agent_->Append();
    agent_->StartLink();
    ASSERT_TRUE(Until([&] {
      return proxy_.stream() != nullptr && proxy_.stream()->received() == 1;
    }));
    EXPECT_THAT(proxy_.Received()[0].hello().features(),
                ElementsAre("incidents"));
    ProxyMessage m;
    *m.mutable_welcome() = welcome;
    proxy_.stream()->Send(m);
  }
  // Of all messages after the first frames came.
  std::vector<std::string> IncidentsAfterEntries() {
    const auto has_entries = [&] {
      for (const AgentMessage& m : proxy_.Received()) {
        if (m.has_entries() && m.entries().entries_size() > 0) return true;
      }
      return false;
    };
    EXPECT_TRUE(Until(has_entries));
    std::vector<std::string> ids;
    for (const AgentMessage& m : proxy_.Received()) {
      for (const auto& i : m.incidents().incidents()) ids.push_back(i.id());
    }
    return ids;
  }
  static flight::v1::Welcome Welcome() {
    flight::v1::Welcome w;
    w.set_heartbeat_interval_ms(10);
    w.set_dead_after_ms(60'000);
    w.mutable_limits()->set_in_flight_bytes(1u << 20);
    return w;
  }

  FakeFlightProxy proxy_{loop_};
  std::unique_ptr<TestAgent> agent_;
};

TEST_F(OtherProxyTest, OneThatDoesNotKnowIncidentsIsToldNone) {
  Start(Welcome());
  EXPECT_THAT(IncidentsAfterEntries(), IsEmpty());
  agent_->Put(Open("c"));
  const std::size_t before = proxy_.stream()->received();
  agent_->Append();
  ASSERT_TRUE(Until([&] { return proxy_.stream()->received() > before; }));
  EXPECT_THAT(IncidentsAfterEntries(), IsEmpty());
  EXPECT_EQ(agent_->stats().incidents_sent, 0u);
}

TEST_F(OtherProxyTest, OneThatDoesIsToldWhatItDoesNotHoldBeforeTheRecording) {
  flight::v1::Welcome w = Welcome();
  w.add_features("incidents");
  w.add_features("of a later version");
  flight::v1::HeldIncident* held = w.add_incidents();
  held->set_id("b");
  held->set_revision(2);
  Start(w);
  EXPECT_THAT(IncidentsAfterEntries(), ElementsAre("a"));
  const auto first = proxy_.Received()[1];
  ASSERT_EQ(first.incidents().incidents_size(), 1);
  EXPECT_EQ(first.incidents().incidents(0).numbers(0).value(), 0.5);
}

TEST_F(OtherProxyTest, OneWhoseMessagesAreTinyStillGetsTheRecording) {
  flight::v1::Welcome w = Welcome();
  w.add_features("incidents");
  w.mutable_limits()->set_message_bytes(200);
  Start(w);
  EXPECT_THAT(IncidentsAfterEntries(), IsEmpty());
}

TEST_F(OtherProxyTest, AV1ProxyGetsNone) {
  StartServer();
  TestAgent::Options o;
  o.link = QuickLinkOptions(address());
  o.link.allow_flight = false;
  agent_ = std::make_unique<TestAgent>(loop_, o);
  agent_->Put(Open("a"));
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return agent_->stats().state == LinkState::kV1; }));
  agent_->Put(Open("b"));
  EXPECT_EQ(agent_->stats().incidents_sent, 0u);
  EXPECT_EQ(fleet_->incidents(fleet_->List()->front().id), nullptr);
}

// --- Agents of another version, and peers that do not mean well.

class IncidentPeerTest : public LinkServerTest {
 protected:
  void SetUp() override { StartServer(); }

  std::unique_ptr<TestStream> Connect(const std::string& pod,
                                      bool has_feature) {
    auto stream = client().Open(kConnect);
    AgentMessage m;
    auto* identity = m.mutable_hello()->mutable_identity();
    identity->set_pod_name(pod);
    identity->set_instance_id(pod);
    identity->set_incarnation(7);
    identity->set_role("ROLE_DATA");
    if (has_feature) m.mutable_hello()->add_features("incidents");
    stream->Send(m);
    EXPECT_TRUE(Until([&] { return stream->received() == 1; }));
    return stream;
  }
  TestClient& client() {
    if (client_ == nullptr) {
      client_ = std::make_unique<TestClient>(loop_, address());
    }
    return *client_;
  }
  static void Send(TestStream& to, const std::vector<Incident>& incidents) {
    AgentMessage m;
    m.mutable_incidents();
    for (const Incident& i : incidents) {
      AppendIncident(i, m.mutable_incidents());
    }
    to.Send(m);
  }
  fleet::Fleet::IncidentStats stats() { return fleet_->stats().incidents; }
  Status EndOf(TestStream& stream) {
    if (!Until([&] { return stream.end().has_value(); })) {
      return Internal("the stream did not end");
    }
    return *stream.end();
  }

  std::unique_ptr<TestClient> client_;
};

TEST_F(IncidentPeerTest, WelcomeListsWhatIsHeldToThoseWhoUnderstandIt) {
  auto first = Connect("a", true);
  const auto welcome = first->Message<ProxyMessage>(0).welcome();
  EXPECT_THAT(welcome.features(), Contains("incidents"));
  EXPECT_EQ(welcome.incidents_size(), 0);
  Send(*first, {Open("x", 4), Ended("y", 9)});
  ASSERT_TRUE(Until([&] { return stats().added == 2; }));
  const auto reconnect = [&](std::unique_ptr<TestStream> old, bool feature) {
    old->HalfClose();
    EXPECT_TRUE(Until([&] {
      return fleet_->List()->front().status == fleet::AgentStatus::kOffline;
    }));
    return Connect("a", feature);
  };
  auto second = reconnect(std::move(first), true);
  const auto held = second->Message<ProxyMessage>(0).welcome().incidents();
  ASSERT_EQ(held.size(), 2);
  EXPECT_EQ(held[0].id(), "x");
  EXPECT_EQ(held[0].revision(), 4u);
  EXPECT_EQ(held[1].id(), "y");
  EXPECT_EQ(held[1].revision(), 9u);
  auto old = reconnect(std::move(second), false);
  EXPECT_EQ(old->Message<ProxyMessage>(0).welcome().incidents_size(), 0);
}

TEST_F(IncidentPeerTest, OneThatMayNotBeKeptIsLeftOutAndTheLinkGoesOn) {
  const LogCapture log;
  auto stream = Connect("a", true);
  Incident no_id = Open("");
  Incident no_time = Open("time");
  no_time.started_ms = std::numeric_limits<std::int64_t>::min();
  Incident wordy = Open("wordy");
  wordy.summary.assign(1u << 20, 'x');
  Incident controls = Open("controls");
  controls.advice = "\x1b[2J";
  Incident many = Open("many");
  many.numbers.resize(65, {"n", 1});
  Incident revision = Open("revision", 0);
  Send(*stream, {no_id, no_time, wordy, controls, many, revision, Open("ok")});
  ASSERT_TRUE(Until([&] { return stats().added == 1; }));
  EXPECT_EQ(stats().refused, 6u);
  Send(*stream, {no_id, Ended("ok")});
  ASSERT_TRUE(Until([&] { return stats().updated == 1; }));
  EXPECT_FALSE(stream->end());
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  const auto lines = log.Lines("an incident that an agent sends");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("id is empty"));
  EXPECT_THAT(lines[0], HasSubstr("pod_name=a"));
}

TEST_F(IncidentPeerTest, TooManyOrUndecodableEndTheirOwnStream) {
  auto good = Connect("good", true);
  auto many = Connect("many", true);
  Send(*many, std::vector<Incident>(kMaxIncidents + 1, Open("x")));
  EXPECT_THAT(EndOf(*many), StatusIs(Code::kInvalidArgument,
                                     HasSubstr("129 incidents in a message; "
                                               "the limit is 128")));
  // Incidents without anything in them.
  auto empty = Connect("empty", true);
  std::string parts("\x82\x01\xd0\x88\x01", 5);  // 16: 17,488 bytes
  for (int i = 0; i < 17'488 / 2; ++i) parts += std::string("\x0a\x00", 2);
  empty->SendBytes(parts);
  EXPECT_THAT(EndOf(*empty),
              StatusIs(Code::kInvalidArgument, HasSubstr("8744 incidents")));
  auto latin = Connect("latin", true);
  latin->SendBytes(std::string("\x82\x01\x05\x0a\x03\x0a\x01\xff", 8));
  EXPECT_THAT(EndOf(*latin),
              StatusIs(Code::kInvalidArgument, HasSubstr("UTF-8")));
  auto early = client().Open(kConnect);
  Send(*early, {Open("x")});
  EXPECT_THAT(EndOf(*early),
              StatusIs(Code::kFailedPrecondition, HasSubstr("Hello")));
  EXPECT_EQ(stats().added, 0u);
  Send(*good, {Open("x")});
  EXPECT_TRUE(Until([&] { return stats().added == 1; }));
  EXPECT_FALSE(good->end());
}

TEST_F(IncidentPeerTest, AFloodKeepsItsBounds) {
  auto good = Connect("good", true);
  Send(*good, {Open("mine")});
  auto bad = Connect("bad", true);
  Incident large = Open("");
  large.summary = large.advice = std::string(4096, 'x');
  for (int i = 0; i < 20; ++i) {
    std::vector<Incident> flood;
    for (int k = 0; k < kMaxIncidents; ++k) {
      large.id = StrCat(i, ".", k);
      flood.push_back(large);
    }
    Send(*bad, flood);
  }
  ASSERT_TRUE(Until([&] { return stats().added == 1 + 20 * kMaxIncidents; }));
  EXPECT_LE(stats().bytes, 2 * fleet_options_.incidents.bytes);
  EXPECT_EQ(stats().dropped + stats().open, 1u + 20 * kMaxIncidents);
  for (const fleet::Agent& agent : *fleet_->List()) {
    if (agent.identity.pod_name != "good") continue;
    EXPECT_NE(fleet_->incidents(agent.id)->Find("mine"), nullptr);
  }
}

TEST_F(IncidentPeerTest, NumbersMayBeAnything) {
  auto stream = Connect("a", true);
  Incident odd = Open("odd", std::numeric_limits<std::uint32_t>::max());
  odd.numbers = {{"nan", std::numeric_limits<double>::quiet_NaN()},
                 {"inf", std::numeric_limits<double>::infinity()}};
  odd.updated_ms = odd.ended_ms = std::numeric_limits<std::int64_t>::max();
  Send(*stream, {odd});
  ASSERT_TRUE(Until([&] { return stats().added == 1; }));
  EXPECT_FALSE(stream->end());
}

}  // namespace
}  // namespace fodc::link
