// SPDX-License-Identifier: Apache-2.0
// Our agent towards a proxy that speaks v1 only: the recorded one's own bytes.
#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/strings.h"
#include "fodc/link/server_stream.h"
#include "fodc/link/test_agent.h"
#include "fodc/link/test_peer.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

// What a v1 proxy is on the wire; the test says what it says.
class FakeV1Proxy {
 public:
  struct Call {
    std::shared_ptr<ServerStream> raw;
    std::unique_ptr<TestStream> stream;
    std::string agent_id;
  };

  explicit FakeV1Proxy(net::EventLoop& loop) : loop_(loop) {
    grpc::ServerBuilder builder;
    streams_ = std::make_unique<ServerStreams>(
        builder, [this](ServerStreams::Call& call) { Accept(call); });
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    streams_->Start(builder.BuildAndStart());
  }

  void Accept(ServerStreams::Call& incoming) {
    std::string_view name = incoming.method();
    if (!ConsumePrefix(&name, "/banyandb.fodc.v1.FODCService/")) {
      incoming.Refuse(Unimplemented("unknown service"));
      return;
    }
    const auto raw = incoming.Take(loop_, BytesDecoder());
    loop_.Post([this, raw, method = std::string(name)] {
      Call& call = calls_[method];
      call.agent_id = raw->agent_id();
      call.raw = raw;
      call.stream = std::make_unique<TestStream>(raw);
    });
  }

  std::string address() const { return StrCat("127.0.0.1:", port_); }
  bool has(const std::string& method) const { return calls_.contains(method); }
  TestStream& at(const std::string& method) {
    return *calls_.at(method).stream;
  }
  const std::string& agent_id(const std::string& method) {
    return calls_.at(method).agent_id;
  }
  std::set<std::string> methods() const {
    std::set<std::string> out;
    for (const auto& [name, call] : calls_) out.insert(name);
    return out;
  }

 private:
  net::EventLoop& loop_;
  int port_ = 0;
  std::map<std::string, Call> calls_;
  std::unique_ptr<ServerStreams> streams_;  // the first to go
};

class V1AgentTest : public ::testing::Test {
 protected:
  V1AgentTest() {
    (void)Traffic();  // takes a while; not while an agent waits
    options_.link = QuickLinkOptions(proxy_.address());
    options_.pod = "banyandb-warm-0";
  }

  template <typename F>
  bool Until(F done) {
    return loop_.RunUntil(std::move(done), seconds(10));
  }

  // Our agent, registered with the bytes that the recorded proxy answered.
  void Register() {
    agent_ = std::make_unique<TestAgent>(loop_, options_);
    agent_->identity().labels = {{"type", "warm"}, {"empty", ""}};
    agent_->StartLink();
    ASSERT_TRUE(Until([&] {
      return proxy_.has("RegisterAgent") &&
             proxy_.at("RegisterAgent").received() == 1;
    }));
    proxy_.at("RegisterAgent").SendBytes(ServerBytes("RegisterAgent").at(0));
    ASSERT_TRUE(Until([&] { return proxy_.has("StreamCrashDiagnostics"); }));
    ASSERT_TRUE(Until([&] { return proxy_.has("StreamMetrics"); }));
  }

  static std::vector<std::string> ServerBytes(const std::string& method) {
    std::vector<std::string> out;
    for (const auto& e : Traffic()) {
      if (e.kind == "server" && e.method.ends_with("/" + method)) {
        out.push_back(e.bytes);
      }
    }
    return out;
  }
  static const std::vector<testing::RecordedEvent>& Traffic() {
    static const auto events =
        testing::ReadRecordedTraffic("agent-proxy.jsonl.zst");
    return events;
  }

  v1::StreamMetricsRequest Ask(const std::string& question) {
    TestStream& metrics = proxy_.at("StreamMetrics");
    const std::size_t before = metrics.received();
    metrics.SendBytes(question);
    EXPECT_TRUE(Until([&] { return metrics.received() > before; }));
    return metrics.Message<v1::StreamMetricsRequest>(before);
  }

