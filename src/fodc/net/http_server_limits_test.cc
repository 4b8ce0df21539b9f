// SPDX-License-Identifier: Apache-2.0
// Streamed bodies, and clients that are slow, big, many or gone.
#include <gmock/gmock.h>

#include <optional>
#include <random>

#include "fodc/base/status_matchers.h"
#include "fodc/net/compression.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::net {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// What a test tells a body to do, and what became of it.
struct Script {
  std::function<Result<BodyStep>(std::string*, std::size_t)> next;
  std::function<void()> wake;
  bool alive = false;
};

class ScriptedSource final : public BodySource {
 public:
  explicit ScriptedSource(Script* s) : script_(s) { script_->alive = true; }
  ~ScriptedSource() override { script_->alive = false; }
  void Start(std::function<void()> wake) override {
    script_->wake = std::move(wake);
  }
  Result<BodyStep> Next(std::string* piece, std::size_t max) override {
    return script_->next(piece, max);
  }

 private:
  Script* script_;
};

class HttpServerLimitsTest : public ::testing::Test {
 protected:
  HttpServerLimitsTest() {
    server_.Route("/x", Access::kViewer,
                  [](const HttpRequest&) { return TextResponse("x"); });
    server_.Route("/stream", Access::kViewer, [this](const HttpRequest&) {
      HttpResponse r;
      r.content_type = "text/plain";
      r.source = std::make_unique<ScriptedSource>(&script_);
      return r;
    });
    server_.Route(
        "/later", Access::kViewer,
        [this](const std::shared_ptr<const HttpRequest>&, Responder r) {
          r.OnCancel([this] { ++cancelled_; });
          later_ = std::move(r);
        });
    server_.Route(
        "/post", Access::kViewer,
        [](const HttpRequest& r) { return TextResponse(r.body); }, "POST");
    EXPECT_THAT(server_.Listen("127.0.0.1:0"), IsOk());
  }
  RawClient Client(int receive_buffer = 0) {
    return RawClient(loop_, server_.port(), receive_buffer);
  }
  // Others are served in the meantime.
  void ExpectOthersServed() {
    RawClient c = Client();
    c.Get("/x", "Connection: close\r\n");
    EXPECT_EQ(c.Read().body, "x");
  }
  bool WaitFor(std::function<bool()> what) {
    return loop_.RunUntil(std::move(what));
  }
  const HttpServerStats& stats() const { return server_.stats(); }

  static constexpr std::size_t kMaxConnections = 4;
  Script script_;
  std::optional<Responder> later_;
  int cancelled_ = 0;
  FakeClock clock_;
  EventLoop loop_{clock_};
  HttpServer server_{loop_,
                     {.header_timeout = 3s,
                      .read_timeout = 10s,
                      .write_timeout = 10s,
                      .max_header_bytes = 8192,
                      .max_body_bytes = 1000,
                      .max_connections = kMaxConnections}};
};

TEST_F(HttpServerLimitsTest, StreamsPiecesInChunks) {
  int n = 0;
  script_.next = [&](std::string* piece, std::size_t max) {
    EXPECT_EQ(max, 256u * 1024);
    *piece = StrCat("piece ", n, "\n");
    return ++n == 3 ? BodyStep::kDone : BodyStep::kMore;
  };
  RawClient c = Client();
  c.Get("/stream");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.Header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(r.body, "piece 0\npiece 1\npiece 2\n");
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(WaitFor([&] { return !script_.alive; }));
  c.Get("/x");
  EXPECT_EQ(c.Read().body, "x");
}

TEST_F(HttpServerLimitsTest, ABodyOfOnePieceHasALength) {
  script_.next = [](std::string* piece, std::size_t) {
    *piece = "all";
    return BodyStep::kDone;
  };
  RawClient c = Client();
  c.Get("/stream");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.Header("Content-Length"), "3");
  EXPECT_EQ(r.body, "all");
}

