// SPDX-License-Identifier: Apache-2.0
// Hostile gRPC peers of the proxy: refused with the right status, in bounded
// memory, and the real agent beside them is unharmed.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "banyandb/fodc/v1/rpc.grpc.pb.h"
#include "fodc/base/strings.h"
#include "fodc/flight/v1/flight.grpc.pb.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::test {
namespace {

namespace v1 = ::banyandb::fodc::v1;
namespace flight = ::fodc::flight::v1;
using grpc::StatusCode;
using testing::AnyOf;

// One stream, with a deadline for everything.
template <typename Out, typename In>
struct Call {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<Out, In>> stream;
  // Reads until the peer ends it; its status.
  grpc::Status Drain() {
    stream->WritesDone();
    In in;
    while (stream->Read(&in)) {
    }
    return stream->Finish();
  }
};
using Registration = Call<v1::RegisterAgentRequest, v1::RegisterAgentResponse>;
using Metrics = Call<v1::StreamMetricsRequest, v1::StreamMetricsResponse>;
using Flight = Call<flight::AgentMessage, flight::ProxyMessage>;

class BadGrpcTest : public testing::Test {
 protected:
  void SetUp() override {
    agent_.emplace(dir_, AgentOptions{.pod = "honest",
                                      .endpoint_ports = {endpoint_.port()},
                                      .proxy_ports = {proxy_.grpc_port()}});
    ASSERT_TRUE(proxy_.Start());
    ASSERT_TRUE(agent_->Start());
    ExpectHonestAgentUnharmed();
    channel_ = NewChannel();
  }

  void ExpectHonestAgentUnharmed() {
    std::string page;
    EXPECT_TRUE(WaitUntil([&] {
      page = proxy_.Get("/metrics").body;
      return ValueOf(page, "good", {{"pod_name", "honest"}}) == 1 &&
             ValueOf(page, "up", {{"pod_name", "honest"}}) == 1;
    })) << page;
  }

