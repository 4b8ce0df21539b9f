// SPDX-License-Identifier: Apache-2.0
// Against a server that answers with the recorded nodes' own bytes.
#include "fodc/node/node_query.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "banyandb/database/v1/rpc.grpc.pb.h"
#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/base/tsan.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::node {
namespace {

namespace v1 = banyandb::database::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What the recorded node behind `link` answered.
v1::GetCurrentNodeResponse Recorded(const std::string& link) {
  static const auto events = test::ReadRecordedTraffic("node.jsonl.zst");
  v1::GetCurrentNodeResponse m;
  for (const auto& e : events) {
    if (e.link == link && e.kind == "server" &&
        e.method.ends_with("/GetCurrentNode")) {
      EXPECT_TRUE(m.ParseFromString(e.bytes));
    }
  }
  EXPECT_TRUE(m.has_node());
  return m;
}

class FakeNode final
    : public v1::NodeQueryService::WithRawCallbackMethod_GetCurrentNode<
          v1::NodeQueryService::Service> {
 public:
  explicit FakeNode(const v1::GetCurrentNodeResponse& answer, int port = 0) {
    set_answer(answer);
    TsanRelease(this);
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    builder.AddListeningPort(StrCat("127.0.0.1:", port),
                             grpc::InsecureServerCredentials(), &port_);
    server_ = builder.BuildAndStart();
  }
  ~FakeNode() override {
    server_->Shutdown(gpr_inf_past(GPR_CLOCK_REALTIME));
    server_->Wait();
    TsanAcquire(this);
  }
  int port() const { return port_; }
  void set_answer(const v1::GetCurrentNodeResponse& answer) {
    MutexLock lock(mutex_);
    answer_ = answer.SerializeAsString();
  }

  grpc::ServerUnaryReactor* GetCurrentNode(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer*,
      grpc::ByteBuffer* response) override {
    const TsanCallback order(this);
    {
      MutexLock lock(mutex_);
      const grpc::Slice bytes(answer_);
      *response = grpc::ByteBuffer(&bytes, 1);
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  Mutex mutex_;
  std::string answer_ FODC_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

class NodeQueryTest : public ::testing::Test {
 protected:
  template <typename F>
  bool Until(F done) {
    return loop_.RunUntil(std::move(done), seconds(60));
  }
  void Start(std::vector<int> ports) {
    NodeQuery::Options options;
    options.ports = std::move(ports);
    options.interval = milliseconds(100);
    options.timeout = milliseconds(500);
    options.min_backoff = milliseconds(10);
    query_ = std::make_unique<NodeQuery>(
        loop_, options, [this](const NodeInfo& n) { seen_.push_back(n); });
    query_->Start();
  }

  net::EventLoop loop_{SystemClock()};
  std::vector<NodeInfo> seen_;
  std::unique_ptr<NodeQuery> query_;
};

TEST_F(NodeQueryTest, TakesRoleAndLabelsOfTheRecordedNodes) {
  FakeNode hot(Recorded("hot"));
  Start({hot.port()});
  ASSERT_TRUE(Until([&] { return !seen_.empty(); }));
  EXPECT_EQ(seen_.back().name, "127.0.0.1:17912");
  // META comes first there, but says nothing of what the node does.
  EXPECT_EQ(seen_.back().role, "ROLE_DATA");
  EXPECT_EQ(seen_.back().labels,
            (std::map<std::string, std::string>{{"type", "hot"}}));

  FakeNode liaison(Recorded("liaison"));
  query_.reset();
  seen_.clear();
  Start({liaison.port()});
  ASSERT_TRUE(Until([&] { return !seen_.empty(); }));
  EXPECT_EQ(seen_.back().role, "ROLE_LIAISON");
}

TEST_F(NodeQueryTest, FollowsWhenTheNodeChangesAndSaysSoOnce) {
  FakeNode node(Recorded("hot"));
  Start({node.port()});
  ASSERT_TRUE(Until([&] { return query_->stats()[0].answers >= 3; }));
  EXPECT_EQ(seen_.size(), 1u);
  node.set_answer(Recorded("warm"));
  ASSERT_TRUE(Until([&] { return seen_.size() == 2; }));
  EXPECT_EQ(seen_[1].labels.at("type"), "warm");
}

TEST_F(NodeQueryTest, KeepsTryingUntilTheNodeIsThere) {
  int port = 0;
  { port = FakeNode(Recorded("hot")).port(); }
  Start({port});
  ASSERT_TRUE(Until([&] { return query_->stats()[0].failures >= 3; }));
  EXPECT_TRUE(seen_.empty());
  FakeNode late(Recorded("hot"), port);
  ASSERT_EQ(late.port(), port);
  ASSERT_TRUE(Until([&] { return !seen_.empty(); }));
}

TEST_F(NodeQueryTest, ANodeThatStopsAnsweringStaysWhatItWas) {
  auto node = std::make_unique<FakeNode>(Recorded("hot"));
  Start({node->port()});
  ASSERT_TRUE(Until([&] { return !seen_.empty(); }));
  node.reset();
  ASSERT_TRUE(Until([&] { return query_->stats()[0].failures >= 2; }));
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_.back().role, "ROLE_DATA");
}

TEST_F(NodeQueryTest, PrefersThePortWhoseRoleIsKnown) {
  v1::GetCurrentNodeResponse meta = Recorded("hot");
  meta.mutable_node()->clear_roles();
  meta.mutable_node()->add_roles(v1::ROLE_META);
  FakeNode unknown(meta);
  FakeNode liaison(Recorded("liaison"));
  Start({unknown.port(), liaison.port()});
  ASSERT_TRUE(Until(
      [&] { return !seen_.empty() && seen_.back().role == "ROLE_LIAISON"; }));
}

TEST_F(NodeQueryTest, CanBeDestroyedWhileItAsks) {
  FakeNode node(Recorded("hot"));
  for (int i = 0; i < 20; ++i) {
    Start({node.port(), 1});
    query_.reset();
  }
}

}  // namespace
}  // namespace fodc::node