  net::EventLoop loop_{SystemClock()};
  FakeV1Proxy proxy_{loop_};
  TestAgent::Options options_;
  std::unique_ptr<TestAgent> agent_;
};

TEST_F(V1AgentTest, RegistersAndOpensItsStreamsUnderItsId) {
  Register();
  const auto hello =
      proxy_.at("RegisterAgent").Message<v1::RegisterAgentRequest>(0);
  EXPECT_EQ(hello.node_role(), "ROLE_DATA");
  EXPECT_EQ(hello.pod_name(), "banyandb-warm-0");
  EXPECT_THAT(hello.labels(), Contains(Pair("type", "warm")));
  const auto answer = [&] {
    v1::RegisterAgentResponse m;
    EXPECT_TRUE(m.ParseFromString(ServerBytes("RegisterAgent").at(0)));
    return m;
  }();
  EXPECT_THAT(proxy_.methods(),
              ElementsAre("RegisterAgent", "StreamClusterTopology",
                          "StreamCrashDiagnostics", "StreamMetrics"));
  EXPECT_EQ(proxy_.agent_id("RegisterAgent"), "");
  EXPECT_EQ(proxy_.agent_id("StreamMetrics"), answer.agent_id());
  EXPECT_EQ(agent_->stats().state, LinkState::kV1);
}

TEST_F(V1AgentTest, AnswersEveryRecordedQuestion) {
  options_.link.open_lifecycle_streams = true;
  options_.link.open_pressure_stream = true;
  Register();
  agent_->Append(5);
  ASSERT_TRUE(Until([&] { return proxy_.methods().size() == 7; }));
  for (const std::string& question : ServerBytes("StreamMetrics")) {
    const auto answer = Ask(question);
    if (question.empty()) {
      EXPECT_GT(answer.metrics_size(), 0);
    }
    EXPECT_TRUE(answer.has_timestamp());
  }
  const auto expect_answers = [&](const std::string& method, std::size_t each) {
    const auto questions = ServerBytes(method);
    ASSERT_FALSE(questions.empty());
    for (const std::string& q : questions) proxy_.at(method).SendBytes(q);
    EXPECT_TRUE(Until([&] {
      return proxy_.at(method).received() == questions.size() * each;
    })) << method;
  };
  expect_answers("StreamClusterTopology", 1);
  expect_answers("StreamLifecycle", 1);
  expect_answers("StreamSchemaRegistry", 2);
  expect_answers("StreamCrashDiagnostics", 0);
  expect_answers("StreamPressureProfiles", 1);
  v1::StreamPressureProfilesResponse listed;
  v1::StreamPressureProfilesResponse fetch;
  for (const std::string& q : ServerBytes("StreamPressureProfiles")) {
    v1::StreamPressureProfilesResponse m;
    ASSERT_TRUE(m.ParseFromString(q));
    (m.has_fetch_profile() ? fetch : listed) = m;
  }
  TestStream& pressure = proxy_.at("StreamPressureProfiles");
  const std::size_t before = pressure.received();
  pressure.Send(listed);
  pressure.Send(fetch);
  ASSERT_TRUE(Until([&] { return pressure.received() == before + 2; }));
  EXPECT_EQ(pressure.Message<v1::StreamPressureProfilesRequest>(before)
                .list_complete()
                .request_id(),
            listed.list_profiles().request_id());
  const auto chunk =
      pressure.Message<v1::StreamPressureProfilesRequest>(before + 1).chunk();
  EXPECT_EQ(chunk.request_id(), fetch.fetch_profile().request_id());
  EXPECT_EQ(chunk.error(), "pressure profiler not available");
  EXPECT_TRUE(chunk.last());
  EXPECT_TRUE(proxy_.at("StreamSchemaRegistry")
                  .Message<v1::StreamSchemaRegistryRequest>(1)
                  .done());
}

