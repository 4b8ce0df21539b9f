// SPDX-License-Identifier: Apache-2.0
// Peers that mean well: banyandb.fodc.v1 as the contract has it.
#include "fodc/link/server.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/link/test_peer.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using fleet::AgentStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

using V1ServerTest = LinkServerTest;

v1::RegisterAgentRequest Heartbeat(const std::string& role,
                                   const fleet::Labels& labels = {}) {
  v1::RegisterAgentRequest m;
  m.set_node_role(role);
  m.mutable_labels()->insert(labels.begin(), labels.end());
  return m;
}

v1::StreamMetricsRequest AnswerOf(double value) {
  v1::StreamMetricsRequest m;
  v1::Metric* metric = m.add_metrics();
  metric->set_name("up");
  metric->set_value(value);
  metric->set_type(v1::METRIC_TYPE_GAUGE);
  (*metric->mutable_labels())["pod_name"] = "a";
  m.mutable_timestamp()->set_seconds(1000);
  return m;
}

TEST_F(V1ServerTest, RegistersAndNeverAnswersAHeartbeat) {
  options_.heartbeat_interval = milliseconds(12'700);
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a", "ROLE_DATA", {{"type", "hot"}});
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  const auto answer = peer.registration->Message<v1::RegisterAgentResponse>(0);
  EXPECT_EQ(answer.message(), "Agent registered successfully");
  EXPECT_EQ(answer.heartbeat_interval_seconds(), 12);
  EXPECT_EQ(answer.agent_id().size(), 36u);

  const MonotonicTime before = fleet_->registry().Find(peer.id)->last_heard;
  peer.registration->Send(Heartbeat("ROLE_LIAISON", {{"x", "y"}}));
  ASSERT_TRUE(Until([&] {
    return fleet_->registry().Find(peer.id)->identity.role == "ROLE_LIAISON";
  }));
  EXPECT_GT(fleet_->registry().Find(peer.id)->last_heard, before);
  RunFor(milliseconds(100));
  EXPECT_EQ(peer.registration->received(), 1u);
  EXPECT_FALSE(peer.registration->end());
}

TEST_F(V1ServerTest, RefusesARegistrationWithTheWordsAndStatusOfV1) {
  fleet_options_.registry.max_agents = 1;
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("", "");
  ASSERT_TRUE(Until([&] { return peer.registration->end().has_value(); }));
  EXPECT_THAT(*peer.registration->end(),
              StatusIs(Code::kUnknown, "node role cannot be empty"));
  ASSERT_EQ(peer.registration->received(), 1u);
  const auto answer = peer.registration->Message<v1::RegisterAgentResponse>(0);
  EXPECT_FALSE(answer.success());
  EXPECT_EQ(answer.message(), "node role cannot be empty");
  EXPECT_EQ(answer.agent_id(), "");

  V1Peer one(loop_, address());
  one.Register("a");
  ASSERT_TRUE(Until([&] { return one.registered(); }));
  V1Peer two(loop_, address());
  two.Register("b");
  ASSERT_TRUE(Until([&] { return two.registration->end().has_value(); }));
  EXPECT_THAT(*two.registration->end(),
              StatusIs(Code::kUnknown, "maximum number of agents (1) reached"));
}

TEST_F(V1ServerTest, AHeartbeatOfAForgottenAgentEndsItsStream) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  fleet_->Remove(peer.id);
  peer.registration->Send(Heartbeat("ROLE_DATA"));
  ASSERT_TRUE(Until([&] { return peer.registration->end().has_value(); }));
  EXPECT_THAT(
      *peer.registration->end(),
      StatusIs(Code::kUnknown, StrCat("agent ", peer.id, " not found")));
}

TEST_F(V1ServerTest, KeepsAllSixStreamsOpenAndAnswersAHalfCloseWithOk) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  std::vector<std::unique_ptr<TestStream>> streams;
  for (const char* name : {"StreamMetrics", "StreamClusterTopology",
                           "StreamLifecycle", "StreamCrashDiagnostics",
                           "StreamPressureProfiles", "StreamSchemaRegistry"}) {
    streams.push_back(peer.client.OpenV1(name, peer.id));
  }
  RunFor(milliseconds(200));
  for (const auto& s : streams) {
    EXPECT_FALSE(s->end());
    EXPECT_EQ(s->received(), 0u);
    s->HalfClose();
  }
  peer.registration->HalfClose();
  ASSERT_TRUE(Until([&] {
    bool all = peer.registration->end().has_value();
    for (const auto& s : streams) all = all && s->end();
    return all;
  }));
  EXPECT_THAT(*peer.registration->end(), IsOk());
  for (const auto& s : streams) EXPECT_THAT(*s->end(), IsOk());
  EXPECT_EQ(fleet_->registry().Find(peer.id)->status, AgentStatus::kOffline);
}

