// SPDX-License-Identifier: Apache-2.0
// Peers that do not mean well, or are broken: refused with the right status,
// while everybody else goes on.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/status_matchers.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/test_peer.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using flight::v1::AgentMessage;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kConnect[] = "/fodc.flight.v1.FlightService/Connect";

class HostilePeerTest : public LinkServerTest {
 protected:
  // A well-behaved agent that must not suffer.
  void StartWithBystander() {
    StartServer();
    good_ = std::make_unique<V1Peer>(loop_, address());
    good_->Register("good");
    ASSERT_TRUE(Until([&] { return good_->registered(); }));
    OpenAndAwait([&] { good_->OpenMetrics(); });
  }

  void ExpectBystanderUnharmed() {
    const std::size_t asked = good_->metrics->received();
    bool answered = false;
    server_->RequestMetrics(good_->id, {},
                            SystemClock().Monotonic() + seconds(5),
                            [&](auto r) { answered = r.ok(); });
    ASSERT_TRUE(Until([&] { return good_->metrics->received() > asked; }));
    good_->metrics->Send(v1::StreamMetricsRequest());
    EXPECT_TRUE(Until([&] { return answered; }));
    EXPECT_FALSE(good_->registration->end());
  }

  Status EndOf(TestStream& stream) {
    if (!Until([&] { return stream.end().has_value(); })) {
      return Internal("the stream did not end");
    }
    return *stream.end();
  }

  static AgentMessage Hello(const std::string& pod) {
    AgentMessage m;
    auto* identity = m.mutable_hello()->mutable_identity();
    identity->set_pod_name(pod);
    identity->set_instance_id(pod);
    identity->set_incarnation(7);
    identity->set_role("ROLE_DATA");
    return m;
  }

  std::unique_ptr<V1Peer> good_;
};

