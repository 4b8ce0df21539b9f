// SPDX-License-Identifier: Apache-2.0
// The harness itself: a test that passes because its tools are broken is worse
// than none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>

#include "fodc/base/file.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/http.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

std::string Url(std::uint16_t port, const std::string& path = "/metrics") {
  return "http://127.0.0.1:" + std::to_string(port) + path;
}

TEST(ProcessTest, GivesExitCodeAndBothStreams) {
  const Output o = RunToEnd({"sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(o.exit_code, 7);
  EXPECT_EQ(o.out, "out\n");
  EXPECT_EQ(o.err, "err\n");
}

TEST(ProcessTest, SaysWhatCannotBeExecuted) {
  const Output o = RunToEnd({"/no/such/program"});
  EXPECT_EQ(o.exit_code, 127);
  EXPECT_THAT(o.err, testing::HasSubstr("/no/such/program"));
}

TEST(ProcessTest, KillsTheWholeGroup) {
  const TempDirectory dir;
  Process p =
      Process::Start({.name = "sh",
                      .argv = {"sh", "-c", "sleep 1000 & echo $!; wait"},
                      .env = {},
                      .log_path = dir.File("log"),
                      .stdout_path = ""});
  ASSERT_TRUE(WaitUntil([&] { return !p.Log().empty(); }));
  const pid_t child = std::stoi(p.Log());
  EXPECT_TRUE(p.Running());
  p.Kill();
  EXPECT_FALSE(p.Running());
  EXPECT_EQ(p.WaitExitCode(0ms), 128 + SIGKILL);
  // Gone, or a zombie that init has not reaped yet.
  EXPECT_TRUE(WaitUntil([&] {
    const auto stat = ReadFile("/proc/" + std::to_string(child) + "/stat");
    return !stat.ok() || stat->find(") Z") != std::string::npos;
  }));
}

TEST(ProcessTest, StopsWithinTheLimitAProcessThatIgnoresTheSignal) {
  const TempDirectory dir;
  Process p = Process::Start(
      {.name = "sh",
       .argv = {"sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"},
       .env = {},
       .log_path = dir.File("log"),
       .stdout_path = ""});
  ASSERT_TRUE(WaitUntil([&] { return !p.Log().empty(); }));
  EXPECT_EQ(p.Stop(100ms), 128 + SIGKILL);
}

TEST(ProcessTest, FreePortsDiffer) { EXPECT_NE(FreePort(), FreePort()); }

TEST(FakeEndpointTest, AnswersOverOneConnectionAndManyTimes) {
  const FakeEndpoint endpoint("a 1\n");
  for (int i = 0; i < 3; ++i) {
    const HttpAnswer answer = Get(Url(endpoint.port()));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "a 1\n");
  }
  RawConnection raw(endpoint.port());
  ASSERT_TRUE(raw.connected());
  ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(raw.Receive(5s, "a 1\nHTTP/1.1"), testing::HasSubstr("a 1\nH"));
  EXPECT_EQ(endpoint.requests(), 5U);
}

TEST(FakeEndpointTest, EndsWhileARequestHangs) {
  auto endpoint = std::make_unique<FakeEndpoint>(
      [](std::string_view, Exchange& e) { e.Hang(); });
  EXPECT_EQ(Get(Url(endpoint->port()), 100ms).status, 0);
  endpoint.reset();
}

TEST(TcpRelayTest, PassesCutsFreezesAndHeals) {
  const FakeEndpoint endpoint("a 1\n");
  TcpRelay relay(endpoint.port());
  EXPECT_EQ(Get(Url(relay.port())).status, 200);

  RawConnection open(relay.port());
  ASSERT_TRUE(open.Send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(open.Receive(5s, "a 1\n"), testing::HasSubstr("200"));
  relay.Cut();
  EXPECT_TRUE(open.ClosedWithin(5s));
  EXPECT_EQ(Get(Url(relay.port()), 1s).status, 0);
  relay.Heal();
  EXPECT_TRUE(WaitUntil([&] { return Get(Url(relay.port())).status == 200; }));

  RawConnection frozen(relay.port());
  ASSERT_TRUE(frozen.Send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(frozen.Receive(5s, "a 1\n"), testing::HasSubstr("200"));
  relay.Freeze();
  EXPECT_EQ(Get(Url(relay.port()), 300ms).status, 0);
  EXPECT_FALSE(frozen.ClosedWithin(100ms));
  relay.Heal();
  EXPECT_TRUE(frozen.ClosedWithin(5s));
  EXPECT_TRUE(WaitUntil([&] { return Get(Url(relay.port())).status == 200; }));
}

TEST(ReadPageTest, ReadsWhatPagesHold) {
  int bad = 0;
  const auto page = ReadPage(
      "# HELP a b\na 1\nb{x=\"y}, \\\"z\\n\", e=\"\"} NaN 123\r\n"
      "c{} +Inf # {id=\"1\"} 2\nd\n{broken\n",
      &bad);
  ASSERT_EQ(page.size(), 3U);
  EXPECT_EQ(bad, 2);
  EXPECT_EQ(page[1].labels.at("x"), "y}, \"z\n");
  EXPECT_EQ(page[1].labels.at("e"), "");
  EXPECT_TRUE(std::isnan(page[1].value));
  EXPECT_EQ(page[1].timestamp, "123");
  EXPECT_TRUE(std::isinf(page[2].value));
  EXPECT_EQ(page[2].timestamp, "");
}

}  // namespace
}  // namespace fodc::test
