// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fodc/base/clock.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/link/test_agent.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::proxy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ProxyTest : public ::testing::Test {
 protected:
  ProxyTest() {
    options_.grpc_listen_addr = "127.0.0.1:0";
    options_.http_listen_addr = "127.0.0.1:0";
    options_.shutdown_timeout = std::chrono::milliseconds(500);
  }
  net::RawResponse Get(const Proxy& proxy, const std::string& target) {
    net::RawClient client(loop_, proxy.http_port());
    client.Get(target);
    return client.Read();
  }
  net::EventLoop loop_{SystemClock()};
  ProxyOptions options_;
};

TEST_F(ProxyTest, ServesBothPortsAndItsOwnMetrics) {
  auto proxy = Proxy::Start(loop_, options_);
  ASSERT_THAT(proxy, IsOk());
  EXPECT_GT((*proxy)->grpc_port(), 0);
  EXPECT_EQ(Get(**proxy, "/readyz").status, 200);
  const std::string page = Get(**proxy, "/metrics").body;
  for (const char* family :
       {"fodc_proxy_agents", "fodc_proxy_conflicts_total",
        "fodc_proxy_frames_total", "fodc_proxy_gaps_total",
        "fodc_proxy_flight_bytes_total", "fodc_proxy_recording_bytes",
        "fodc_proxy_http_requests_total", "fodc_proxy_build_info",
        "fodc_proxy_process_cpu_seconds_total",
        "fodc_proxy_v1_answer_seconds"}) {
    EXPECT_THAT(page, HasSubstr(StrCat("\n# TYPE ", family, " ")));
  }
  EXPECT_THAT(page, HasSubstr("\nfodc_proxy_agents{state=\"online\"} 0\n"));
  // Every family once, with a help.
  std::set<std::string> types;
  std::set<std::string> helps;
  for (const std::string_view line : Split(page, '\n')) {
    const auto words = Split(line, ' ');
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(types.emplace(words[2]).second) << line;
    } else if (line.starts_with("# HELP ")) {
      helps.emplace(words[2]);
    }
  }
  EXPECT_EQ(types, helps);
}

TEST_F(ProxyTest, NamesTheFlagOfAPortThatIsTaken) {
  auto first = Proxy::Start(loop_, options_);
  ASSERT_THAT(first, IsOk());
  ProxyOptions second = options_;
  second.http_listen_addr = StrCat("127.0.0.1:", (*first)->http_port());
  EXPECT_THAT(Proxy::Start(loop_, second).status().message(),
              AllOf(HasSubstr("--http-listen-addr"), HasSubstr("taken")));
  second = options_;
  second.grpc_listen_addr = StrCat("127.0.0.1:", (*first)->grpc_port());
  EXPECT_THAT(Proxy::Start(loop_, second).status().message(),
              HasSubstr("--grpc-listen-addr"));
  second.grpc_listen_addr = "nonsense";
  EXPECT_THAT(Proxy::Start(loop_, second).status().message(),
              HasSubstr("--grpc-listen-addr"));
}

TEST_F(ProxyTest, StopsInGoodOrder) {
  auto proxy = Proxy::Start(loop_, options_);
  ASSERT_THAT(proxy, IsOk());
  const std::uint16_t port = (*proxy)->http_port();
  link::TestAgent::Options agent_options;
  agent_options.link =
      link::QuickLinkOptions(StrCat("127.0.0.1:", (*proxy)->grpc_port()));
  link::TestAgent agent(loop_, agent_options);
  agent.StartLink();
  ASSERT_TRUE(loop_.RunUntil(
      [&] { return agent.stats().state == link::LinkState::kFlight; },
      std::chrono::seconds(10)));
  // A request that has begun, and one that has been answered.
  net::RawClient begun(loop_, port);
  begun.Send("GET /readyz HTTP/1.1\r\nHost: x\r\n");
  net::RawClient idle(loop_, port);
  idle.Get("/readyz");
  ASSERT_EQ(idle.Read().status, 200);

  bool done = false;
  (*proxy)->Stop([&] { done = true; });
  net::RawClient late(loop_, port);
  EXPECT_FALSE(late.connected());
  EXPECT_TRUE(idle.WaitForEnd());
  begun.Send("\r\n");
  const net::RawResponse answer = begun.Read();
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.complete);
  EXPECT_THAT(answer.body, HasSubstr("stopping"));
  // The agent tries again at once, so this is not its last failure for long.
  bool heard = false;
  EXPECT_TRUE(loop_.RunUntil(
      [&] {
        heard |= agent.stats().last_failure.message().find(
                     "the proxy is stopping") != std::string::npos;
        return heard && done;
      },
      std::chrono::seconds(10)));
  agent.StopLink();
}

}  // namespace
}  // namespace fodc::proxy