TEST_F(V1AgentTest, HeartbeatsCarryTheLiveRoleAndNeverForgetAKnownOne) {
  options_.link.heartbeat_interval = milliseconds(30);
  agent_ = std::make_unique<TestAgent>(loop_, options_);
  agent_->identity().role = "ROLE_UNSPECIFIED";
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return proxy_.has("RegisterAgent"); }));
  v1::RegisterAgentResponse welcome;
  welcome.set_success(true);
  welcome.set_agent_id("opaque");  // and no interval: the agent's own counts
  TestStream& registration = proxy_.at("RegisterAgent");
  registration.Send(welcome);
  ASSERT_TRUE(Until([&] { return registration.received() >= 2; }));
  EXPECT_EQ(registration.Message<v1::RegisterAgentRequest>(1).node_role(),
            "ROLE_UNSPECIFIED");
  const auto last_role = [&] {
    return registration
        .Message<v1::RegisterAgentRequest>(registration.received() - 1)
        .node_role();
  };
  agent_->identity().role = "ROLE_LIAISON";
  ASSERT_TRUE(Until([&] { return last_role() == "ROLE_LIAISON"; }));
  agent_->identity().role = "ROLE_UNSPECIFIED";
  const std::size_t n = registration.received();
  ASSERT_TRUE(Until([&] { return registration.received() >= n + 2; }));
  EXPECT_EQ(last_role(), "ROLE_LIAISON");
}

TEST_F(V1AgentTest, AnyStreamsEndBeginsEverythingAnew) {
  Register();
  TestStream* first = &proxy_.at("RegisterAgent");
  proxy_.at("StreamClusterTopology").HalfClose();
  ASSERT_TRUE(Until([&] { return &proxy_.at("RegisterAgent") != first; }));
}

TEST_F(V1AgentTest, ARefusedRegistrationIsTriedAgain) {
  agent_ = std::make_unique<TestAgent>(loop_, options_);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return proxy_.has("RegisterAgent"); }));
  v1::RegisterAgentResponse no;
  no.set_message("maximum number of agents (1) reached");
  TestStream* first = &proxy_.at("RegisterAgent");
  first->Send(no);
  ASSERT_TRUE(Until([&] { return &proxy_.at("RegisterAgent") != first; }));
  EXPECT_NE(agent_->stats().last_failure.message().find("maximum number"),
            std::string::npos);
}

using Labels = std::map<std::string, std::string>;
Labels LabelsOf(const v1::Metric& m) {
  return {m.labels().begin(), m.labels().end()};
}

TEST_F(V1AgentTest, LatestValuesCarryIdentityTypeAndHelp) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("http://node/metrics", "data");
  const exposition::Label clash[] = {{"pod_name", "theirs"}, {"le", "+Inf"}};
  const exposition::SeriesDesc lines[] = {
      {.name = "up",
       .labels = {},
       .family = "up",
       .type = exposition::MetricType::kGauge,
       .help = "Is it up?",
       .unit = ""},
      {.name = "h_bucket",
       .labels = clash,
       .family = "h",
       .type = exposition::MetricType::kHistogram,
       .help = "A histogram",
       .unit = ""},
      {.name = "x",
       .labels = {},
       .family = "x",
       .type = exposition::MetricType::kUnknown,
       .help = "",
       .unit = ""}};
  recording.SpliceLines(source, 0, 0, lines);
  const double values[] = {1, std::nan(""), -INFINITY};
  (void)recording.Append(source, {1000, 1'800'000'000'000}, values,
                         std::nullopt);
  const auto answer = Ask("");
  ASSERT_EQ(answer.metrics_size(), 3);
  const Labels identity = {{"node_role", "ROLE_DATA"},
                           {"pod_name", "banyandb-warm-0"},
                           {"container_name", "data"},
                           {"node_type", "warm"}};
  EXPECT_EQ(answer.metrics(0).name(), "up");
  EXPECT_EQ(LabelsOf(answer.metrics(0)), identity);
  EXPECT_EQ(answer.metrics(0).value(), 1);
  EXPECT_EQ(answer.metrics(0).description(), "Is it up?");
  EXPECT_EQ(answer.metrics(0).type(), v1::METRIC_TYPE_GAUGE);
  EXPECT_FALSE(answer.metrics(0).has_timestamp());
  Labels bucket = identity;
  bucket["exported_pod_name"] = "theirs";
  bucket["le"] = "+Inf";
  EXPECT_EQ(LabelsOf(answer.metrics(1)), bucket);
  EXPECT_TRUE(std::isnan(answer.metrics(1).value()));
  EXPECT_EQ(answer.metrics(1).description(), "");
  EXPECT_EQ(answer.metrics(1).type(), v1::METRIC_TYPE_HISTOGRAM);
  EXPECT_EQ(answer.metrics(2).value(), -INFINITY);
  EXPECT_EQ(answer.metrics(2).type(), v1::METRIC_TYPE_UNTYPED);
}

