// SPDX-License-Identifier: Apache-2.0
// Hostile and clumsy HTTP clients of the proxy: a sentence or a deadline for
// them, an answer in time for everybody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <optional>
#include <vector>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

class BadHttpTest : public testing::Test {
 protected:
  void SetUp() override {
    agent_.emplace(dir_, AgentOptions{.pod = "a",
                                      .endpoint_ports = {endpoint_.port()},
                                      .proxy_ports = {proxy_.grpc_port()}});
    ASSERT_TRUE(proxy_.Start());
    ASSERT_TRUE(agent_->Start());
    ASSERT_TRUE(WaitUntil(
        [&] { return ValueOf(proxy_.Get("/metrics").body, "good") == 1; }));
  }

  void ExpectRefused(const std::string& path, const std::string& words) {
    SCOPED_TRACE(path);
    const HttpAnswer a = proxy_.Get(path);
    EXPECT_EQ(a.status, 400);
    EXPECT_THAT(a.body, HasSubstr(words));
    EXPECT_TRUE(a.body.ends_with('\n'));
    EXPECT_LT(a.body.size(), 1000U);
  }
  void ExpectServesOthersInTime() {
    const HttpAnswer a = proxy_.Get("/metrics");
    EXPECT_EQ(a.status, 200) << a.error;  // within the client's ten seconds
    EXPECT_THAT(a.body, HasSubstr("\ngood{"));
  }

  TempDirectory dir_{"fodc-bad-http"};
  FakeEndpoint endpoint_{std::string("# TYPE good gauge\ngood 1\n")};
  FodcProxy proxy_{dir_, {"--http-read-timeout=2s", "--http-write-timeout=2s"}};
  std::optional<FodcAgent> agent_;
};

TEST_F(BadHttpTest, BadTimes) {
  ExpectRefused("/metrics-windows?start_time=yesterday",
                "Invalid start_time format");
  ExpectRefused("/metrics-windows?end_time=2026-13-45T00:00:00Z",
                "Invalid end_time format");
  ExpectRefused("/metrics?at=noon", "at");
  ExpectRefused("/metrics-windows?start_time=2026-11-21T10:00:00%20UTC",
                "nor seconds since 1970");
}

TEST_F(BadHttpTest, StartAfterEnd) {
  ExpectRefused(
      "/metrics-windows?start_time=2026-11-21T10:00:01Z"
      "&end_time=2026-11-21T10:00:00Z",
      "start_time");
}

TEST_F(BadHttpTest, UnknownParameterValues) {
  ExpectRefused("/metrics-windows?format=xml", "format");
  ExpectRefused("/metrics-windows?match[]=" + UrlEncode("{broken"), "broken");
  ExpectRefused("/metrics-windows?match[]=" +
                    UrlEncode("{a=~\"" + std::string(50, '(') + "\"}"),
                "selector");
}

TEST_F(BadHttpTest, WrongMethodsAndPaths) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "HEAD"}) {
    const HttpAnswer a = Request(method, proxy_.Url("/metrics"), "");
    EXPECT_EQ(a.status, 405) << method;
  }
  const HttpAnswer a = proxy_.Get("/no/such/path");
  EXPECT_EQ(a.status, 404);
  EXPECT_EQ(a.body, "404 page not found\n");
}

TEST_F(BadHttpTest, HugeHeadersAndGarbage) {
  RawConnection huge(proxy_.port());
  huge.Send("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Big: " +
            std::string(1 << 20, 'a') + "\r\n\r\n");
  EXPECT_THAT(huge.Receive(5s, "\r\n\r\n"), HasSubstr(" 431 "));
  RawConnection garbage(proxy_.port());
  ASSERT_TRUE(garbage.Send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7) +
                           "\r\n\r\n"));
  EXPECT_THAT(garbage.Receive(5s), HasSubstr(" 400 "));
  RawConnection smuggler(proxy_.port());
  ASSERT_TRUE(
      smuggler.Send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: "
                    "99999999999999\r\n\r\n"));
  EXPECT_THAT(smuggler.Receive(5s, "\r\n\r\n"), HasSubstr(" 413 "));
  ExpectServesOthersInTime();
}

TEST_F(BadHttpTest, SlowClientsMeetADeadline) {
  RawConnection silent(proxy_.port());
  ASSERT_TRUE(silent.Send("GET /metr"));  // and no more
  RawConnection dripping(proxy_.port());
  ExpectServesOthersInTime();
  EXPECT_TRUE(silent.ClosedWithin(8s));
  // A byte now and then does not help: the deadline is for all headers.
  const auto start = std::chrono::steady_clock::now();
  bool closed = false;
  while (!closed && std::chrono::steady_clock::now() - start < 10s) {
    closed = !dripping.Send("G") || dripping.ClosedWithin(200ms);
  }
  EXPECT_TRUE(closed);
  ExpectServesOthersInTime();
}

TEST_F(BadHttpTest, ClientThatDoesNotReadIsCutAndCostsNobody) {
  const auto cut = [&] {
    return ValueOf(proxy_.Get("/metrics").body,
                   "fodc_proxy_http_timeouts_total", {{"phase", "write"}});
  };
  EXPECT_EQ(cut(), 0);
  RawConnection lazy(proxy_.port());
  // Their answers are more than the sockets between us can hold.
  std::string requests;
  for (int i = 0; i < 3000; ++i) {
    requests += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  ASSERT_TRUE(lazy.Send(requests));
  ExpectServesOthersInTime();
  EXPECT_TRUE(WaitUntil([&] { return cut() == 1; }, 20s, 200ms));
  // What was on its way can be read, and then no more comes.
  EXPECT_TRUE(lazy.ClosedWithin(10s));
  ExpectServesOthersInTime();
}

TEST_F(BadHttpTest, ManyConnections) {
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<std::unique_ptr<RawConnection>> idle;
  idle.reserve(2000);
  for (int i = 0; i < 2000; ++i) {
    idle.push_back(std::make_unique<RawConnection>(proxy_.port()));
  }
  ExpectServesOthersInTime();
  EXPECT_TRUE(proxy_.process().Running());
  idle.clear();
  ExpectServesOthersInTime();
}

}  // namespace
}  // namespace fodc::test