TEST_F(V1ServerTest, AsksForMetricsAndAddsTheRegisteredLabels) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a", "ROLE_DATA", {{"type", "hot"}, {"pod_name", "no"}});
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  std::shared_ptr<const fleet::MetricsAnswer> got;
  const UnixTime start(seconds(100));
  server_->RequestMetrics(peer.id, {start, start + seconds(5)},
                          SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { got = r.ok() ? *r : nullptr; });
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 1; }));
  const auto question = peer.metrics->Message<v1::StreamMetricsResponse>(0);
  EXPECT_EQ(question.start_time().seconds(), 100);
  EXPECT_EQ(question.end_time().seconds(), 105);
  peer.metrics->Send(AnswerOf(42));
  ASSERT_TRUE(Until([&] { return got != nullptr; }));
  ASSERT_EQ(got->samples.size(), 1u);
  EXPECT_EQ(got->samples[0].value, 42);
  EXPECT_EQ(got->samples[0].unix_ms, 1'000'000);
  using Label = std::pair<std::string, std::string>;
  EXPECT_THAT(got->samples[0].labels,
              ::testing::ElementsAre(Label("node_type", "hot"),
                                     Label("pod_name", "a")));
}

TEST_F(V1ServerTest, LeavesOutAndCountsSamplesWithIllegalNames) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a", "ROLE_DATA", {{"topology.kubernetes.io/zone", "z"}});
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  std::shared_ptr<const fleet::MetricsAnswer> got;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { got = r.ok() ? *r : nullptr; });
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 1; }));
  v1::StreamMetricsRequest answer;
  answer.add_metrics()->set_name("good");
  answer.add_metrics()->set_name("bad-name");
  answer.add_metrics()->set_name("up 1\nup");
  v1::Metric* bad_label = answer.add_metrics();
  bad_label->set_name("good");
  (*bad_label->mutable_labels())["a=\"\"} 1\n"] = "x";
  peer.metrics->Send(answer);
  ASSERT_TRUE(Until([&] { return got != nullptr; }));
  ASSERT_EQ(got->samples.size(), 1u);
  EXPECT_EQ(got->samples[0].name, "good");
  using Label = std::pair<std::string, std::string>;
  EXPECT_THAT(
      got->samples[0].labels,
      ::testing::ElementsAre(Label("node_topology_kubernetes_io_zone", "z")));
  EXPECT_EQ(server_->stats().v1_refused_samples, 3u);
}

TEST_F(V1ServerTest, NobodyWaitsForAnAgentThatIsLongSilent) {
  // A question given up is soon forgotten, so that the next one is sent.
  options_.questions.forget_owed = milliseconds(1);
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  const auto ask = [&](milliseconds limit) {
    std::optional<Code> code;
    server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + limit,
                            [&](auto r) { code = r.status().code(); });
    EXPECT_TRUE(Until([&] { return code.has_value(); }));
    return code.value_or(Code::kInternal);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(milliseconds(20)), Code::kDeadlineExceeded);
  }
  // Far less than an hour: it is asked all the same, once.
  EXPECT_EQ(ask(std::chrono::hours(1)), Code::kUnavailable);
  EXPECT_EQ(ask(std::chrono::hours(1)), Code::kUnavailable);
  EXPECT_EQ(server_->stats().v1_not_waited_for, 2u);
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 4; }));
  peer.metrics->Send(AnswerOf(1));
  RunFor(milliseconds(50));
  std::optional<double> value;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) {
                            if (r.ok()) value = (*r)->samples[0].value;
                          });
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 5; }));
  peer.metrics->Send(AnswerOf(2));
  ASSERT_TRUE(Until([&] { return value.has_value(); }));
  EXPECT_EQ(*value, 2);
}

TEST_F(V1ServerTest, ConcurrentCallersShareARoundAndLoseNothing) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                            [&](auto r) { answered += r.ok() ? 1 : 0; });
  }
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 1; }));
  peer.metrics->Send(AnswerOf(1));
  ASSERT_TRUE(Until([&] { return answered == 3; }));
  EXPECT_EQ(peer.metrics->received(), 1u);
}

