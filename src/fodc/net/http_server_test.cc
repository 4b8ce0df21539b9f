// SPDX-License-Identifier: Apache-2.0
// Routes, methods, answers and rights; http_server_limits_test.cc has clients
// that behave badly.
#include "fodc/net/http_server.h"

#include <gmock/gmock.h>

#include <optional>

#include "fodc/base/status_matchers.h"
#include "fodc/net/compression.h"
#include "fodc/net/http_test_peer.h"
#include "tests/support/gzip.h"

namespace fodc::net {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class HttpServerTest : public ::testing::Test {
 protected:
  void Start() { ASSERT_THAT(server_.Listen("127.0.0.1:0"), IsOk()); }
  RawClient Client() { return RawClient(loop_, server_.port()); }
  RawResponse Get(std::string_view target, std::string_view headers = "") {
    RawClient c = Client();
    c.Get(target, headers);
    return c.Read();
  }
  RawResponse Request(std::string_view method, std::string_view target) {
    RawClient c = Client();
    c.Send(StrCat(method, " ", target, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    return c.Read(method == "HEAD");
  }

  FakeClock clock_;
  EventLoop loop_{clock_};
  HttpServer server_{loop_};
};

TEST_F(HttpServerTest, AnswersAnExactPath) {
  server_.Route("/health", Access::kPublic, [](const HttpRequest& r) {
    EXPECT_EQ(r.method, "GET");
    EXPECT_EQ(r.route, "/health");
    EXPECT_EQ(r.peer_address, "127.0.0.1");
    EXPECT_TRUE(r.peer_is_loopback);
    EXPECT_EQ(r.Header("X-A"), "b");
    return JsonResponse("{}\n");
  });
  Start();
  const RawResponse r = Get("/health", "x-a: b\r\n");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "{}\n");
  EXPECT_EQ(r.Header("Content-Type"), "application/json");
  EXPECT_EQ(r.Header("Content-Length"), "3");
  EXPECT_EQ(r.Header("Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
}

TEST_F(HttpServerTest, AnUnknownPathIs404) {
  server_.Route("/a/{b}", Access::kPublic,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  for (const char* path : {"/", "/b", "/a", "/a/", "/a/b/c", "/a/b/"}) {
    const RawResponse r = Get(path);
    EXPECT_EQ(r.status, 404) << path;
    EXPECT_EQ(r.body, "404 page not found\n");
    EXPECT_EQ(r.Header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(r.Header("X-Content-Type-Options"), "nosniff");
  }
  EXPECT_EQ(Request("POST", "/b").status, 404);
}

TEST_F(HttpServerTest, OtherMethodsThanGetAre405) {
  server_.Route("/metrics", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  for (const char* method :
       {"POST", "OPTIONS", "DELETE", "PUT", "PATCH", "PROPFIND", "HEAD"}) {
    const RawResponse r = Request(method, "/metrics");
    EXPECT_EQ(r.status, 405) << method;
    EXPECT_EQ(r.Header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(r.Header("Content-Length"), "19");
    EXPECT_EQ(r.Header("Allow"), "");
    if (method != std::string_view("HEAD")) {
      EXPECT_EQ(r.body, "Method not allowed\n");
    }
  }
}

TEST_F(HttpServerTest, AHeadAnswerHasNoBodyAndTheConnectionGoesOn) {
  server_.Route("/metrics", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  RawClient c = Client();
  c.Send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(c.Read(true).status, 405);
  c.Get("/metrics");
  EXPECT_EQ(c.Read().body, "x");
}

TEST_F(HttpServerTest, ARouteMayTakeAnotherMethodWithABody) {
  server_.Route(
      "/-/reload", Access::kOperator,
      [](const HttpRequest& r) { return TextResponse("got " + r.body); },
      "POST");
  Start();
  RawClient c = Client();
  c.Send("POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_EQ(c.Read().body, "got body");
  c.Send(
      "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(c.Read().status, 100);
  c.Send("hi");
  EXPECT_EQ(c.Read().body, "got hi");
  EXPECT_EQ(Get("/-/reload").status, 405);
}

TEST_F(HttpServerTest, ANonCanonicalPathIsRedirected) {
  server_.Route("/a/b", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  for (const char* path : {"//a/b?q=1", "/a/./b?q=1", "/c/../a/b?q=1"}) {
    const RawResponse r = Get(path);
    EXPECT_EQ(r.status, 301) << path;
    EXPECT_EQ(r.Header("Location"), "/a/b?q=1");
  }
  // Not to another machine.
  EXPECT_EQ(Get("//evil.example/x").Header("Location"), "/evil.example/x");
  EXPECT_EQ(Get("/./\\evil.example").Header("Location"), "/%5Cevil.example");
}

TEST_F(HttpServerTest, PlaceholdersAreDecodedAfterSplitting) {
  std::vector<std::string> values;
  server_.Route("/p/{pod}/{id}", Access::kViewer, [&](const HttpRequest& r) {
    values = r.path_values;
    return TextResponse("two");
  });
  server_.Route("/p/exact/{id}", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("exact"); });
  Start();
  EXPECT_EQ(Get("/p/a%2Fb%20c/%2e%2e").body, "two");
  EXPECT_THAT(values, ElementsAre("a/b c", ".."));
  EXPECT_EQ(Get("/p/exact/1").body, "exact");
  EXPECT_EQ(Get("/p/ex%61ct/1").body, "exact");
}

TEST_F(HttpServerTest, APlaceholderMayHaveAnEnding) {
  std::vector<std::string> values;
  const auto as = [&](const char* name) {
    return [&values, name](const HttpRequest& r) {
      values = r.path_values;
      return TextResponse(name);
    };
  };
  server_.Route("/i/{id}", Access::kViewer, as("plain"));
  server_.Route("/i/{id}.zst", Access::kViewer, as("zst"));
  server_.Route("/i/{id}.tar.zst", Access::kViewer, as("capsule"));
  server_.Route("/i/exact.zst", Access::kViewer, as("exact"));
  server_.Route("/i/{id}/{file}", Access::kViewer, as("file"));
  Start();
  EXPECT_EQ(Get("/i/a").body, "plain");
  EXPECT_THAT(values, ElementsAre("a"));
  EXPECT_EQ(Get("/i/a.b.zst").body, "zst");
  EXPECT_THAT(values, ElementsAre("a.b"));
  EXPECT_EQ(Get("/i/a.tar.zst").body, "capsule");
  EXPECT_THAT(values, ElementsAre("a"));
  EXPECT_EQ(Get("/i/exact.zst").body, "exact");
  EXPECT_EQ(Get("/i/a.tar.zst/b").body, "file");
  EXPECT_THAT(values, ElementsAre("a.tar.zst", "b"));
  // Decoded, and never empty.
  EXPECT_EQ(Get("/i/%2e%2e%2fa.tar.zst").body, "capsule");
  EXPECT_THAT(values, ElementsAre("../a"));
  EXPECT_EQ(Get("/i/a%2Etar.zst").body, "capsule");
  Get("/i/.zst");
  EXPECT_THAT(values, ElementsAre(".zst"));
}

TEST_F(HttpServerTest, BadPercentEncodingIs400WithASentence) {
  server_.Route("/metrics", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  for (const char* target : {"/metrics?role=%zz", "/metrics%4", "/%"}) {
    const RawResponse r = Get(target);
    EXPECT_EQ(r.status, 400) << target;
    EXPECT_THAT(r.body, HasSubstr("bad percent encoding at \"%"));
    EXPECT_EQ(r.Header("X-Content-Type-Options"), "nosniff");
  }
}

TEST_F(HttpServerTest, GivesTheQuery) {
  server_.Route("/q", Access::kViewer, [](const HttpRequest& r) {
    return TextResponse(std::string(r.query.GetOr("a")) + "," +
                        std::string(r.query.GetOr("match[]")));
  });
  Start();
  EXPECT_EQ(Get("/q?a=1&a=2&match[]=x%7By%3D%22z%22%7D").body, "1,x{y=\"z\"}");
  EXPECT_EQ(Get("http://host/q?a=3").body, "3,");
}

TEST_F(HttpServerTest, WhatIsNotHttpIs400AndTheConnectionEnds) {
  Start();
  RawClient c = Client();
  c.Send("\x16\x03\x01\x02\x00\x01 hello\r\n\r\n");
  const RawResponse r = c.Read();
  EXPECT_EQ(r.status, 400);
  EXPECT_THAT(r.body, HasSubstr("not an HTTP/1.1 request"));
  EXPECT_EQ(r.Header("Connection"), "close");
  c.ShutdownWrite();
  EXPECT_TRUE(c.WaitForEnd());
  EXPECT_EQ(server_.stats().bad_requests, 1u);
  EXPECT_EQ(Get("*").status, 400);
}

TEST_F(HttpServerTest, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  std::vector<Responder> waiting;
  server_.Route("/later", Access::kViewer,
                [&](const std::shared_ptr<const HttpRequest>&, Responder r) {
                  waiting.push_back(std::move(r));
                });
  server_.Route("/now", Access::kViewer, [](const HttpRequest& r) {
    return TextResponse(std::string(r.query.GetOr("n")));
  });
  Start();
  RawClient c = Client();
  c.Send(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /now?n=1 HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /now?n=2 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(loop_.RunUntil([&] { return waiting.size() == 1; }));
  waiting[0].Send(TextResponse("0"));
  EXPECT_EQ(c.Read().body, "0");
  EXPECT_EQ(c.Read().body, "1");
  EXPECT_EQ(c.Read().body, "2");
  EXPECT_EQ(server_.stats().connections_accepted, 1u);
}

TEST_F(HttpServerTest, ClosesWhenAskedTo) {
  server_.Route("/x", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  RawClient c = Client();
  c.Get("/x", "Connection: close\r\n");
  EXPECT_EQ(c.Read().Header("Connection"), "close");
  EXPECT_TRUE(c.WaitForEnd());
  EXPECT_FALSE(c.reset());
}

TEST_F(HttpServerTest, AnUnusedResponderAnswers500) {
  server_.Route("/x", Access::kViewer,
                [](const std::shared_ptr<const HttpRequest>&, Responder) {});
  Start();
  const RawResponse r = Get("/x");
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(r.body, "Internal Server Error\n");
}

TEST_F(HttpServerTest, NoHeaderIsSmuggledInByAValue) {
  server_.Route("/x", Access::kViewer, [](const HttpRequest&) {
    HttpResponse r = TextResponse("x");
    r.headers.emplace_back("X-Name", "a\r\nX-Evil: 1");
    return r;
  });
  Start();
  const RawResponse r = Get("/x");
  EXPECT_EQ(r.Header("X-Evil"), "");
  EXPECT_EQ(r.Header("X-Name"), "a  X-Evil: 1");
}

TEST_F(HttpServerTest, StatusesBecomeErrors) {
  server_.Route("/x", Access::kViewer, [](const HttpRequest& r) {
    const std::string_view code = r.query.GetOr("c");
    if (code == "3") return StatusError(InvalidArgument("start is after end"));
    if (code == "5") return StatusError(NotFound("no such pod"));
    return StatusError(Unavailable("not now"));
  });
  Start();
  EXPECT_EQ(Get("/x?c=3").status, 400);
  EXPECT_EQ(Get("/x?c=3").body, "start is after end\n");
  EXPECT_EQ(Get("/x?c=5").status, 404);
  EXPECT_EQ(Get("/x?c=14").status, 503);
}

TEST_F(HttpServerTest, AsksTheAuthorizerForEveryRouteThatIsNotPublic) {
  const auto ok = [](const HttpRequest&) { return TextResponse("in"); };
  server_.Route("/healthz", Access::kPublic, ok);
  server_.Route("/read", Access::kViewer, ok);
  server_.Route("/change", Access::kOperator, ok);
  std::vector<Access> asked;
  server_.SetAuthorizer([&](const HttpRequest& r, Access a) -> Status {
    asked.push_back(a);
    if (r.Header("Authorization").empty()) return Unauthenticated("who?");
    if (a == Access::kOperator) return PermissionDenied("viewers only read");
    return OkStatus();
  });
  Start();
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_THAT(asked, ElementsAre());
  const RawResponse who = Get("/read");
  EXPECT_EQ(who.status, 401);
  EXPECT_EQ(who.Header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(Get("/read", "Authorization: Bearer t\r\n").status, 200);
  const RawResponse no = Get("/change", "Authorization: Bearer t\r\n");
  EXPECT_EQ(no.status, 403);
  EXPECT_EQ(no.body, "viewers only read\n");
  EXPECT_THAT(asked,
              ElementsAre(Access::kViewer, Access::kViewer, Access::kOperator));
}

TEST(AuthorizeOpenTest, ChangesAreForLoopbackOnly) {
  HttpRequest far;
  far.peer_address = "10.0.0.1";
  HttpRequest near;
  near.peer_is_loopback = true;
  EXPECT_THAT(AuthorizeOpen(far, Access::kViewer), IsOk());
  EXPECT_THAT(AuthorizeOpen(near, Access::kOperator), IsOk());
  EXPECT_THAT(AuthorizeOpen(far, Access::kOperator),
              StatusIs(Code::kPermissionDenied, HasSubstr("credentials")));
  EXPECT_EQ(AuthorizeOpen(far, Access::kAdmin).code(), Code::kPermissionDenied);
}

TEST(AuthorizeOpenTest, NobodySpeaksThroughThisMachine) {
  const auto ask = [](std::string name, std::string value) {
    HttpRequest request;
    request.peer_is_loopback = true;
    request.headers = {{std::move(name), std::move(value)}};
    EXPECT_THAT(AuthorizeOpen(request, Access::kViewer), IsOk());
    return AuthorizeOpen(request, Access::kOperator);
  };
  for (const char* host : {"localhost", "localhost:17913", "127.0.0.1:17913",
                           "[::1]:17913", "[::1]", "db-0", "10.1.2.3"}) {
    EXPECT_THAT(ask("Host", host), IsOk()) << host;
  }
  // A name server of an evil page gives its name to 127.0.0.1.
  for (const char* host : {"evil.example", "127.0.0.1.evil.example:17913"}) {
    EXPECT_THAT(ask("host", host),
                StatusIs(Code::kPermissionDenied, HasSubstr("a web page")));
  }
  EXPECT_THAT(ask("Origin", "http://evil.example"),
              StatusIs(Code::kPermissionDenied, HasSubstr("a web page")));
  EXPECT_THAT(ask("Sec-Fetch-Site", "cross-site"),
              StatusIs(Code::kPermissionDenied, HasSubstr("a web page")));
  EXPECT_THAT(ask("Sec-Fetch-Site", "none"), IsOk());
  for (const char* header :
       {"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"}) {
    EXPECT_THAT(ask(header, "10.0.0.1"),
                StatusIs(Code::kPermissionDenied, HasSubstr("a proxy")));
  }
}

TEST_F(HttpServerTest, CompressesForAClientThatAsks) {
  const std::string text(100'000, 'm');
  server_.Route("/big", Access::kViewer,
                [&](const HttpRequest&) { return TextResponse(text); });
  server_.Route("/small", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("small"); });
  Start();
  for (const auto coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    const RawResponse r =
        Get("/big", StrCat("Accept-Encoding: ", ContentCodingName(coding),
                           ", br;q=0.1\r\n"));
    ASSERT_TRUE(r.complete);
    EXPECT_EQ(r.Header("Content-Encoding"), ContentCodingName(coding));
    EXPECT_EQ(r.Header("Vary"), "Accept-Encoding");
    EXPECT_LT(r.body.size(), 10'000u);
    std::string decoded;
    const auto d = MakeDecompressor(coding);
    ASSERT_THAT(d->Add(r.body, &decoded, text.size()), IsOk());
    EXPECT_THAT(d->End(), IsOk());
    EXPECT_EQ(decoded, text);
  }
  const RawResponse plain = Get("/big", "Accept-Encoding: gzip;q=0\r\n");
  EXPECT_EQ(plain.Header("Content-Encoding"), "");
  EXPECT_EQ(plain.Header("Vary"), "Accept-Encoding");
  EXPECT_EQ(plain.body, text);
  EXPECT_EQ(Get("/small", "Accept-Encoding: gzip\r\n").body, "small");
}

TEST_F(HttpServerTest, SendsABodyThatIsKeptCompressedAsItIs) {
  const auto kept = std::make_shared<const std::string>(test::Gzip("kept"));
  server_.Route("/x", Access::kViewer, [&](const HttpRequest& r) {
    EXPECT_TRUE(r.accepts_gzip);
    HttpResponse response;
    response.shared_body = kept;
    response.coded_as = ContentCoding::kGzip;
    return response;
  });
  Start();
  const RawResponse r = Get("/x", "Accept-Encoding: zstd, gzip;q=0.5\r\n");
  EXPECT_EQ(r.Header("Content-Encoding"), "gzip");
  EXPECT_EQ(r.body, *kept);
}

TEST_F(HttpServerTest, SendsABigTextWhole) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += StrCat(i, '\n');
  server_.Route("/x", Access::kViewer, [&](const HttpRequest&) {
    HttpResponse r;
    r.shared_body = std::make_shared<const std::string>(text);
    return r;
  });
  Start();
  const RawResponse r = Get("/x");
  EXPECT_EQ(r.Header("Content-Length"), StrCat(text.size()));
  EXPECT_TRUE(r.body == text);
}

TEST_F(HttpServerTest, CountsRequestsByRouteAndStatus) {
  server_.Route("/p/{id}", Access::kViewer,
                [](const HttpRequest&) { return TextResponse("x"); });
  Start();
  (void)Get("/p/1");
  (void)Get("/p/2");
  (void)Get("/nowhere");
  const HttpServerStats& s = server_.stats();
  // The client may have read the last answer before its writing is counted.
  ASSERT_TRUE(loop_.RunUntil([&] { return s.routes.size() == 2; }));
  EXPECT_EQ(s.routes.at({"/p/{id}", 200}).requests, 2u);
  EXPECT_EQ(s.routes.at({"", 404}).requests, 1u);
  EXPECT_EQ(s.connections_accepted, 3u);
  EXPECT_GT(s.bytes_sent, 100u);
  EXPECT_GT(s.bytes_received, 90u);
}

TEST_F(HttpServerTest, ListsItsRoutes) {
  const auto ok = [](const HttpRequest&) { return TextResponse("in"); };
  server_.Route("/b", Access::kViewer, ok);
  server_.Route("/a/{x}", Access::kAdmin, ok, "POST");
  ASSERT_EQ(server_.routes().size(), 2u);
  EXPECT_EQ(server_.routes()[0].pattern, "/b");
  EXPECT_EQ(server_.routes()[1].method, "POST");
  EXPECT_EQ(AccessName(server_.routes()[1].access), "admin");
}

TEST_F(HttpServerTest, ListenNamesWhatIsWrong) {
  Start();
  const std::string taken = StrCat("127.0.0.1:", server_.port());
  EXPECT_THAT(server_.Listen(taken),
              StatusIs(Code::kAlreadyExists,
                       AllOf(HasSubstr(taken), HasSubstr("taken"))));
  for (const char* bad :
       {"9090", "host:port", "::1:9090", ":70000", "no such host:1"}) {
    EXPECT_THAT(server_.Listen(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr(bad)))
        << bad;
  }
}

TEST_F(HttpServerTest, AnEmptyHostListensForBothFamilies) {
  server_.Route("/x", Access::kViewer, [](const HttpRequest& r) {
    return TextResponse(r.peer_address);
  });
  ASSERT_THAT(server_.Listen(":0"), IsOk());
  // An IPv4 client of a socket of both families is seen as IPv4.
  EXPECT_EQ(Get("/x").body, "127.0.0.1");
}

TEST_F(HttpServerTest, StopsAtOnceWhenNothingIsOpen) {
  Start();
  bool done = false;
  server_.Stop(10s, [&] { done = true; });
  EXPECT_TRUE(loop_.RunUntil([&] { return done; }));
  EXPECT_FALSE(Client().connected());
}

TEST_F(HttpServerTest, StopLetsAnAnswerFinishAndClosesIdleConnections) {
  std::optional<Responder> later;
  server_.Route("/later", Access::kViewer,
                [&](const std::shared_ptr<const HttpRequest>&, Responder r) {
                  later = std::move(r);
                });
  Start();
  RawClient idle = Client();
  RawClient busy = Client();
  busy.Get("/later");
  ASSERT_TRUE(loop_.RunUntil([&] {
    return later.has_value() && server_.stats().connections_open == 2;
  }));
  bool done = false;
  server_.Stop(10s, [&] { done = true; });
  EXPECT_TRUE(idle.WaitForEnd());
  EXPECT_FALSE(done);
  later->Send(TextResponse("last"));
  const RawResponse r = busy.Read();
  EXPECT_EQ(r.body, "last");
  EXPECT_EQ(r.Header("Connection"), "close");
  busy.Close();
  EXPECT_TRUE(loop_.RunUntil([&] { return done; }));
}

TEST_F(HttpServerTest, StopCutsWhatDoesNotFinishInTime) {
  std::optional<Responder> never;
  bool cancelled = false;
  server_.Route("/never", Access::kViewer,
                [&](const std::shared_ptr<const HttpRequest>&, Responder r) {
                  r.OnCancel([&] { cancelled = true; });
                  never = std::move(r);
                });
  Start();
  RawClient c = Client();
  c.Get("/never");
  ASSERT_TRUE(loop_.RunUntil([&] { return never.has_value(); }));
  bool done = false;
  server_.Stop(5s, [&] { done = true; });
  loop_.RunReady();
  EXPECT_FALSE(done);
  clock_.Advance(5s);
  EXPECT_TRUE(loop_.RunUntil([&] { return done; }));
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(never->cancelled());
  EXPECT_TRUE(c.WaitForEnd());
  never->Send(TextResponse("too late"));  // no effect
}

}  // namespace
}  // namespace fodc::net
