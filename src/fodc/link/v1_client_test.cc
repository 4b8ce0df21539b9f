// SPDX-License-Identifier: Apache-2.0
// Our agent's dealings with a proxy that speaks v1 only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "fodc/link/proxy_session.h"
#include "fodc/link/v1_agent_testing.h"
#include "tests/support/tcp_relay.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

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

TEST_F(V1AgentTest, AnswersDoNotPileUpBeforeAProxyThatDoesNotReadThem) {
  Register();
  AppendWidely();
  TestStream& metrics = proxy_.at("StreamMetrics");
  metrics.Pause();
  constexpr std::size_t kQuestions = 5;
  for (std::size_t i = 0; i < kQuestions; ++i) metrics.SendBytes("");
  ASSERT_TRUE(Until([&] { return agent_->stats().v1_answers == 2; }));
  // Word from it behind those questions, more than once.
  for (int i = 0; i < 20; ++i) AskTopology();
  EXPECT_EQ(agent_->stats().v1_answers, 2u)
      << "one that the proxy has, and one that waits to leave";
  metrics.Resume();
  EXPECT_TRUE(Until([&] { return metrics.received() == kQuestions; }));
}

TEST_F(V1AgentTest, AWindowIsNeverReadOnTheLoop) {
  Register();
  agent_->Append(5);
  // Workers that have no time, and a queue before them that is full.
  std::atomic<bool> released = false;
  while (loop_.Offload(
      [&released] {
        while (!released) std::this_thread::sleep_for(milliseconds(1));
      },
      [] {})) {
  }
  const std::uint64_t refused = loop_.stats().offloads_refused;
  TestStream& metrics = proxy_.at("StreamMetrics");
  metrics.SendBytes("");
  EXPECT_TRUE(Until([&] { return loop_.stats().offloads_refused > refused; }));
  EXPECT_EQ(agent_->stats().v1_answers, 0u);
  released = true;
  EXPECT_TRUE(Until([&] { return metrics.received() == 1; }));
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

TEST_F(V1AgentTest, ARegistrationWithoutAnAnswerIsTriedAgain) {
  options_.link.connect_timeout = milliseconds(200);
  agent_ = std::make_unique<TestAgent>(loop_, options_);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return proxy_.has("RegisterAgent"); }));
  TestStream* first = &proxy_.at("RegisterAgent");
  ASSERT_TRUE(Until([&] { return &proxy_.at("RegisterAgent") != first; }));
  EXPECT_NE(agent_->stats().last_failure.message().find("did not answer"),
            std::string::npos);
  EXPECT_EQ(agent_->stats().connects, 0u);
}

// grpc-go hangs up on whoever pings more often than every five minutes.
TEST_F(V1AgentTest, PingsNoMoreOftenThanAGoProxyBears) {
  const grpc::ChannelArguments made = ChannelArguments(AgentLink::Options());
  const grpc_channel_args args = made.c_channel_args();
  int keepalive_ms = 0;
  int without_calls = 0;
  for (std::size_t i = 0; i < args.num_args; ++i) {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): gRPC's own array
    const std::string key = args.args[i].key;
    if (key == GRPC_ARG_KEEPALIVE_TIME_MS) {
      keepalive_ms = args.args[i].value.integer;
    } else if (key == GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS) {
      without_calls = args.args[i].value.integer;
    }
  }
  EXPECT_GE(keepalive_ms, 300'000);
  EXPECT_EQ(without_calls, 0);
}

// A proxy of which nothing comes back, not even TCP's word. Heartbeats find
// out, for the kernel loses patience with them.
TEST_F(V1AgentTest, NoticesADeadLink) {
  const AgentLink::Options real;
  EXPECT_LT(real.heartbeat_interval + real.tcp_user_timeout, seconds(20));
  options_.link.heartbeat_interval = seconds(1);
  options_.link.tcp_user_timeout = seconds(2);
  test::TcpRelay relay(proxy_.port());
  options_.link.proxies = {relay.address()};
  agent_ = std::make_unique<TestAgent>(loop_, options_);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return proxy_.has("RegisterAgent"); }));
  v1::RegisterAgentResponse welcome;
  welcome.set_success(true);
  welcome.set_agent_id("opaque");  // and no interval: the agent's own counts
  proxy_.at("RegisterAgent").Send(welcome);
  ASSERT_TRUE(Until([&] { return proxy_.has("StreamMetrics"); }));
  relay.Vanish();
  EXPECT_TRUE(loop_.RunUntil(
      [&] { return agent_->stats().state != LinkState::kV1; }, seconds(20)))
      << "still takes the proxy for alive";
  relay.Heal();
  agent_->StopLink();
}

TEST_F(V1AgentTest, StopsWhileABrokenConversationIsNotYetGone) {
  Register();
  ASSERT_TRUE(Until([&] { return agent_->stats().state == LinkState::kV1; }));
  // The data streams are still open at the proxy, which does not end them; the
  // link goes in the very turn in which the conversation broke.
  bool stopped = false;
  std::function<void()> watch = [&] {
    if (agent_->stats().state == LinkState::kV1) {
      loop_.Post(watch);
    } else {
      agent_->StopLink();
      stopped = true;
    }
  };
  watch();
  proxy_.at("RegisterAgent").HalfClose();
  EXPECT_TRUE(Until([&] { return stopped; }));
}

}  // namespace
}  // namespace fodc::link
