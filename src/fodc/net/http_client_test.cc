// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/http_client.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fodc/base/status_matchers.h"
#include "fodc/net/compression.h"
#include "fodc/net/http_test_peer.h"
#include "tests/support/gzip.h"

namespace fodc::net {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Ok(std::string_view body, std::string_view headers = "") {
  return StrCat(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
      "Content-Length: ",
      body.size(), "\r\n", headers, "\r\n", body);
}

// A server that gives one fixed answer to every request.
RawServer::Serve Always(std::string answer, bool keep = true) {
  return [answer = std::move(answer), keep](int fd, const std::string&) {
    return RawServer::Send(fd, answer) && keep;
  };
}

TEST(HttpClientTest, GetsAPageAndKeepsTheConnection) {
  RawServer server(Always(Ok("up 1\n")));
  HttpClient client;
  for (int i = 0; i < 3; ++i) {
    const HttpClientResult r = GetAndWait(client, {.url = server.Url()});
    ASSERT_THAT(r.status, IsOk());
    EXPECT_EQ(r.http_status, 200);
    EXPECT_EQ(r.content_type, "text/plain");
    EXPECT_EQ(r.body, "up 1\n");
    EXPECT_EQ(r.wire_bytes, 5u);
    EXPECT_EQ(r.body_bytes, 5u);
    EXPECT_GT(r.duration, 0ns);
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(client.stats().connections, 1u);
  EXPECT_EQ(client.stats().requests, 3u);
  EXPECT_EQ(client.stats().in_flight, 0u);
}

TEST(HttpClientTest, PostsWithoutABodyAndGetsAgain) {
  std::mutex mutex;
  std::vector<std::string> heads;
  RawServer server([&](int fd, const std::string& head) {
    const std::lock_guard lock(mutex);
    heads.push_back(head);
    return RawServer::Send(fd, Ok("done"));
  });
  HttpClient client;
  const HttpClientResult posted =
      GetAndWait(client, {.url = server.Url(), .is_post = true});
  ASSERT_THAT(posted.status, IsOk());
  EXPECT_EQ(posted.body, "done");
  // The connection, and what was set for it, is used again.
  ASSERT_THAT(GetAndWait(client, {.url = server.Url()}).status, IsOk());
  EXPECT_EQ(server.connections(), 1);
  const std::lock_guard lock(mutex);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_TRUE(heads[0].starts_with("POST /")) << heads[0];
  EXPECT_THAT(heads[0], HasSubstr("Content-Length: 0\r\n"));
  EXPECT_TRUE(heads[1].starts_with("GET /")) << heads[1];
}

TEST(HttpClientTest, ConnectsAgainWhenTheServerHasDroppedAKeptConnection) {
  RawServer server(Always(Ok("x"), /*keep=*/false));
  HttpClient client;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(GetAndWait(client, {.url = server.Url()}).status, IsOk());
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClientTest, SendsWhatTheRequestSays) {
  std::mutex mutex;
  std::string seen;
  RawServer server([&](int fd, const std::string& request) {
    const std::lock_guard lock(mutex);
    seen = request;
    return RawServer::Send(fd, Ok(""));
  });
  HttpClient client({.user_agent = "fodc-agent/1"});
  ASSERT_THAT(GetAndWait(client, {.url = server.Url("/p?a=b"),
                                  .headers = {{"X-A", "1"}}})
                  .status,
              IsOk());
  const std::lock_guard lock(mutex);
  EXPECT_THAT(seen, AllOf(HasSubstr("GET /p?a=b HTTP/1.1\r\n"),
                          HasSubstr("User-Agent: fodc-agent/1\r\n"),
                          HasSubstr("Accept-Encoding: zstd, gzip;q=0.9\r\n"),
                          HasSubstr("X-A: 1\r\n")));
}

TEST(HttpClientTest, DecodesGzipAndZstd) {
  const std::string text(100'000, 'x');
  for (const auto coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    std::string wire;
    MakeCompressor(coding)->Add(text, true, &wire);
    RawServer server(
        Always(Ok(wire, StrCat("Content-Encoding: ", ContentCodingName(coding),
                               "\r\n"))));
    HttpClient client;
    const HttpClientResult r = GetAndWait(client, {.url = server.Url()});
    ASSERT_THAT(r.status, IsOk());
    EXPECT_EQ(r.body, text);
    EXPECT_EQ(r.wire_bytes, wire.size());
    EXPECT_EQ(r.body_bytes, text.size());
  }
}

TEST(HttpClientTest, GivesTheBodyToASinkPieceByPiece) {
  const std::string text(300'000, 'z');
  RawServer server(Always(Ok(test::Gzip(text), "Content-Encoding: gzip\r\n")));
  HttpClient client;
  std::string got;
  const HttpClientResult r = GetAndWait(
      client, {.url = server.Url(), .sink = [&](std::string_view piece) {
                 got += piece;
                 return OkStatus();
               }});
  ASSERT_THAT(r.status, IsOk());
  EXPECT_EQ(got, text);
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(r.body_bytes, text.size());
}

// A sink writes to a disk through little memory, whatever a target sends.
TEST(HttpClientTest, NoPieceForASinkIsLargeAlthoughABombIs) {
  constexpr std::size_t kBytes = 64u << 20;
  const std::string bomb = test::Gzip(std::string(kBytes, '\0'));
  RawServer server(Always(Ok(bomb, "Content-Encoding: gzip\r\n")));
  HttpClient client;
  std::size_t largest = 0;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(),
                          .max_body_bytes = kBytes,
                          .sink = [&](std::string_view piece) {
                            largest = std::max(largest, piece.size());
                            return OkStatus();
                          }});
  ASSERT_THAT(r.status, IsOk());
  EXPECT_EQ(r.body_bytes, kBytes);
  EXPECT_LE(largest, 2u << 20);
}

TEST(HttpClientTest, AFailingSinkEndsTheRequestWithItsStatus) {
  RawServer server(Always(Ok("data")));
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .sink = [](std::string_view) {
                            return ResourceExhausted("disk full");
                          }});
  EXPECT_THAT(r.status,
              StatusIs(Code::kResourceExhausted, HasSubstr("disk full")));
}