TEST_F(V1ServerTest, ALateAnswerIsNotTheNextQuestions) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  std::optional<Status> first;
  server_->RequestMetrics(peer.id, {},
                          SystemClock().Monotonic() + milliseconds(50),
                          [&](auto r) { first = r.status(); });
  ASSERT_TRUE(Until([&] { return first.has_value(); }));
  EXPECT_EQ(first->code(), Code::kDeadlineExceeded);
  double second = 0;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { second = (*r)->samples[0].value; });
  peer.metrics->Send(AnswerOf(1));  // the first one's
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 2; }));
  EXPECT_EQ(second, 0);
  peer.metrics->Send(AnswerOf(2));
  ASSERT_TRUE(Until([&] { return second == 2; }));
}

TEST_F(V1ServerTest, ASilentOrMissingAgentIsAnErrorOfItsOwn) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  std::optional<Status> none;
  std::optional<Status> unknown;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { none = r.status(); });
  server_->RequestMetrics("x", {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { unknown = r.status(); });
  EXPECT_FALSE(none) << "never inside the call";
  ASSERT_TRUE(Until([&] { return none && unknown; }));
  EXPECT_THAT(*none, StatusIs(Code::kUnavailable, HasSubstr(peer.id)));
  EXPECT_THAT(*unknown, StatusIs(Code::kNotFound, HasSubstr("x")));

  OpenAndAwait([&] { peer.OpenMetrics(); });
  std::optional<Status> left;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(5),
                          [&](auto r) { left = r.status(); });
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 1; }));
  peer.metrics.reset();
  ASSERT_TRUE(Until([&] { return left.has_value(); }));
  EXPECT_EQ(left->code(), Code::kUnavailable);
}

TEST_F(V1ServerTest, ALiveRivalForAPodIsListedBesideTheFirst) {
  StartServer();
  V1Peer first(loop_, address());
  first.Register("a");
  ASSERT_TRUE(Until([&] { return first.registered(); }));
  OpenAndAwait([&] { first.OpenTopology(); });
  V1Peer second(loop_, address());
  second.Register("a");
  ASSERT_TRUE(Until([&] { return first.topology->received() == 1; }));
  first.topology->Send(v1::StreamClusterTopologyRequest());
  ASSERT_TRUE(Until([&] { return second.registered(); }));
  EXPECT_EQ(fleet_->registry().Find(first.id)->status, AgentStatus::kOnline);
  EXPECT_EQ(fleet_->registry().Find(second.id)->status, AgentStatus::kConflict);
  EXPECT_FALSE(first.registration->end());
  EXPECT_EQ(fleet_->stats().registry.conflicts, 1u);

  first.registration->Cancel();
  ASSERT_TRUE(Until([&] {
    return fleet_->registry().Find(second.id)->status == AgentStatus::kOnline;
  }));
}

// Its base comes before the server and goes after it: all of its threads may
// log.
class ToldServerTest : protected LogCapture, public LinkServerTest {};

TEST_F(ToldServerTest, AConflictNamesBothAgents) {
  StartServer();
  V1Peer first(loop_, address());
  first.Register("a");
  ASSERT_TRUE(Until([&] { return first.registered(); }));
  OpenAndAwait([&] { first.OpenTopology(); });
  fleet::AgentIdentity at;
  at.role = "ROLE_DATA";
  at.advertise_address = "db-7:9090";
  ASSERT_TRUE(fleet_->registry().UpdateIdentity(first.id, at).ok());
  V1Peer second(loop_, address());
  second.Register("a");
  ASSERT_TRUE(Until([&] { return first.topology->received() == 1; }));
  first.topology->Send(v1::StreamClusterTopologyRequest());
  ASSERT_TRUE(Until([&] { return second.registered(); }));
  EXPECT_THAT(
      Lines("two live agents claim one pod"),
      ElementsAre(EndsWith(StrCat("pod_name=a agent_id=", first.id,
                                  " address=db-7:9090 second_agent_id=",
                                  second.id, " second_address=127.0.0.1"))));
}

TEST_F(V1ServerTest, ARivalThatDoesNotAnswerItsProbeIsReplaced) {
  options_.probe_timeout = milliseconds(100);
  options_.flight_heartbeat = milliseconds(50);  // also the pace of the checks
  StartServer();
  V1Peer first(loop_, address());
  first.Register("a");
  ASSERT_TRUE(Until([&] { return first.registered(); }));
  OpenAndAwait([&] { first.OpenTopology(); });
  V1Peer second(loop_, address());
  second.Register("a");
  ASSERT_TRUE(Until([&] { return second.registered(); }));
  EXPECT_EQ(fleet_->registry().Find(first.id), nullptr);
  EXPECT_EQ(fleet_->registry().size(), 1u);
  ASSERT_TRUE(Until([&] { return first.registration->end().has_value(); }));
}

