// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/transport.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class TransportTest : public ::testing::Test {
 protected:
  Result<HttpAnswer> Perform(const StoreServer& server, HttpRequest request,
                             const TransferOptions& options = {}) {
    request.origin = server.origin();
    return transport_.Perform(request, options);
  }
  Transport transport_{{}};
};

TEST_F(TransportTest, SendsEachMethodAsItIs) {
  const StoreServer server([](const ServedRequest& r) {
    return ServedAnswer{.headers = {{"X-Echo", "  a b "}},
                        .body = r.method + " " + r.target + " " + r.body};
  });
  const MemoryBlob hello("-hello-");
  for (const char* method : {"GET", "DELETE", "PUT", "POST"}) {
    SCOPED_TRACE(method);
    const auto answer =
        Perform(server, {.method = method,
                         .path = "/" + EncodeKey("a b/../c"),
                         .query = {{"uploads", ""}, {"prefix", "x/y"}}});
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body,
              StrCat(method, " /a%20b/../c?prefix=x%2Fy&uploads= "));
    EXPECT_EQ(answer->Header("x-echo"), "a b");
  }
  const auto put = Perform(
      server,
      {.method = "PUT", .body = &hello, .body_offset = 1, .body_bytes = 5});
  EXPECT_EQ(put->body, "PUT / hello");
  const auto head = Perform(server, {.method = "HEAD"});
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head->body, "");
  // An empty body has a length, too, and nothing else is added.
  const ServedRequest last = server.requests()[3];
  EXPECT_EQ(last.At("content-length"), "0");
  EXPECT_FALSE(last.headers.contains("content-type"));
  EXPECT_FALSE(last.headers.contains("transfer-encoding"));
  EXPECT_FALSE(last.headers.contains("expect"));
  EXPECT_EQ(server.accepted(), 1);  // it is kept
}

TEST_F(TransportTest, SendsLargeBodiesAndTakesLargeAnswers) {
  std::string large(9'000'000, 'x');
  large[5'000'000] = 'y';
  const StoreServer server(
      [](const ServedRequest& r) { return ServedAnswer{.body = r.body}; });
  const MemoryBlob blob(large);
  std::string got;
  const auto answer = Perform(
      server, {.method = "PUT", .body = &blob, .body_bytes = blob.bytes()},
      {.sink = [&got](std::string_view piece) {
        got += piece;
        return OkStatus();
      }});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(got, large);
  EXPECT_EQ(server.requests()[0].At("expect"), "100-continue");
  EXPECT_THAT(
      Perform(server,
              {.method = "PUT", .body = &blob, .body_bytes = blob.bytes()},
              {.max_body_bytes = 1000}),
      StatusIs(Code::kResourceExhausted, HasSubstr("limit of 1000")));
}

TEST_F(TransportTest, AFailureHasItsBodyAndNoSink) {
  const StoreServer server([](const ServedRequest&) {
    return ServedAnswer{.status = 404, .body = "<Error/>"};
  });
  const auto answer = Perform(server, {}, {.sink = [](std::string_view) {
                                ADD_FAILURE() << "not asked for";
                                return OkStatus();
                              }});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "<Error/>");
}

TEST_F(TransportTest, RedirectsAreNotFollowed) {
  const StoreServer server([](const ServedRequest&) {
    return ServedAnswer{.status = 307,
                        .headers = {{"Location", "http://127.0.0.1:1/"}}};
  });
  EXPECT_EQ(Perform(server, {})->status, 307);
}