TEST(HttpClientTest, AServersErrorIsAnAnswerWithItsBody) {
  RawServer server(Always("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nsick"));
  HttpClient client;
  bool sunk = false;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .sink = [&](std::string_view) {
                            sunk = true;
                            return OkStatus();
                          }});
  EXPECT_THAT(r.status, IsOk());
  EXPECT_EQ(r.http_status, 500);
  EXPECT_EQ(r.body, "sick");
  EXPECT_FALSE(sunk);
}

TEST(HttpClientTest, ARedirectIsAnErrorThatNamesItsPlace) {
  RawServer server(
      Always("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/x\r\n"
             "Content-Length: 0\r\n\r\n"));
  HttpClient client;
  const HttpClientResult r = GetAndWait(client, {.url = server.Url()});
  EXPECT_THAT(r.status, StatusIs(Code::kFailedPrecondition,
                                 HasSubstr("http://elsewhere/x")));
  EXPECT_EQ(r.http_status, 302);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClientTest, ARefusedConnectionIsUnavailable) {
  std::uint16_t port = 0;
  {
    const auto taken = ListenTcp("127.0.0.1:0");
    port = taken->port;
  }
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = StrCat("http://127.0.0.1:", port, "/")});
  EXPECT_THAT(r.status, StatusIs(Code::kUnavailable, HasSubstr("refused")));
  EXPECT_EQ(r.http_status, 0);
  EXPECT_EQ(client.stats().failed, 1u);
}