TEST_F(HttpServerLimitsTest, AnEmptyStreamIsAnEmptyBody) {
  script_.next = [](std::string*, std::size_t) { return BodyStep::kDone; };
  RawClient c = Client();
  c.Get("/stream");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 200);
  EXPECT_TRUE(r.complete);
  EXPECT_EQ(r.body, "");
}

TEST_F(HttpServerLimitsTest, AnOldClientGetsAStreamUpToTheEndOfItsConnection) {
  int n = 0;
  script_.next = [&](std::string* piece, std::size_t) {
    *piece = StrCat(n);
    return ++n == 4 ? BodyStep::kDone : BodyStep::kMore;
  };
  RawClient c = Client();
  c.Send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(c.WaitForEnd());
  const RawResponse r = c.Read();
  EXPECT_EQ(r.Header("Transfer-Encoding"), "");
  EXPECT_EQ(r.Header("Connection"), "close");
  EXPECT_EQ(r.body, "0123");
}

TEST_F(HttpServerLimitsTest, AStreamMayWaitAndGoOn) {
  std::vector<std::string> ready = {"first"};
  bool done = false;
  script_.next = [&](std::string* piece, std::size_t) {
    for (const std::string& s : ready) *piece += s;
    ready.clear();
    return done ? BodyStep::kDone : BodyStep::kWait;
  };
  RawClient c = Client();
  c.Get("/stream", "Accept-Encoding: gzip\r\n");
  ASSERT_TRUE(WaitFor([&] { return ready.empty() && script_.alive; }));
  ExpectOthersServed();
  ready = {"second"};
  script_.wake();
  ASSERT_TRUE(WaitFor([&] { return ready.empty(); }));
  ready = {"third"};
  done = true;
  script_.wake();
  script_.wake();
  const RawResponse r = c.Read();
  std::string text;
  ASSERT_THAT(MakeDecompressor(ContentCoding::kGzip)->Add(r.body, &text, 1000),
              IsOk());
  EXPECT_EQ(text, "firstsecondthird");
  script_.wake();  // after its end: no effect
  loop_.RunReady();
}

TEST_F(HttpServerLimitsTest, CompressesAStreamInConstantMemory) {
  // 16 MiB through pieces; each step adds at most one piece.
  constexpr std::size_t kTotal = 16u << 20;
  std::size_t given = 0;
  script_.next = [&](std::string* piece, std::size_t max) {
    while (piece->size() + 16 <= max)
      *piece += StrCat(given % 1000, " metric\n");
    given += piece->size();
    return given >= kTotal ? BodyStep::kDone : BodyStep::kMore;
  };
  RawClient c = Client();
  c.Get("/stream", "Accept-Encoding: gzip\r\n");
  const RawResponse r = c.Read();
  ASSERT_TRUE(r.complete);
  std::string text;
  const auto d = MakeDecompressor(ContentCoding::kGzip);
  ASSERT_THAT(d->Add(r.body, &text, 2 * kTotal), IsOk());
  EXPECT_THAT(d->End(), IsOk());
  EXPECT_EQ(text.size(), given);
}

TEST_F(HttpServerLimitsTest, AFailureInMidStreamCutsTheConnection) {
  for (const char* headers : {"", "Accept-Encoding: gzip\r\n"}) {
    int n = 0;
    script_.next = [&](std::string* piece, std::size_t) -> Result<BodyStep> {
      if (++n == 3) return Internal("disk gone");
      while (piece->size() < 200'000) {  // does not compress away
        *piece += static_cast<char>(random());
      }
      return BodyStep::kMore;
    };
    const std::uint64_t before = stats().bodies_aborted;
    RawClient c = Client();
    c.Get("/stream", headers);
    ASSERT_TRUE(WaitFor([&] { return stats().bodies_aborted > before; }));
    const RawResponse r = c.Read();
    EXPECT_FALSE(r.complete);
    EXPECT_TRUE(c.WaitForEnd());
    EXPECT_FALSE(script_.alive);
  }
}