TEST_F(TransportTest, SaysWhatBroke) {
  const StoreServer cut(
      [](const ServedRequest&) { return ServedAnswer{.cuts = true}; });
  EXPECT_THAT(Perform(cut, {.path = "/key"}),
              StatusIs(Code::kUnavailable, HasSubstr("/key")));
  const StoreServer half([](const ServedRequest&) {
    return ServedAnswer{.raw =
                            "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc"};
  });
  EXPECT_THAT(Perform(half, {}), StatusIs(Code::kUnavailable, _));
  EXPECT_THAT(transport_.Perform({.origin = "http://127.0.0.1:1"}, {}),
              StatusIs(Code::kUnavailable, HasSubstr("127.0.0.1:1")));
  EXPECT_THAT(transport_.Perform({.origin = "ftp://127.0.0.1"}, {}),
              StatusIs(Code::kInvalidArgument, _));
  const StoreServer good([](const ServedRequest&) { return ServedAnswer{}; });
  EXPECT_THAT(Perform(good, {.headers = {{"a", "b\r\nc: d"}}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("line feed")));
  EXPECT_THAT(Perform(good, {}), IsOk());
}

TEST_F(TransportTest, ASinkOrABlobThatFailsEndsIt) {
  const StoreServer server([](const ServedRequest&) {
    return ServedAnswer{.body = std::string(100'000, 'x')};
  });
  EXPECT_THAT(
      Perform(
          server, {},
          {.sink = [](std::string_view) { return ResourceExhausted("full"); }}),
      StatusIs(Code::kResourceExhausted, HasSubstr("full")));
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("f"), "abc"), IsOk());
  const FileBlob shorter(UniqueFd(::open(dir.File("f").c_str(), O_RDONLY)), 9,
                         "f");
  EXPECT_THAT(
      Perform(server, {.method = "PUT", .body = &shorter, .body_bytes = 9}),
      StatusIs(Code::kFailedPrecondition, HasSubstr("shrunk")));
  EXPECT_THAT(Perform(server, {}), IsOk());
}

TEST_F(TransportTest, AStopEndsItAtOnce) {
  std::atomic<bool> is_asked = false;
  std::atomic<bool> is_over = false;  // its answer does not come before
  std::stop_source stop;
  const StoreServer server([&](const ServedRequest& r) {
    if (r.target == "/") {
      is_asked = true;
      while (!is_over) std::this_thread::yield();
    }
    return ServedAnswer{.body = "late"};
  });
  std::jthread stopper([&] {
    while (!is_asked) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_THAT(Perform(server, {}, {.stop = stop.get_token()}),
              StatusIs(Code::kCancelled, _));
  // One that was stopped before.
  EXPECT_THAT(Perform(server, {}, {.stop = stop.get_token()}),
              StatusIs(Code::kCancelled, _));
  is_over = true;
  EXPECT_EQ(Perform(server, {.path = "/next"})->body, "late");
}

// Who stands between is asked for the whole address.
TEST_F(TransportTest, GoesByAProxy) {
  const StoreServer proxy(
      [](const ServedRequest& r) { return ServedAnswer{.body = r.target}; });
  Transport transport({.proxy = proxy.origin()});
  const HttpRequest request{.origin = "http://store.invalid:81",
                            .path = "/bucket/key"};
  const auto answer = transport.Perform(request, {});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->body, "http://store.invalid:81/bucket/key");
}

// Both ways, in pieces, whole, and never faster than that.
TEST_F(TransportTest, KeepsToTheBandwidth) {
  const StoreServer server(
      [](const ServedRequest& r) { return ServedAnswer{.body = r.body}; });
  Pace pace(2u << 20, SystemClock());
  Transport transport({.bandwidth = &pace});
  std::string large(1u << 20, 'x');
  for (std::size_t i = 0; i < large.size(); ++i)
    large[i] = static_cast<char>(i * 131 >> 3);
  const MemoryBlob blob(large);
  const HttpRequest request{.method = "PUT",
                            .origin = server.origin(),
                            .body = &blob,
                            .body_bytes = blob.bytes()};
  const MonotonicTime began = SystemClock().Monotonic();
  std::string got;
  const auto answer =
      transport.Perform(request, {.sink = [&](std::string_view piece) {
                          got += piece;
                          return OkStatus();
                        }});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(got, large);
  // 2 MiB at 2 MiB/s, but for what is given at once and the last piece.
  EXPECT_GE(SystemClock().Monotonic() - began, std::chrono::milliseconds(600));
}

TEST_F(TransportTest, ManyGoAtOnce) {
  Mutex mutex;
  CondVar all_there;
  int there = 0;
  constexpr int kThreads = 8;
  // Nobody is answered before all have asked.
  const StoreServer server([&](const ServedRequest& r) {
    MutexLock lock(mutex);
    if (++there == kThreads) all_there.NotifyAll();
    while (there < kThreads) all_there.Wait(mutex);
    return ServedAnswer{.body = r.target};
  });
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::string path = StrCat("/", i);
      for (int n = 0; n < 20; ++n) {
        const auto answer = Perform(server, {.path = path});
        ASSERT_THAT(answer, IsOk());
        EXPECT_EQ(answer->body, path);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(server.accepted(), kThreads);
}

}  // namespace
}  // namespace fodc::object_store