TEST_F(HostilePeerTest, AnUnknownMethodIsUnimplemented) {
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.Open("/banyandb.fodc.v1.FODCService/Nonsense");
  EXPECT_EQ(EndOf(*s).code(), Code::kUnimplemented);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AStreamWithoutAnIdIsUnauthenticated) {
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.OpenV1("StreamMetrics");
  EXPECT_THAT(EndOf(*s),
              StatusIs(Code::kUnauthenticated,
                       "agent ID not found in context or peer address"));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AnUnknownIdIsUnauthenticated) {
  StartWithBystander();
  TestClient c(loop_, address());
  for (const char* name : {"StreamMetrics", "StreamLifecycle"}) {
    auto s = c.OpenV1(name, "9ca5cd03-0e25-4d41-8d39-3f4bb6a2c4b1");
    EXPECT_EQ(EndOf(*s).code(), Code::kUnauthenticated);
  }
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, SomebodyElsesIdIsDenied) {
  StartWithBystander();
  V1Peer bad(loop_, address());
  bad.Register("bad");
  ASSERT_TRUE(Until([&] { return bad.registered(); }));
  for (const char* name : {"StreamMetrics", "StreamLifecycle"}) {
    auto s = bad.client.OpenV1(name, good_->id);
    EXPECT_EQ(EndOf(*s).code(), Code::kPermissionDenied) << name;
  }
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, ALiveStreamCannotBeTakenOverEvenOnItsOwnConnection) {
  StartWithBystander();
  auto s = good_->client.OpenV1("StreamMetrics", good_->id);
  EXPECT_EQ(EndOf(*s).code(), Code::kPermissionDenied);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, BadUtf8IsInvalidForThatStreamOnly) {
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.OpenV1("RegisterAgent");
  s->SendBytes(std::string("\x0a\x02\xff\xfe", 4));  // node_role
  EXPECT_THAT(EndOf(*s), StatusIs(Code::kInvalidArgument, HasSubstr("UTF-8")));
  auto f = c.Open(kConnect);
  f->SendBytes(std::string("\x0a\x04\x0a\x02\xff\xfe", 6));  // agent_kind
  EXPECT_EQ(EndOf(*f).code(), Code::kInvalidArgument);
  V1Peer bad(loop_, address());
  bad.Register("bad");
  ASSERT_TRUE(Until([&] { return bad.registered(); }));
  bad.OpenMetrics();
  bad.metrics->SendBytes("\xff\xff\xff");
  EXPECT_EQ(EndOf(*bad.metrics).code(), Code::kInvalidArgument);
  EXPECT_TRUE(Until([&] { return server_->stats().messages_refused == 3; }));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AnIdentityBeyondItsLimitsIsRefused) {
  StartWithBystander();
  std::map<std::string, std::string> labels;
  for (int i = 0; i < 64; ++i) labels["l" + std::to_string(i)] = "v";
  const auto refused = StatusIs(
      Code::kInvalidArgument, AllOf(HasSubstr("65"), HasSubstr("limit is 64")));
  V1Peer peer(loop_, address());
  peer.Register("a", "ROLE_DATA", labels);
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  AgentMessage hello = Hello("f");
  hello.mutable_hello()->mutable_identity()->mutable_labels()->insert(
      labels.begin(), labels.end());
  TestClient c(loop_, address());
  auto flight = c.Open(kConnect);
  flight->Send(hello);
  ASSERT_TRUE(Until([&] { return flight->received() == 1; }));

  labels["one"] = "more";
  v1::RegisterAgentRequest heartbeat;
  heartbeat.set_pod_name("a");
  heartbeat.set_node_role("ROLE_DATA");
  heartbeat.mutable_labels()->insert(labels.begin(), labels.end());
  peer.registration->Send(heartbeat);
  EXPECT_THAT(EndOf(*peer.registration), refused);
  V1Peer late(loop_, address());
  late.Register("b", "ROLE_DATA", labels);
  EXPECT_THAT(EndOf(*late.registration), refused);
  (*hello.mutable_hello()->mutable_identity()->mutable_labels())["one"] = "";
  auto more = c.Open(kConnect);
  more->Send(hello);
  EXPECT_THAT(EndOf(*more), refused);

  V1Peer large(loop_, address());
  large.Register("c", std::string(65u << 10, 'x'));
  EXPECT_THAT(EndOf(*large.registration),
              StatusIs(Code::kInvalidArgument, HasSubstr("limit is 65536")));
  EXPECT_TRUE(Until([&] { return server_->stats().messages_refused == 4; }));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, ASeriesWhoseNameIsNoneIsRefused) {
  StartWithBystander();
  TestClient c(loop_, address());
  const auto series = [&](const std::string& name, const std::string& labels,
                          const std::string& family, const std::string& unit) {
    auto s = c.Open(kConnect);
    s->Send(Hello("f"));
    EXPECT_TRUE(Until([&] { return s->received() == 1; }));
    AgentMessage m;
    m.mutable_entries()->set_incarnation(7);
    auto* entry = m.mutable_entries()->add_entries()->mutable_series();
    entry->set_id(1);
    entry->set_name(name);
    entry->set_labels(labels);
    entry->set_family(family);
    entry->set_unit(unit);
    s->Send(m);
    return EndOf(*s);
  };
  const auto illegal = StatusIs(Code::kInvalidArgument, HasSubstr("illegal"));
  EXPECT_THAT(series("up{pod_name=\"x\"} 1\nup", "", "", ""), illegal);
  EXPECT_THAT(series("m", "a-b=\"x\"", "", ""), illegal);
  EXPECT_THAT(series("m", "a=\"x\ny\"", "", ""), illegal);
  EXPECT_THAT(series("m", "__name__=\"x\"", "", ""), illegal);
  EXPECT_THAT(series("m", "", "f\n# EOF", ""), illegal);
  EXPECT_THAT(series("m", "", "", "s\n# EOF"), illegal);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AHugeMessageIsRefused) {
  options_.max_message_bytes = 1u << 20;
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.OpenV1("RegisterAgent");
  v1::RegisterAgentRequest m;
  m.set_pod_name(std::string(2u << 20, 'x'));
  s->Send(m);
  EXPECT_EQ(EndOf(*s).code(), Code::kResourceExhausted);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AFlightMessageBeyondItsLimitIsRefused) {
  options_.flight_message_bytes = 64u << 10;
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.Open(kConnect);
  s->Send(Hello("f"));
  ASSERT_TRUE(Until([&] { return s->received() == 1; }));
  AgentMessage m;
  m.mutable_entries()->set_incarnation(7);
  m.mutable_entries()->add_entries()->mutable_chunk()->set_data(
      std::string(100u << 10, 'x'));
  s->Send(m);
  EXPECT_EQ(EndOf(*s).code(), Code::kResourceExhausted);
  ExpectBystanderUnharmed();
}

// `times` empty messages in a repeated field.
std::string Repeated(const std::string& one, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += one;
  return all;
}