TEST(HttpClientTest, NeitherStatusNorResultShowsAPassword) {
  HttpClient client;
  const auto get = [&](std::string url) {
    return GetAndWait(client, {.url = std::move(url)});
  };
  RawServer sick(Always("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
  std::string url = sick.Url();
  url.insert(url.find("//") + 2, "me:secret@");
  for (const HttpClientResult& r :
       {get("http://me:secret@127.0.0.1:1/"), get("http://me:secret@[bad/"),
        get("ftp://me:secret@127.0.0.1/"), get(url)}) {
    EXPECT_NE(r.http_status, 200);
    EXPECT_EQ(r.status.message().find("secret"), std::string::npos)
        << r.status.message();
    EXPECT_EQ(r.url.find("secret"), std::string::npos);
  }
}

TEST(HttpClientTest, ASilentServerEndsAtTheDeadline) {
  RawServer server([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .deadline = 50ms});
  EXPECT_THAT(r.status, StatusIs(Code::kDeadlineExceeded,
                                 HasSubstr("50ms passed waiting")));
  EXPECT_GE(r.duration, 50ms);
}

TEST(HttpClientTest, ADrippingServerEndsAtTheDeadline) {
  std::atomic<bool> stop = false;
  RawServer server([&](int fd, const std::string&) {
    RawServer::Send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n");
    // As often as the socket lets, one byte.
    while (!stop && RawServer::Send(fd, "a")) std::this_thread::yield();
    return false;
  });
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .deadline = 80ms});
  stop = true;
  EXPECT_THAT(r.status, StatusIs(Code::kDeadlineExceeded,
                                 HasSubstr("bytes of the body")));
}

TEST(HttpClientTest, AnEndlessBodyEndsAtTheLimit) {
  RawServer server([](int fd, const std::string&) {
    RawServer::Send(fd,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(65536, 'e') + "\r\n";
    while (RawServer::Send(fd, chunk)) {
    }
    return false;
  });
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .max_body_bytes = 1'000'000});
  EXPECT_THAT(r.status,
              StatusIs(Code::kResourceExhausted, HasSubstr("1000000 bytes")));
  EXPECT_LE(r.body.size(), 1'000'000u);
}

TEST(HttpClientTest, AnAnnouncedLengthBeyondTheLimitIsRefusedAtOnce) {
  RawServer server([](int fd, const std::string&) {
    RawServer::Send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    RawServer::WaitForClient(fd);
    return false;
  });
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .max_body_bytes = 4999});
  EXPECT_THAT(r.status,
              StatusIs(Code::kResourceExhausted, HasSubstr("4999 bytes")));
}

TEST(HttpClientTest, AGzipBombEndsAtTheLimit) {
  const std::string bomb = test::Gzip(std::string(64u << 20, '\0'));
  RawServer server(Always(Ok(bomb, "Content-Encoding: gzip\r\n")));
  HttpClient client;
  const HttpClientResult r =
      GetAndWait(client, {.url = server.Url(), .max_body_bytes = 1u << 20});
  EXPECT_THAT(r.status,
              StatusIs(Code::kResourceExhausted, HasSubstr("1048576 bytes")));
  EXPECT_LE(r.body.capacity(), 4u << 20);
}

TEST(HttpClientTest, DamagedAndUnknownCodingsAreDataLoss) {
  const std::string zipped = test::Gzip(std::string(10'000, 'q'));
  std::string flipped = zipped;
  flipped[flipped.size() - 5] = static_cast<char>(~flipped[flipped.size() - 5]);
  const struct {
    std::string answer;
    const char* message;
  } cases[] = {
      {Ok("no gzip at all", "Content-Encoding: gzip\r\n"), "bad gzip"},
      {Ok(flipped, "Content-Encoding: gzip\r\n"), "bad gzip"},
      {Ok(zipped.substr(0, zipped.size() / 2), "Content-Encoding: gzip\r\n"),
       "cut short"},
      {Ok("x", "Content-Encoding: br\r\n"), "\"br\""},
  };
  for (const auto& c : cases) {
    RawServer server(Always(c.answer));
    HttpClient client;
    EXPECT_THAT(GetAndWait(client, {.url = server.Url()}).status,
                StatusIs(Code::kDataLoss, HasSubstr(c.message)));
  }
}

TEST(HttpClientTest, AnAnswerThatIsCutIsDataLoss) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RawServer server(Always(answer, /*keep=*/false));
    HttpClient client;
    const HttpClientResult r = GetAndWait(client, {.url = server.Url()});
    EXPECT_EQ(r.status.code(), Code::kDataLoss)
        << answer << ": " << r.status.ToString();
  }
}

