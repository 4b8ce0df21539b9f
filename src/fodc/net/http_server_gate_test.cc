// SPDX-License-Identifier: Apache-2.0
// Who is refused before anything is read for him.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "fodc/base/status_matchers.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::net {
namespace {

using ::testing::HasSubstr;

class ScriptedGate final : public HttpGate {
 public:
  Result<std::shared_ptr<void>> Connect(
      const std::string& peer_address) override {
    peers.push_back(peer_address);
    if (!refuse_connections.ok()) return refuse_connections;
    return std::shared_ptr<void>(connection);
  }
  std::optional<HttpResponse> Admit(
      HttpRequest* request, std::optional<std::uint64_t> body_bytes) override {
    routes.push_back(request->route);
    declared.push_back(body_bytes);
    if (refuse_requests) return TextError(503, "SlowDown");
    request->held = taken;
    return std::nullopt;
  }

  std::shared_ptr<int> connection = std::make_shared<int>();
  std::shared_ptr<int> taken = std::make_shared<int>();
  Status refuse_connections;
  bool refuse_requests = false;
  std::vector<std::string> peers;
  std::vector<std::string> routes;
  std::vector<std::optional<std::uint64_t>> declared;
};

class HttpServerGateTest : public ::testing::Test {
 protected:
  HttpServerGateTest() {
    server_.Route("/x", Access::kViewer, [](const HttpRequest&) {
      HttpResponse r = TextResponse("x");
      r.close = true;
      return r;
    });
    server_.Route(
        "/post", Access::kViewer,
        [this](const std::shared_ptr<const HttpRequest>& request,
               Responder responder) {
          kept_ = request;
          responder.Send(TextResponse(request->body));
        },
        "POST");
    server_.SetGate(&gate_);
    EXPECT_THAT(server_.Listen("127.0.0.1:0"), IsOk());
  }
  RawClient Client() { return RawClient(loop_, server_.port()); }

  ScriptedGate gate_;  // outlives the requests
  std::shared_ptr<const HttpRequest> kept_;
  FakeClock clock_;
  EventLoop loop_{clock_};
  HttpServer server_{loop_};
};

TEST_F(HttpServerGateTest, AConnectionHoldsUntilItsEnd) {
  RawClient c = Client();
  EXPECT_TRUE(loop_.RunUntil([&] { return gate_.connection.use_count() > 1; }));
  EXPECT_THAT(gate_.peers, testing::ElementsAre("127.0.0.1"));
  c.Close();
  EXPECT_TRUE(
      loop_.RunUntil([&] { return gate_.connection.use_count() == 1; }));
}

TEST_F(HttpServerGateTest, TellsARefusedConnectionWhyOrNothing) {
  gate_.refuse_connections = Unavailable("ERR too many of yours");
  RawClient told = Client();
  const RawResponse r = told.Read();
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, "ERR too many of yours\n");
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(told.WaitForEnd());

  gate_.refuse_connections = Unavailable("");
  RawClient silent = Client();
  EXPECT_EQ(silent.Read().status, 0);
  EXPECT_EQ(server_.stats().connections_refused, 2u);
  EXPECT_EQ(server_.stats().connections_open, 0u);
}

TEST_F(HttpServerGateTest, ARequestHoldsUntilItsLastHolderLetsGo) {
  RawClient c = Client();
  c.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
  EXPECT_TRUE(loop_.RunUntil([&] { return gate_.taken.use_count() > 1; }));
  EXPECT_EQ(kept_, nullptr);  // before its body came
  c.Send("abc");
  EXPECT_EQ(c.Read().body, "abc");
  EXPECT_EQ(gate_.taken.use_count(), 2);
  kept_.reset();
  c.Get("/x");
  EXPECT_EQ(c.Read().body, "x");
  c.Close();
  EXPECT_TRUE(loop_.RunUntil([&] { return gate_.taken.use_count() == 1; }));
  EXPECT_THAT(gate_.routes, testing::ElementsAre("/post", "/x"));
  EXPECT_THAT(gate_.declared,
              testing::ElementsAre(std::optional<std::uint64_t>(3),
                                   std::optional<std::uint64_t>(0)));
}

// Who is refused and comes again at once takes no turns from who is served.
TEST_F(HttpServerGateTest, TakesOneConnectionAtATimeWhileManyAreRefused) {
  RawClient served = Client();
  served.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na");
  EXPECT_EQ(served.Read().body, "a");
  for (int i = 0; i < 11; ++i) {
    RawClient refused = Client();
    refused.Get("/x");  // its answers end their connections
    EXPECT_EQ(refused.Read().status, 200);
    // The one that comes just before it is known that there are many.
    clock_.Advance(std::chrono::milliseconds(1));
  }
  std::vector<RawClient> again;
  for (int i = 0; i < 3; ++i) again.push_back(Client());
  const auto accepted = [&] { return server_.stats().connections_accepted; };
  const std::uint64_t before = accepted();
  EXPECT_TRUE(loop_.RunUntil([&] { return accepted() == before + 1; }));
  served.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb");
  EXPECT_EQ(served.Read().body, "b");
  EXPECT_EQ(accepted(), before + 1);
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_TRUE(loop_.RunUntil([&] { return accepted() == before + 2; }));
  served.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nc");
  EXPECT_EQ(served.Read().body, "c");
  EXPECT_EQ(accepted(), before + 2);
  // Calm again: all that wait, at once.
  clock_.Advance(std::chrono::seconds(2));
  again.push_back(Client());
  EXPECT_TRUE(loop_.RunUntil([&] { return accepted() == before + 4; }));
}

TEST_F(HttpServerGateTest, KnowsNoLengthOfAChunkedBody) {
  RawClient c = Client();
  c.Send(
      "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n0\r\n\r\n");
  EXPECT_EQ(c.Read().body, "ab");
  EXPECT_THAT(gate_.declared,
              testing::ElementsAre(std::optional<std::uint64_t>()));
}

TEST_F(HttpServerGateTest, ReadsNoBodyOfARefusedRequest) {
  gate_.refuse_requests = true;
  RawClient c = Client();
  c.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 503);
  EXPECT_THAT(r.body, HasSubstr("SlowDown"));
  EXPECT_EQ(r.Header("Connection"), "close");
  EXPECT_TRUE(c.WaitForEnd());
  EXPECT_EQ(kept_, nullptr);
}

TEST_F(HttpServerGateTest, AnAnswerMayEndItsConnection) {
  RawClient c = Client();
  c.Get("/x");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.body, "x");
  EXPECT_EQ(r.Header("Connection"), "close");
  EXPECT_TRUE(c.WaitForEnd());
}

TEST_F(HttpServerGateTest, DoesNotAskForWhatNoRouteTakes) {
  RawClient c = Client();
  c.Get("/nowhere");
  EXPECT_EQ(c.Read().status, 404);
  EXPECT_TRUE(gate_.routes.empty());
}

}  // namespace
}  // namespace fodc::net
