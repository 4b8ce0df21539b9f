// SPDX-License-Identifier: Apache-2.0
// For tests: a hand-driven client of the link, and a loop with a server on it.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/fleet/fleet.h"
#include "fodc/link/client_stream.h"
#include "fodc/link/server.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {

// Messages as they are.
Decoder BytesDecoder();
grpc::ByteBuffer BytesBuffer(const std::string& bytes);

// One stream; reads all that comes, unless it is told not to.
class TestStream final : public Stream::Handler {
 public:
  explicit TestStream(std::shared_ptr<Stream> stream);
  ~TestStream() override;

  void Send(const google::protobuf::MessageLite& m);
  void SendBytes(const std::string& bytes);
  void HalfClose() { stream_->Close(OkStatus()); }
  void Cancel() { stream_->Cancel(); }
  // Takes one message more (that read is under way), then none until Resume.
  void Pause() { paused_ = true; }
  void Resume();
  std::size_t received() const { return messages_.size(); }
  const std::string& bytes(std::size_t i) const { return messages_.at(i); }
  template <typename M>
  M Message(std::size_t i) const {
    M m;
    EXPECT_TRUE(m.ParseFromString(messages_.at(i)));
    return m;
  }
  // How it ended; nothing while it lives.
  const std::optional<Status>& end() const { return end_; }

 private:
  void OnMessage(Decoded message, std::size_t) override;
  void OnHalfClose() override {}
  void OnDone(const Status& status) override { end_ = status; }

  std::shared_ptr<Stream> stream_;
  std::vector<std::string> messages_;
  std::optional<Status> end_;
  bool paused_ = false;
  bool reading_ = true;
};

// One connection of its own.
class TestClient {
 public:
  TestClient(net::EventLoop& loop, const std::string& address);
  ~TestClient();
  std::unique_ptr<TestStream> Open(const std::string& method,
                                   const std::string& agent_id = "");
  // "/banyandb.fodc.v1.FODCService/<name>"
  std::unique_ptr<TestStream> OpenV1(const std::string& name,
                                     const std::string& agent_id = "");

 private:
  net::EventLoop& loop_;
  std::shared_ptr<Pending> open_ = std::make_shared<Pending>();
  std::shared_ptr<grpc::Channel> channel_;
};

// A proxy without its HTTP: loop, fleet and server.
class LinkServerTest : public ::testing::Test {
 protected:
  LinkServerTest();
  ~LinkServerTest() override;

  // Options are changed before the first call of StartServer.
  void StartServer();
  // As a kill and a new start: all memory is gone.
  void RestartServer();
  std::string address() const;
  // Runs the loop until `done` or a minute has passed.
  template <typename F>
  bool Until(F done) {
    return loop_.RunUntil(std::move(done), std::chrono::seconds(60));
  }
  // Opens what `open` opens, and returns when the server has taken it.
  template <typename F>
  void OpenAndAwait(F open) {
    const std::uint64_t before = server_->stats().streams_opened;
    open();
    ASSERT_TRUE(
        Until([&] { return server_->stats().streams_opened > before; }));
    // It was posted before it was counted.
    bool is_taken = false;
    loop_.Post([&is_taken] { is_taken = true; });
    ASSERT_TRUE(Until([&] { return is_taken; }));
  }
  // Lets what is under way settle.
  void RunFor(std::chrono::milliseconds time);

  net::EventLoop loop_{SystemClock()};
  fleet::Fleet::Options fleet_options_;
  LinkServer::Options options_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<LinkServer> server_;
};

// A v1 agent, driven by hand: registration and streams on one connection.
struct V1Peer {
  V1Peer(net::EventLoop& loop, const std::string& address)
      : client(loop, address) {}

  // Sends the registration; await registered().
  void Register(const std::string& pod, const std::string& role = "ROLE_DATA",
                const std::map<std::string, std::string>& labels = {});
  bool registered();
  void OpenMetrics() { metrics = client.OpenV1("StreamMetrics", id); }
  void OpenTopology() { topology = client.OpenV1("StreamClusterTopology", id); }

  TestClient client;
  std::unique_ptr<TestStream> registration;
  std::unique_ptr<TestStream> metrics;
  std::unique_ptr<TestStream> topology;
  std::string id;
};

}  // namespace fodc::link