  // On a connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxSendMessageSize(-1);
    return grpc::CreateCustomChannel(StrCat("127.0.0.1:", proxy_.grpc_port()),
                                     grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  std::unique_ptr<Registration> Register(
      const std::shared_ptr<grpc::Channel>& channel) {
    auto call = std::make_unique<Registration>();
    // Longer than a flood of them takes: one that ends frees its place.
    call->context.set_deadline(std::chrono::system_clock::now() + 120s);
    call->stream =
        v1::FODCService::NewStub(channel)->RegisterAgent(&call->context);
    return call;
  }
  std::unique_ptr<Metrics> OpenMetrics(
      const std::shared_ptr<grpc::Channel>& channel, const std::string& id) {
    auto call = std::make_unique<Metrics>();
    call->context.set_deadline(std::chrono::system_clock::now() + 10s);
    call->context.AddMetadata("agent_id", id);
    call->stream =
        v1::FODCService::NewStub(channel)->StreamMetrics(&call->context);
    return call;
  }
  std::unique_ptr<Flight> OpenFlight(
      const std::shared_ptr<grpc::Channel>& channel) {
    auto call = std::make_unique<Flight>();
    call->context.set_deadline(std::chrono::system_clock::now() + 10s);
    call->stream =
        flight::FlightService::NewStub(channel)->Connect(&call->context);
    return call;
  }
  static v1::RegisterAgentRequest Request(const std::string& pod) {
    v1::RegisterAgentRequest request;
    request.set_node_role("ROLE_DATA");
    request.set_pod_name(pod);
    return request;
  }
  static flight::AgentMessage Hello(const std::string& pod) {
    flight::AgentMessage message;
    flight::Hello* hello = message.mutable_hello();
    hello->set_agent_kind("fodc-agent");
    hello->set_protocol(1);
    flight::Identity* identity = hello->mutable_identity();
    identity->set_node_name(pod);
    identity->set_pod_name(pod);
    identity->set_instance_id("instance-of-" + pod);
    identity->set_incarnation(77);
    identity->set_role("ROLE_DATA");
    return message;
  }
  double ProxyRssMib() {
    const auto statm =
        ReadFile(StrCat("/proc/", proxy_.process().pid(), "/statm"));
    return statm.ok() ? static_cast<double>(
                            ParseUint(Split(*statm, ' ')[1]).value_or(0)) /
                            256
                      : -1;
  }

  TempDirectory dir_{"fodc-bad-grpc"};
  FakeEndpoint endpoint_{std::string("# TYPE good gauge\ngood 1\n")};
  FodcProxy proxy_{dir_, {"--max-agents=100", "--heartbeat-interval=1s"}};
  std::optional<FodcAgent> agent_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(BadGrpcTest, HugeMessage) {
  const double before = ProxyRssMib();
  auto call = Register(channel_);
  v1::RegisterAgentRequest request = Request("huge");
  (*request.mutable_labels())["x"] = std::string(40 << 20, 'x');
  call->stream->Write(request);
  EXPECT_EQ(call->Drain().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  auto fly = OpenFlight(channel_);
  flight::AgentMessage hello = Hello("huge");
  (*hello.mutable_hello()->mutable_identity()->mutable_labels())["x"] =
      std::string(40 << 20, 'x');
  fly->stream->Write(hello);
  EXPECT_EQ(fly->Drain().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // gRPC takes in part of each before it knows; never both whole.
  EXPECT_LT(ProxyRssMib(), before + 80);
  ExpectHonestAgentUnharmed();
}

TEST_F(BadGrpcTest, WrongOrder) {
  auto call = OpenFlight(channel_);
  flight::AgentMessage message;
  message.mutable_heartbeat()->set_number(1);
  call->stream->Write(message);
  EXPECT_THAT(
      call->Drain().error_code(),
      AnyOf(StatusCode::INVALID_ARGUMENT, StatusCode::FAILED_PRECONDITION));
  // Entries that refer to what was never introduced.
  auto entries = OpenFlight(channel_);
  ASSERT_TRUE(entries->stream->Write(Hello("liar")));
  flight::ProxyMessage welcome;
  ASSERT_TRUE(entries->stream->Read(&welcome));
  ASSERT_TRUE(welcome.has_welcome());
  flight::AgentMessage data;
  data.mutable_entries()->set_incarnation(77);
  flight::Row* row = data.mutable_entries()->add_entries()->mutable_row();
  row->set_sequence(1);
  row->set_source(9);
  row->set_payload("nonsense");
  entries->stream->Write(data);
  EXPECT_THAT(entries->Drain().error_code(),
              AnyOf(StatusCode::INVALID_ARGUMENT, StatusCode::DATA_LOSS,
                    StatusCode::FAILED_PRECONDITION));
  ExpectHonestAgentUnharmed();
}

TEST_F(BadGrpcTest, EmptyRegistration) {
  auto call = Register(channel_);
  call->stream->Write(v1::RegisterAgentRequest());
  const grpc::Status status = call->Drain();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.error_message(), "");
}

TEST_F(BadGrpcTest, BadUtf8) {
  auto call = Register(channel_);
  v1::RegisterAgentRequest request = Request("\xff\xfe");
  call->stream->Write(request);
  EXPECT_THAT(call->Drain().error_code(),
              AnyOf(StatusCode::INVALID_ARGUMENT, StatusCode::INTERNAL));
  auto fly = OpenFlight(channel_);
  fly->stream->Write(Hello("\xff\xfe"));
  EXPECT_THAT(fly->Drain().error_code(),
              AnyOf(StatusCode::INVALID_ARGUMENT, StatusCode::INTERNAL));
  ExpectHonestAgentUnharmed();
}

TEST_F(BadGrpcTest, UnknownAgentId) {
  for (const std::string id :
       {"", "00000000-0000-4000-8000-000000000000", "../../etc/passwd"}) {
    auto call = OpenMetrics(channel_, id);
    call->stream->Write(v1::StreamMetricsRequest());
    EXPECT_THAT(call->Drain().error_code(),
                AnyOf(StatusCode::UNAUTHENTICATED, StatusCode::NOT_FOUND,
                      StatusCode::PERMISSION_DENIED))
        << id;
  }
  ExpectHonestAgentUnharmed();
}

TEST_F(BadGrpcTest, SomebodyElsesAgentId) {
  auto victim = Register(channel_);
  ASSERT_TRUE(victim->stream->Write(Request("victim")));
  v1::RegisterAgentResponse response;
  ASSERT_TRUE(victim->stream->Read(&response));
  ASSERT_TRUE(response.success()) << response.message();
  auto own = OpenMetrics(channel_, response.agent_id());

  const auto thief_channel = NewChannel();
  auto thief = OpenMetrics(thief_channel, response.agent_id());
  v1::StreamMetricsRequest forged;
  v1::Metric* metric = forged.add_metrics();
  metric->set_name("forged");
  metric->set_value(1);
  thief->stream->Write(forged);
  EXPECT_THAT(
      thief->Drain().error_code(),
      AnyOf(StatusCode::UNAUTHENTICATED, StatusCode::PERMISSION_DENIED));
  // The victim's own stream still gets its questions: ask for its metrics.
  HttpAnswer page;
  std::thread asker([&] { page = proxy_.Get("/metrics?pod_name=victim"); });
  v1::StreamMetricsResponse question;
  EXPECT_TRUE(own->stream->Read(&question));
  v1::StreamMetricsRequest answer;
  v1::Metric* honest = answer.add_metrics();
  honest->set_name("honest_word");
  honest->set_value(5);
  (*honest->mutable_labels())["pod_name"] = "victim";
  EXPECT_TRUE(own->stream->Write(answer));
  asker.join();
  EXPECT_EQ(ValueOf(page.body, "honest_word"), 5) << page.body;
  EXPECT_THAT(page.body, testing::Not(testing::HasSubstr("forged")));
  ExpectHonestAgentUnharmed();
  own->context.TryCancel();
  victim->context.TryCancel();
  (void)own->stream->Finish();
  (void)victim->stream->Finish();
}

TEST_F(BadGrpcTest, AThousandRegistrations) {
  const double before = ProxyRssMib();
  std::vector<std::unique_ptr<Registration>> calls;
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    auto call = Register(channel_);
    call->stream->Write(Request(StrCat("flood-", i)));
    v1::RegisterAgentResponse response;
    if (call->stream->Read(&response) && response.success()) {
      ++accepted;
      calls.push_back(std::move(call));
    } else {
      ++refused;
      const grpc::Status status = call->stream->Finish();
      EXPECT_FALSE(status.ok());
      EXPECT_NE(status.error_message(), "");
    }
  }
  EXPECT_LE(accepted, 100);
  EXPECT_GE(refused, 900);
  EXPECT_LT(ProxyRssMib(), before + 64);
  ExpectHonestAgentUnharmed();
  for (auto& call : calls) {
    call->context.TryCancel();
    (void)call->stream->Finish();
  }
  EXPECT_TRUE(proxy_.process().Running());
}

}  // namespace
}  // namespace fodc::test