TEST_F(HttpServerLimitsTest, AFailureBeforeTheFirstByteIsAnError) {
  script_.next = [](std::string*, std::size_t) -> Result<BodyStep> {
    return Unavailable("no agent answers");
  };
  RawClient c = Client();
  c.Get("/stream");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, "no agent answers\n");
}

TEST_F(HttpServerLimitsTest, AClientThatLeavesAWaitingStreamFreesIt) {
  script_.next = [](std::string*, std::size_t) { return BodyStep::kWait; };
  RawClient c = Client();
  c.Get("/stream");
  ASSERT_TRUE(WaitFor([&] { return script_.wake && script_.alive; }));
  c.Close();
  EXPECT_TRUE(WaitFor([&] { return !script_.alive; }));
  EXPECT_EQ(stats().clients_gone, 1u);
  script_.wake();  // no effect
  EXPECT_TRUE(WaitFor([&] { return stats().connections_open == 0; }));
}

// One that has sent more already is not watched.
TEST_F(HttpServerLimitsTest, AWaitingStreamOfAPipeliningClientEnds) {
  for (const bool at_once : {true, false}) {
    script_ = {};
    script_.next = [](std::string*, std::size_t) { return BodyStep::kWait; };
    RawClient c = Client();
    c.Send(StrCat("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
                  at_once ? "GET" : ""));
    ASSERT_TRUE(WaitFor([&] { return script_.wake && script_.alive; }));
    if (!at_once) c.Send("GET");
    c.Close();
    loop_.RunReady();
    const std::uint64_t before = stats().idle_timeouts;
    EXPECT_TRUE(WaitFor([&] {
      clock_.Advance(60s);
      return !script_.alive;
    }));
    EXPECT_EQ(stats().idle_timeouts, before + 1);
    EXPECT_EQ(stats().connections_open, 0u);
  }
}

TEST_F(HttpServerLimitsTest, AClientThatLeavesCancelsItsHandler) {
  RawClient c = Client();
  c.Get("/later");
  ASSERT_TRUE(WaitFor([&] { return later_.has_value(); }));
  EXPECT_FALSE(later_->cancelled());
  c.Close();
  EXPECT_TRUE(WaitFor([&] { return cancelled_ == 1; }));
  EXPECT_TRUE(later_->cancelled());
  later_->Send(TextResponse("to nobody"));
  EXPECT_TRUE(WaitFor([&] { return stats().connections_open == 0; }));
  EXPECT_EQ(cancelled_, 1);
}

TEST_F(HttpServerLimitsTest, AClientThatHasOnlyShutItsSideIsAnswered) {
  RawClient c = Client();
  c.Get("/later");
  c.ShutdownWrite();
  ASSERT_TRUE(WaitFor([&] { return later_.has_value(); }));
  later_->Send(TextResponse("still here"));
  EXPECT_EQ(c.Read().body, "still here");
  EXPECT_TRUE(c.WaitForEnd());
  EXPECT_FALSE(c.reset());
}