TEST_F(V1AgentTest, ALabelThatIsNoUtf8IsMended) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::Label bad[] = {{"path", "a\xff"}};
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = bad,
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "\xfe",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  const double value = 1;
  (void)recording.Append(source, {1000, 1'800'000'000'000}, {&value, 1},
                         std::nullopt);
  const auto answer = Ask("");
  ASSERT_EQ(answer.metrics_size(), 1);
  EXPECT_EQ(answer.metrics(0).labels().at("path"), "a\xEF\xBF\xBD");
}

TEST_F(V1AgentTest, AWindowHasEverySampleAtItsWholeSecond) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = {},
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  for (int i = 0; i < 10; ++i) {
    const double value = i;
    (void)recording.Append(source,
                           {1000 + i * 1000, 1'800'000'000'250 + i * 1000},
                           {&value, 1}, std::nullopt);
  }
  v1::StreamMetricsResponse question;
  question.mutable_start_time()->set_seconds(1'800'000'003);
  question.mutable_end_time()->set_seconds(1'800'000'006);
  question.mutable_end_time()->set_nanos(300'000'000);
  auto answer = Ask(question.SerializeAsString());
  ASSERT_EQ(answer.metrics_size(), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(answer.metrics(i).value(), 3 + i);
    EXPECT_EQ(answer.metrics(i).timestamp().seconds(), 1'800'000'003 + i);
    EXPECT_EQ(answer.metrics(i).timestamp().nanos(), 0);
  }
  question.clear_end_time();  // one bound alone counts too
  EXPECT_EQ(Ask(question.SerializeAsString()).metrics_size(), 7);
  question.mutable_end_time()->set_seconds(1);
  EXPECT_EQ(Ask(question.SerializeAsString()).metrics_size(), 0);
}

TEST_F(V1AgentTest, AnAnswerTooLargeForV1LosesItsOldestSeconds) {
  options_.link.max_message_bytes = 2000;
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = {},
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  for (int i = 0; i < 100; ++i) {
    const double value = i;
    (void)recording.Append(source,
                           {1000 + i * 1000, 1'800'000'000'000 + i * 1000},
                           {&value, 1}, std::nullopt);
  }
  v1::StreamMetricsResponse question;
  question.mutable_start_time()->set_seconds(1);
  const auto answer = Ask(question.SerializeAsString());
  EXPECT_LE(answer.ByteSizeLong(), 2000u);
  EXPECT_GT(answer.ByteSizeLong(), 1700u);
  EXPECT_EQ(answer.metrics(answer.metrics_size() - 1).value(), 99);
  EXPECT_EQ(answer.metrics(0).value(), 100 - answer.metrics_size());
  EXPECT_EQ(agent_->stats().v1_dropped_samples,
            static_cast<std::uint64_t>(100 - answer.metrics_size()));
}

TEST_F(V1AgentTest, ANodeThatIsGoneDoesNotLookAlive) {
  options_.link.stale_after = seconds(20);
  Register();
  agent_->Append(3);  // long ago
  EXPECT_EQ(Ask("").metrics_size(), 0);
}

}  // namespace
}  // namespace fodc::link
