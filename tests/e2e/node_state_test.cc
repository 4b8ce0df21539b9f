// SPDX-License-Identifier: Apache-2.0
// An agent that asks its node who it is, and finds the node by what the flags
// say: role, labels, target and address are on the proxy, and follow the node.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "banyandb/database/v1/rpc.grpc.pb.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::test {
namespace {

namespace v1 = ::banyandb::database::v1;
using nlohmann::json;

// What the recorded node behind `link` answered.
v1::GetCurrentNodeResponse Recorded(const std::string& link) {
  v1::GetCurrentNodeResponse m;
  for (const auto& e : fodc::test::ReadRecordedTraffic("node.jsonl.zst")) {
    if (e.link == link && e.kind == "server" &&
        e.method.ends_with("/GetCurrentNode")) {
      EXPECT_TRUE(m.ParseFromString(e.bytes));
    }
  }
  EXPECT_TRUE(m.has_node());
  return m;
}

// A node's gRPC port.
class FakeNode final : public v1::NodeQueryService::Service {
 public:
  FakeNode() {
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    server_ = builder.BuildAndStart();
  }
  ~FakeNode() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  int port() const { return port_; }
  void Become(const v1::GetCurrentNodeResponse& answer) {
    MutexLock lock(mutex_);
    answer_ = answer;
  }

 private:
  grpc::Status GetCurrentNode(grpc::ServerContext*,
                              const v1::GetCurrentNodeRequest*,
                              v1::GetCurrentNodeResponse* response) override {
    MutexLock lock(mutex_);
    if (!answer_) return {grpc::StatusCode::UNAVAILABLE, "starting"};
    *response = *answer_;
    return grpc::Status::OK;
  }

  Mutex mutex_;
  std::optional<v1::GetCurrentNodeResponse> answer_ FODC_GUARDED_BY(mutex_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class NodeStateTest : public ::testing::Test {
 protected:
  json Node() {
    const json j = json::parse(proxy_.Get("/cluster").body, nullptr, false);
    return j.is_discarded() ? json() : j.value("/nodes/0"_json_pointer, json());
  }
  bool NodeIs(const std::string& role, const json& labels) {
    const json node = Node();
    return node.is_object() && node["role"] == role && node["labels"] == labels;
  }

  TempDirectory dir_{"fodc-node-state"};
  FodcProxy proxy_{dir_, {"--heartbeat-interval=1s"}};
};

TEST_F(NodeStateTest, RoleLabelsTargetAndAddressComeFromTheNodeAndItsFlags) {
  FakeNode state;
  Server node = MakeNodeExporter(dir_);
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(node.Start());
  FodcAgent agent(dir_,
                  {.pod = "p",
                   .endpoint_ports = {},
                   .containers = {},
                   .proxy_ports = {proxy_.grpc_port()},
                   .interval = "250ms",
                   .role = "",
                   .labels = "",
                   .recorder_dir = "",
                   .flags = {StrCat("--poll-metrics-urls=http://127.0.0.1:",
                                    node.port(), "/metrics"),
                             StrCat("--cluster-state-ports=", state.port()),
                             "--cluster-state-poll-interval=200ms",
                             "--target-comm=prometheus-node",
                             "--advertise-addr=agent.example:1234"}});
  ASSERT_TRUE(agent.Start());

  // Nothing waits for the node: recorded and registered all the same.
  ASSERT_TRUE(WaitUntil([&] {
    return NodeIs("ROLE_UNSPECIFIED", json::object());
  })) << Node();
  const auto shows = [&](const char* name,
                         const std::map<std::string, std::string>& labels) {
    return !std::isnan(ValueOf(proxy_.Get("/metrics").body, name, labels));
  };
  ASSERT_TRUE(
      WaitUntil([&] { return shows("node_memory_MemTotal_bytes", {}); }));

  // Found by its name, in the fifteen bytes that the kernel keeps.
  ASSERT_TRUE(WaitUntil([&] {
    return Node().value("/targets/0/pid"_json_pointer, 0) ==
           node.process().pid();
  })) << Node();

  const json groups = json::parse(proxy_.Get("/sd").body);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]["targets"], json::array({"agent.example:1234"}));
  EXPECT_EQ(Node()["address"], "agent.example:1234");

  // The node is there, and then it is another.
  state.Become(Recorded("hot"));
  ASSERT_TRUE(WaitUntil([&] {
    return NodeIs("ROLE_DATA", {{"type", "hot"}});
  })) << Node();
  ASSERT_TRUE(WaitUntil([&] {
    return shows("node_memory_MemTotal_bytes",
                 {{"node_role", "ROLE_DATA"}, {"node_type", "hot"}});
  }));
  EXPECT_EQ(proxy_.Get("/metrics?role=liaison").body, "");
  state.Become(Recorded("liaison"));
  ASSERT_TRUE(WaitUntil([&] {
    return Node().value("role", "") == "ROLE_LIAISON" &&
           !Node()["labels"].contains("type");
  })) << Node();
  ASSERT_TRUE(WaitUntil([&] {
    return proxy_.Get("/metrics?role=liaison").body.find("pod_name=\"p\"") !=
           std::string::npos;
  }));
  EXPECT_EQ(json::parse(proxy_.Get("/cluster").body)["nodes"].size(), 1u);
}

}  // namespace
}  // namespace fodc::test