TEST_F(HttpServerLimitsTest, HugeHeadersAre431) {
  RawClient c = Client();
  c.Get("/x", "X-Big: " + std::string(10'000, 'b') + "\r\n");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 431);
  EXPECT_THAT(r.body, HasSubstr("limit of 8192 bytes"));
  // Without end: as well.
  RawClient endless = Client();
  endless.Send("GET /x HTTP/1.1\r\n" + std::string(9'000, 'h'));
  EXPECT_EQ(endless.Read().status, 431);
  RawClient target = Client();
  target.Get("/x?" + std::string(9'000, 'q'));
  EXPECT_EQ(target.Read().status, 431);
  EXPECT_EQ(stats().bad_requests, 3u);
}

TEST_F(HttpServerLimitsTest, AHugeBodyIs413) {
  RawClient c = Client();
  c.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 413);
  EXPECT_THAT(r.body, HasSubstr("limit of 1000 bytes"));
  RawClient chunked = Client();
  chunked.Send(
      "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3e9\r\n" +
      std::string(1001, 'c') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.Read().status, 413);
}

TEST_F(HttpServerLimitsTest, SlowHeadersAreCutOthersAreOnTime) {
  RawClient slow = Client();
  slow.Send("GET /x HT");
  loop_.RunReady();
  ExpectOthersServed();
  // A byte now and then does not help.
  ASSERT_TRUE(WaitFor([&] {
    clock_.Advance(500ms);
    slow.Send("T");
    return stats().header_timeouts == 1;
  }));
  EXPECT_TRUE(slow.WaitForEnd());
  ExpectOthersServed();
}

TEST_F(HttpServerLimitsTest, ASlowBodyIsCut) {
  RawClient slow = Client();
  slow.Send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab");
  ASSERT_TRUE(WaitFor([&] { return stats().bytes_received > 0; }));
  loop_.RunReady();
  clock_.Advance(9s);
  loop_.RunReady();
  EXPECT_FALSE(slow.Ended());
  clock_.Advance(1s);
  EXPECT_TRUE(slow.WaitForEnd());
  EXPECT_EQ(stats().read_timeouts, 1u);
}

TEST_F(HttpServerLimitsTest, AnIdleConnectionIsClosedInTime) {
  RawClient c = Client();
  c.Get("/x");
  EXPECT_EQ(c.Read().body, "x");
  ASSERT_TRUE(WaitFor([&] { return stats().routes.size() == 1; }));
  clock_.Advance(119s);
  loop_.RunReady();
  EXPECT_FALSE(c.Ended());
  clock_.Advance(1s);
  EXPECT_TRUE(c.WaitForEnd());
  EXPECT_EQ(stats().idle_timeouts, 1u);
}

TEST_F(HttpServerLimitsTest, AClientThatDoesNotReadIsCutOthersAreOnTime) {
  script_.next = [](std::string* piece, std::size_t max) {
    piece->assign(max, 's');
    return BodyStep::kMore;  // endless
  };
  RawClient slow = Client(/*receive_buffer=*/4096);
  slow.Get("/stream");
  // Until the socket is full.
  std::uint64_t sent = 0;
  ASSERT_TRUE(WaitFor([&] {
    const bool still = stats().bytes_sent > 0 && stats().bytes_sent == sent;
    sent = stats().bytes_sent;
    for (int i = 0; i < 20; ++i) loop_.RunReady();
    return still;
  }));
  ExpectOthersServed();
  clock_.Advance(10s);
  ASSERT_TRUE(WaitFor([&] { return stats().write_timeouts == 1; }));
  EXPECT_FALSE(script_.alive);
  ExpectOthersServed();
}

TEST_F(HttpServerLimitsTest, AClientThatTricklesIsCutOthersAreOnTime) {
  script_.next = [](std::string* piece, std::size_t max) {
    piece->assign(max, 'x');
    return BodyStep::kMore;
  };
  RawClient slow = Client(4096);
  slow.Get("/stream");
  ASSERT_TRUE(WaitFor([&] { return script_.alive; }));
  // Each piece is taken in time: some 28 KiB/s.
  std::chrono::seconds passed{0};
  while (script_.alive && passed < 600s) {
    const std::uint64_t before = stats().bytes_sent;
    ASSERT_TRUE(WaitFor([&] {
      slow.Discard(65536);
      return stats().bytes_sent >= before + 256 * 1024 || !script_.alive;
    }));
    clock_.Advance(9s);
    passed += 9s;
    loop_.RunReady();
  }
  EXPECT_EQ(stats().write_timeouts, 1u);
  EXPECT_GE(passed, 60s);
  EXPECT_LE(passed, 240s);
  ExpectOthersServed();
}

TEST_F(HttpServerLimitsTest, AClientThatTakesLongButEnoughIsNotCut) {
  int left = 100;
  script_.next = [&](std::string* piece, std::size_t max) {
    piece->assign(max, 'x');
    return --left == 0 ? BodyStep::kDone : BodyStep::kMore;
  };
  RawClient steady = Client(4096);
  steady.Get("/stream");
  ASSERT_TRUE(WaitFor([&] { return script_.alive; }));
  while (script_.alive) {  // 128 KiB/s, for minutes
    const std::uint64_t before = stats().bytes_sent;
    ASSERT_TRUE(WaitFor([&] {
      steady.Discard(65536);
      return stats().bytes_sent >= before + 256 * 1024 || !script_.alive;
    }));
    clock_.Advance(2s);
    loop_.RunReady();
  }
  EXPECT_EQ(left, 0);
  EXPECT_EQ(stats().write_timeouts, 0u);
}

TEST_F(HttpServerLimitsTest, TheLongestIdleConnectionMakesRoom) {
  RawClient first = Client();
  first.Get("/x");
  EXPECT_EQ(first.Read().body, "x");
  std::vector<RawClient> others;
  for (std::size_t i = 1; i < kMaxConnections; ++i) {
    others.push_back(Client());
    others.back().Get("/x");
    EXPECT_EQ(others.back().Read().body, "x");
  }
  EXPECT_EQ(stats().connections_open, kMaxConnections);
  RawClient next = Client();
  next.Get("/x");
  EXPECT_EQ(next.Read().body, "x");
  EXPECT_TRUE(first.WaitForEnd());
  EXPECT_EQ(stats().connections_evicted, 1u);
  EXPECT_EQ(stats().connections_open, kMaxConnections);
  others[0].Get("/x");
  EXPECT_EQ(others[0].Read().body, "x");
}

TEST_F(HttpServerLimitsTest, OneMoreBusyConnectionIsRefused) {
  std::vector<Responder> busy;
  server_.Route("/hold", Access::kViewer,
                [&](const std::shared_ptr<const HttpRequest>&, Responder r) {
                  busy.push_back(std::move(r));
                });
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kMaxConnections; ++i) {
    clients.push_back(Client());
    clients.back().Get("/hold");
  }
  ASSERT_TRUE(WaitFor([&] { return busy.size() == kMaxConnections; }));
  RawClient refused = Client();
  const RawResponse r = refused.Read();
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, "too many connections\n");
  EXPECT_EQ(stats().connections_refused, 1u);
  for (Responder& b : busy) b.Send(TextResponse("done"));
  for (RawClient& c : clients) EXPECT_EQ(c.Read().body, "done");
}

TEST_F(HttpServerLimitsTest, ServesManyConnectionsAtOnce) {
  HttpServer big(loop_, {.max_connections = 600});
  big.Route("/x", Access::kViewer,
            [](const HttpRequest&) { return TextResponse("x"); });
  ASSERT_THAT(big.Listen("127.0.0.1:0"), IsOk());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(std::make_unique<RawClient>(loop_, big.port()));
    clients.back()->Get("/x");
    loop_.RunReady();
  }
  for (auto& c : clients) EXPECT_EQ(c->Read().body, "x");
  EXPECT_EQ(big.stats().connections_open, 300u);
}

TEST_F(HttpServerLimitsTest, TheServersEndCancelsWhatWaits) {
  auto server = std::make_unique<HttpServer>(loop_);
  std::optional<Responder> held;
  int cancelled = 0;
  server->Route("/hold", Access::kViewer,
                [&](const std::shared_ptr<const HttpRequest>&, Responder r) {
                  r.OnCancel([&] { ++cancelled; });
                  held = std::move(r);
                });
  ASSERT_THAT(server->Listen("127.0.0.1:0"), IsOk());
  RawClient c(loop_, server->port());
  c.Get("/hold");
  ASSERT_TRUE(WaitFor([&] { return held.has_value(); }));
  server.reset();
  EXPECT_EQ(cancelled, 1);
  held->Send(TextResponse("nobody"));
  EXPECT_TRUE(c.WaitForEnd());
}

}  // namespace
}  // namespace fodc::net