TEST(HttpClientTest, WhatIsNotHttpIsDataLossOrUnavailable) {
  RawServer garbage(Always("SSH-2.0-OpenSSH_9.2\r\n\r\n", false));
  RawServer nothing(Always("", false));
  HttpClient client;
  EXPECT_EQ(GetAndWait(client, {.url = garbage.Url()}).status.code(),
            Code::kDataLoss);
  EXPECT_EQ(GetAndWait(client, {.url = nothing.Url()}).status.code(),
            Code::kUnavailable);
}

TEST(HttpClientTest, EndlessHeadersEndAtTheirLimit) {
  RawServer server([](int fd, const std::string&) {
    RawServer::Send(fd, "HTTP/1.1 200 OK\r\n");
    while (
        RawServer::Send(fd, "X-Filler: " + std::string(1000, 'h') + "\r\n")) {
    }
    return false;
  });
  HttpClient client;
  EXPECT_THAT(GetAndWait(client, {.url = server.Url()}).status,
              StatusIs(Code::kResourceExhausted, HasSubstr("headers")));
}

TEST(HttpClientTest, RefusesWhatIsNotAnHttpUrl) {
  HttpClient client;
  for (const char* url :
       {"", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[bad"}) {
    EXPECT_EQ(GetAndWait(client, {.url = url}).status.code(),
              Code::kInvalidArgument)
        << url;
  }
  EXPECT_EQ(GetAndWait(client, {.url = "http://127.0.0.1:1/",
                                .headers = {{"X", "a\r\nY: b"}}})
                .status.code(),
            Code::kInvalidArgument);
}

TEST(HttpClientTest, SlowEndpointsDoNotHoldUpOthers) {
  RawServer slow([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  RawServer quick(Always(Ok("q")));
  HttpClient client;
  std::atomic<bool> slow_done = false;
  client.Get({.url = slow.Url(), .deadline = 30s},
             [&](const HttpClientResult&) { slow_done = true; });
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(GetAndWait(client, {.url = quick.Url()}).status, IsOk());
  }
  EXPECT_FALSE(slow_done);
}

// Collects one result from the client's thread.
class Waiter {
 public:
  HttpClient::Done Done() {
    return [this](HttpClientResult r) {
      const std::lock_guard lock(mutex_);
      result_ = std::move(r);
      there_.notify_all();
    };
  }
  HttpClientResult Wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        there_.wait_for(lock, 10s, [this] { return result_.has_value(); }));
    return result_.value_or(HttpClientResult());
  }

 private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::optional<HttpClientResult> result_;
};

TEST(HttpClientTest, CancelsARequest) {
  RawServer server([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  HttpClient client;
  Waiter waiter;
  const auto id =
      client.Get({.url = server.Url(), .deadline = 30s}, waiter.Done());
  client.Cancel(id);
  EXPECT_THAT(waiter.Wait().status, StatusIs(Code::kCancelled, HasSubstr("")));
  client.Cancel(id);  // no effect
}

TEST(HttpClientTest, ItsEndCancelsWhatIsInFlight) {
  RawServer server([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  Waiter waiter;
  {
    HttpClient client;
    client.Get({.url = server.Url(), .deadline = 30s}, waiter.Done());
  }
  EXPECT_THAT(waiter.Wait().status, StatusIs(Code::kCancelled, HasSubstr("")));
}

TEST(HttpClientTest, RefusesMoreThanItsBoundInFlight) {
  RawServer server([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  HttpClient client({.max_in_flight = 1});
  Waiter waiter;
  const auto id =
      client.Get({.url = server.Url(), .deadline = 30s}, waiter.Done());
  EXPECT_THAT(GetAndWait(client, {.url = server.Url()}).status,
              StatusIs(Code::kResourceExhausted, HasSubstr("more than 1")));
  EXPECT_EQ(client.stats().refused, 1u);
  client.Cancel(id);
  (void)waiter.Wait();
}

TEST(HttpClientTest, IgnoresProxiesOfTheEnvironment) {
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread reads it now
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  RawServer server(Always(Ok("direct")));
  HttpClient client;
  EXPECT_THAT(GetAndWait(client, {.url = server.Url()}).status, IsOk());
  ::unsetenv("http_proxy");
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace fodc::net