TEST_F(HostilePeerTest, AnAnswerOfMillionsOfPartsIsRefused) {
  StartWithBystander();
  V1Peer bad(loop_, address());
  bad.Register("bad");
  ASSERT_TRUE(Until([&] { return bad.registered(); }));
  OpenAndAwait([&] { bad.OpenMetrics(); });
  server_->RequestMetrics(bad.id, {}, SystemClock().Monotonic() + seconds(5),
                          [](auto) {});
  ASSERT_TRUE(Until([&] { return bad.metrics->received() == 1; }));
  bad.metrics->SendBytes(Repeated(std::string("\x0a\0", 2), 2'000'001));
  EXPECT_THAT(EndOf(*bad.metrics),
              StatusIs(Code::kResourceExhausted, HasSubstr("2000000 parts")));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AnAnswerThatNobodyAskedForIsNotDecoded) {
  StartWithBystander();
  V1Peer bad(loop_, address());
  bad.Register("bad");
  ASSERT_TRUE(Until([&] { return bad.registered(); }));
  bad.OpenMetrics();
  bad.metrics->SendBytes(std::string(100u << 10, '\xff'));
  ASSERT_TRUE(Until([&] { return server_->stats().questions.unasked == 1; }));
  EXPECT_FALSE(bad.metrics->end());
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  // The next question is answered as ever.
  bool answered = false;
  server_->RequestMetrics(bad.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { answered = r.ok(); });
  ASSERT_TRUE(Until([&] { return bad.metrics->received() == 1; }));
  v1::StreamMetricsRequest large;
  large.add_metrics()->set_name("x");
  large.mutable_metrics(0)->set_description(std::string(100u << 10, 'x'));
  bad.metrics->Send(large);
  EXPECT_TRUE(Until([&] { return answered; }));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, EntriesBeyondTheirNumberAreRefused) {
  StartWithBystander();
  TestClient c(loop_, address());
  const auto sources = [](int times) {
    // An entry with an empty source.
    const std::string body = std::string("\x09\x07\0\0\0\0\0\0\0", 9) +
                             Repeated(std::string("\x12\x02\x0a\0", 4), times);
    AgentMessage m;
    EXPECT_TRUE(m.mutable_entries()->ParseFromString(body));
    return m;
  };
  auto s = c.Open(kConnect);
  s->Send(Hello("f"));
  ASSERT_TRUE(Until([&] { return s->received() == 1; }));
  s->Send(sources(16'384));
  ASSERT_TRUE(Until([&] { return server_->stats().flight_messages == 1; }));
  EXPECT_FALSE(s->end());
  s->Send(sources(40'000));
  EXPECT_THAT(EndOf(*s),
              StatusIs(Code::kResourceExhausted, HasSubstr("65536 parts")));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, FlightOutOfOrderIsRefused) {
  StartWithBystander();
  TestClient c(loop_, address());
  AgentMessage early;
  early.mutable_entries()->set_incarnation(7);
  auto s = c.Open(kConnect);
  s->Send(early);
  EXPECT_THAT(EndOf(*s),
              StatusIs(Code::kFailedPrecondition, HasSubstr("Hello")));

  auto twice = c.Open(kConnect);
  twice->Send(Hello("f"));
  twice->Send(Hello("f"));
  EXPECT_EQ(EndOf(*twice).code(), Code::kFailedPrecondition);

  AgentMessage nobody = Hello("f");
  nobody.mutable_hello()->mutable_identity()->set_incarnation(0);
  auto n = c.Open(kConnect);
  n->Send(nobody);
  EXPECT_EQ(EndOf(*n).code(), Code::kInvalidArgument);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, ARowOfAnUnknownSourceEndsTheStream) {
  StartWithBystander();
  TestClient c(loop_, address());
  auto s = c.Open(kConnect);
  s->Send(Hello("f"));
  ASSERT_TRUE(Until([&] { return s->received() == 1; }));
  AgentMessage m;
  m.mutable_entries()->set_incarnation(7);
  auto* row = m.mutable_entries()->add_entries()->mutable_row();
  row->set_sequence(1);
  row->set_source(9);
  row->set_payload("nonsense");
  s->Send(m);
  const Status end = EndOf(*s);
  EXPECT_TRUE(end.code() == Code::kInvalidArgument ||
              end.code() == Code::kDataLoss)
      << end.ToString();
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, AChunkDoesNotSayHowManyFramesAreCounted) {
  StartServer();
  TestClient c(loop_, address());
  auto s = c.Open(kConnect);
  s->Send(Hello("liar"));
  ASSERT_TRUE(Until([&] { return s->received() == 1; }));
  std::uint64_t counted = 0;
  const std::pair<std::uint64_t, std::uint64_t> lies[] = {
      {1, INT64_MAX}, {1, UINT64_MAX}, {0, UINT64_MAX}, {9, 1}};
  for (std::uint64_t sent = 1; const auto& [first, last] : lies) {
    AgentMessage m;
    m.mutable_entries()->set_incarnation(7);
    auto* chunk = m.mutable_entries()->add_entries()->mutable_chunk();
    chunk->set_first(first);
    chunk->set_last(last);
    chunk->set_data("no chunk");
    s->Send(m);
    ASSERT_TRUE(Until([&] {
      return server_->stats().flight_messages == sent || s->end().has_value();
    }));
    const std::uint64_t now = server_->stats().flight_frames;
    EXPECT_GE(now, counted) << "runs backwards";
    EXPECT_LE(now, counted + recorder::EntryFrames::kMost);
    counted = now;
    ++sent;
    if (s->end()) break;
  }
  EXPECT_GE(server_->stats().flight_messages, 1u);
}

TEST_F(HostilePeerTest, AThousandRegistrationsAreBounded) {
  fleet_options_.registry.max_agents = 64;
  options_.registrations_per_second = 0.001;
  StartWithBystander();
  TestClient c(loop_, address());
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(c.OpenV1("RegisterAgent"));
    v1::RegisterAgentRequest m;
    m.set_node_role("ROLE_DATA");
    m.set_pod_name("bad-" + std::to_string(i));
    streams.back()->Send(m);
  }
  ASSERT_TRUE(Until([&] {
    std::size_t settled = 0;
    for (const auto& s : streams) {
      settled += s->end() || s->received() > 0 ? 1 : 0;
    }
    return settled == streams.size();
  }));
  // Half of the registry for one connection, so that others find room.
  EXPECT_LE(fleet_->registry().size(), 33u);
  V1Peer next(loop_, address());
  next.Register("next");
  EXPECT_TRUE(Until([&] { return next.registered(); }));
  ExpectBystanderUnharmed();
  streams.clear();
}

TEST_F(HostilePeerTest, AStreamThatSaysNothingIsEnded) {
  options_.first_message_timeout = milliseconds(100);
  options_.probe_timeout = milliseconds(50);
  StartWithBystander();
  TestClient c(loop_, address());
  auto flight = c.Open(kConnect);
  auto registration = c.OpenV1("RegisterAgent");
  EXPECT_THAT(EndOf(*flight),
              StatusIs(Code::kDeadlineExceeded, HasSubstr("no Hello")));
  EXPECT_THAT(EndOf(*registration),
              StatusIs(Code::kDeadlineExceeded, HasSubstr("no registration")));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, TooManyThatSayNothingAreRefused) {
  options_.max_unregistered_streams = 4;
  StartWithBystander();
  TestClient c(loop_, address());
  std::vector<std::unique_ptr<TestStream>> silent;
  silent.reserve(4);
  for (int i = 0; i < 4; ++i) {
    silent.push_back(i % 2 == 0 ? c.Open(kConnect) : c.OpenV1("RegisterAgent"));
  }
  ASSERT_TRUE(Until([&] { return server_->stats().open_streams >= 6; }));
  RunFor(milliseconds(50));
  auto fifth = c.Open(kConnect);
  EXPECT_THAT(EndOf(*fifth),
              StatusIs(Code::kResourceExhausted, HasSubstr("too many agents")));
  for (const auto& s : silent) EXPECT_FALSE(s->end());
  // When they are gone, there is room.
  silent.clear();
  ASSERT_TRUE(Until([&] { return server_->stats().open_streams <= 2; }));
  V1Peer next(loop_, address());
  next.Register("next");
  EXPECT_TRUE(Until([&] { return next.registered(); }));
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, RegistrationsOfOneAddressAreSlowedDown) {
  fleet_options_.registry.max_agents = 64;
  options_.registrations_per_second = 0.001;
  StartWithBystander();
  // The burst is as large as the registry: a connection each, so that no other
  // bound is met.
  const std::size_t burst = fleet_options_.registry.max_agents;
  TestClient c(loop_, address());
  std::vector<std::unique_ptr<TestStream>> streams;
  std::size_t refused = 0;
  const auto attempt = [&](TestClient& from) {
    auto s = from.OpenV1("RegisterAgent");
    v1::RegisterAgentRequest m;  // without a role: refused by the registry
    s->Send(m);
    const Status end = EndOf(*s);
    refused += end.message().find("too many registrations") != std::string::npos
                   ? 1
                   : 0;
  };
  for (std::size_t i = 1; i < burst; ++i) attempt(c);
  EXPECT_EQ(refused, 0u);
  for (int i = 0; i < 3; ++i) {
    TestClient other(loop_, address());
    attempt(other);
  }
  EXPECT_EQ(refused, 3u);
  ExpectBystanderUnharmed();
}

TEST_F(HostilePeerTest, ATakenPortIsSaid) {
  StartServer();
  LinkServer::Options taken = options_;
  taken.listen_address = address();
  const auto second = LinkServer::Start(loop_, *fleet_, taken);
  EXPECT_THAT(second,
              StatusIs(Code::kAlreadyExists, HasSubstr(taken.listen_address)));
}

}  // namespace
}  // namespace fodc::link
