// SPDX-License-Identifier: Apache-2.0
// For tests: our agent towards a proxy that speaks v1 only, the recorded one's
// own bytes.
#pragma once

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

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
    // What is not read stays with the agent.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
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

  int port() const { return port_; }
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
    return loop_.RunUntil(std::move(done), std::chrono::seconds(60));
  }

  // Our agent, registered with the bytes that the recorded proxy answered.
  void Register(EvidenceSource* evidence = nullptr) {
    agent_ = std::make_unique<TestAgent>(loop_, options_);
    agent_->set_evidence(evidence);
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
  static const std::vector<test::RecordedEvent>& Traffic() {
    static const auto events =
        test::ReadRecordedTraffic("agent-proxy.jsonl.zst");
    return events;
  }

  banyandb::fodc::v1::StreamMetricsRequest Ask(const std::string& question) {
    TestStream& metrics = proxy_.at("StreamMetrics");
    const std::size_t before = metrics.received();
    metrics.SendBytes(question);
    EXPECT_TRUE(Until([&] { return metrics.received() > before; }));
    return metrics.Message<banyandb::fodc::v1::StreamMetricsRequest>(before);
  }

  void AskTopology() {
    banyandb::fodc::v1::StreamClusterTopologyResponse question;
    question.set_request_topology(true);
    TestStream& topology = proxy_.at("StreamClusterTopology");
    const std::size_t before = topology.received();
    topology.Send(question);
    EXPECT_TRUE(Until([&] { return topology.received() > before; }));
  }

  // A frame so wide that an answer with it does not leave unread.
  void AppendWidely() {
    recorder::Recording& recording = agent_->recording();
    const auto source = recording.OpenSource("wide", "data");
    const std::string text(1000, 'x');
    const std::vector<double> values(1000, 1);
    std::vector<std::string> names;
    names.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      names.push_back(StrCat(text, i));
    }
    std::vector<exposition::Label> labels;
    labels.reserve(names.size());
    std::vector<exposition::SeriesDesc> lines;
    lines.reserve(names.size());
    for (const std::string& name : names) labels.push_back({"l", name});
    for (const exposition::Label& label : labels) {
      lines.push_back({.name = "wide",
                       .labels = {&label, 1},
                       .family = "wide",
                       .type = exposition::MetricType::kGauge,
                       .help = "",
                       .unit = ""});
    }
    recording.SpliceLines(source, 0, 0, lines);
    (void)recording.Append(source, {1000, 1'800'000'000'000}, values,
                           std::nullopt);
  }

  void RunFor(std::chrono::milliseconds time) {
    bool is_over = false;
    const auto timer = loop_.RunAfter(time, [&is_over] { is_over = true; });
    ASSERT_TRUE(Until([&] { return is_over; }));
  }

  net::EventLoop loop_{SystemClock()};
  FakeV1Proxy proxy_{loop_};
  TestAgent::Options options_;
  std::unique_ptr<TestAgent> agent_;
};

}  // namespace fodc::link