TEST_F(V1ServerTest, AnEndedRegistrationIsOfflineAtOnceAndReplacedAtOnce) {
  StartServer();
  V1Peer first(loop_, address());
  first.Register("a");
  ASSERT_TRUE(Until([&] { return first.registered(); }));
  first.registration->Cancel();
  ASSERT_TRUE(Until([&] {
    return fleet_->registry().Find(first.id)->status == AgentStatus::kOffline;
  }));
  V1Peer again(loop_, address());
  again.Register("a");
  ASSERT_TRUE(Until([&] { return again.registered(); }));
  EXPECT_NE(again.id, first.id);
  EXPECT_EQ(fleet_->registry().size(), 1u);
}

TEST_F(V1ServerTest, GoesInGoodOrderWhileAgentsDial) {
  StartServer();
  for (int round = 0; round < 20; ++round) {
    // Some of these arrive before the server goes and are seen after.
    std::vector<std::unique_ptr<TestClient>> clients;
    std::vector<std::unique_ptr<TestStream>> streams;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<TestClient>(loop_, address()));
      for (int k = 0; k < 8; ++k) {
        streams.push_back(clients.back()->OpenV1("RegisterAgent"));
      }
    }
    RunFor(milliseconds(round));
    RestartServer();
    streams.clear();
  }
}

TEST_F(V1ServerTest, ALargeAnswerArrivesWhole) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  std::size_t samples = 0;
  std::size_t bytes = 0;
  server_->RequestMetrics(peer.id, {}, SystemClock().Monotonic() + seconds(10),
                          [&](auto r) {
                            ASSERT_TRUE(r.ok()) << r.status().ToString();
                            samples = (*r)->samples.size();
                            for (const auto& s : (*r)->samples) {
                              bytes += s.help.size();
                            }
                          });
  ASSERT_TRUE(Until([&] { return peer.metrics->received() == 1; }));
  v1::StreamMetricsRequest answer;
  for (int i = 0; i < 20; ++i) {
    v1::Metric* metric = answer.add_metrics();
    metric->set_name("up");
    metric->set_description(std::string(1u << 20, 'x'));
  }
  peer.metrics->Send(answer);
  ASSERT_TRUE(Until([&] { return samples != 0; }));
  EXPECT_EQ(samples, 20u);
  EXPECT_EQ(bytes, 20u << 20);
}

TEST_F(V1ServerTest, SilenceOfOurOwnAgentsIsNoticedInTenSeconds) {
  const LinkServer::Options shipped;
  EXPECT_LE(shipped.flight_dead_after + shipped.flight_heartbeat, seconds(10));
  EXPECT_GE(shipped.flight_dead_after, 3 * shipped.flight_heartbeat);
}

TEST_F(V1ServerTest, AConnectionWithoutAnyStreamIsClosed) {
  options_.connection_idle = milliseconds(300);
  StartServer();
  V1Peer live(loop_, address());
  live.Register("live");
  ASSERT_TRUE(Until([&] { return live.registered(); }));
  // HTTP/2's first words, and silence.
  net::RawClient idle(loop_, static_cast<std::uint16_t>(server_->port()));
  idle.Send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") +
            std::string("\0\0\0\x04\0\0\0\0\0", 9));
  EXPECT_TRUE(Until([&] { return idle.Ended(); }));
  EXPECT_FALSE(live.registration->end());
}

TEST_F(V1ServerTest, DrainEndsEveryStreamAndTakesNoMore) {
  StartServer();
  V1Peer peer(loop_, address());
  peer.Register("a");
  ASSERT_TRUE(Until([&] { return peer.registered(); }));
  OpenAndAwait([&] { peer.OpenMetrics(); });
  bool drained = false;
  server_->Drain("bye", seconds(5), [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  ASSERT_TRUE(Until([&] { return peer.metrics->end().has_value(); }));
  ASSERT_TRUE(Until([&] { return peer.registration->end().has_value(); }));
  EXPECT_THAT(*peer.registration->end(), StatusIs(Code::kUnavailable, "bye"));
  V1Peer late(loop_, address());
  late.Register("b");
  ASSERT_TRUE(Until([&] { return late.registration->end().has_value(); }));
  EXPECT_EQ(late.registration->end()->code(), Code::kUnavailable);
}

}  // namespace
}  // namespace fodc::link
