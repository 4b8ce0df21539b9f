// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/clock.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/link/test_agent.h"
#include "fodc/link/test_peer.h"
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

TEST_F(ProxyTest, CountsWhatAgentsSend) {
  auto proxy = Proxy::Start(loop_, options_);
  ASSERT_THAT(proxy, IsOk());
  const std::string address = StrCat("127.0.0.1:", (*proxy)->grpc_port());
  const auto value = [&](const std::string& series) -> double {
    const std::string page = Get(**proxy, "/metrics").body;
    const std::size_t at = page.find(StrCat("\n", series, " "));
    if (at == std::string::npos) return -1;
    return std::stod(page.substr(at + series.size() + 2));
  };
  const auto until = [&](const std::string& series, double expected) {
    // The page is asked for from here, so this cannot be a task of the loop.
    for (int i = 0; i < 500 && value(series) != expected; ++i) {
      (void)loop_.RunUntil([] { return false; }, std::chrono::milliseconds(10));
    }
    EXPECT_EQ(value(series), expected) << series;
  };
  link::TestAgent::Options agent_options;
  agent_options.link = link::QuickLinkOptions(address);
  link::TestAgent agent(loop_, agent_options);
  agent.Append(20);  // one frame of each of two sources
  agent.StartLink();
  until("fodc_proxy_frames_total", 40);
  until("fodc_proxy_agents{state=\"online\"}", 1);
  EXPECT_EQ(value("fodc_proxy_agents_by_kind{kind=\"flight\"}"), 1);
  EXPECT_EQ(value("fodc_proxy_flight_frames_total"), 40);
  EXPECT_EQ(value("fodc_proxy_flight_bytes_total"),
            static_cast<double>(agent.stats().bytes_sent));
  EXPECT_GT(value("fodc_proxy_log_entries_total"), 10);
  EXPECT_GT(value("fodc_proxy_recording_bytes"), 1000);
  EXPECT_EQ(value("fodc_proxy_recording_samples"),
            static_cast<double>(agent.recording().stats().samples));
  const auto stats = agent.recording().stats();
  const double reach =
      static_cast<double>(stats.to_unix_ms - stats.from_unix_ms) / 1000;
  for (const char* stat : {"least", "median", "most"}) {
    EXPECT_DOUBLE_EQ(
        value(StrCat("fodc_proxy_window_seconds{stat=\"", stat, "\"}")), reach);
  }
  EXPECT_GT(value("fodc_proxy_window_expected_seconds"), reach);
  EXPECT_EQ(value("fodc_proxy_gaps_total"), 0);

  evidence::Incident incident;
  incident.id = "a";
  incident.detector = "read_latency";
  incident.verdict = "W3";
  incident.started_ms = incident.updated_ms = 1000;
  agent.Put(incident);
  until("fodc_proxy_incidents{state=\"open\"}", 1);
  EXPECT_GT(value("fodc_proxy_incident_bytes"), 100);
  incident.ended_ms = 2000;
  incident.revision = 2;
  agent.Put(incident);
  until("fodc_proxy_incidents{state=\"ended\"}", 1);
  EXPECT_EQ(value("fodc_proxy_incidents{state=\"open\"}"), 0);
  for (const auto& [outcome, count] :
       {std::pair("added", 1), {"updated", 1}, {"known", 0}, {"refused", 0}}) {
    EXPECT_EQ(value(StrCat("fodc_proxy_incident_records_total{outcome=\"",
                           outcome, "\"}")),
              count)
        << outcome;
  }
  EXPECT_EQ(value("fodc_proxy_incidents_dropped_total"), 0);

  // One of v1, which answers one page.
  link::V1Peer v1(loop_, address);
  v1.Register("v");
  ASSERT_TRUE(loop_.RunUntil([&] { return v1.registered(); },
                             std::chrono::seconds(10)));
  v1.OpenMetrics();
  (void)loop_.RunUntil([] { return false; }, std::chrono::milliseconds(100));
  net::RawClient client(loop_, (*proxy)->http_port());
  client.Get("/metrics");
  ASSERT_TRUE(loop_.RunUntil([&] { return v1.metrics->received() == 1; },
                             std::chrono::seconds(10)));
  v1.metrics->Send(banyandb::fodc::v1::StreamMetricsRequest());
  EXPECT_EQ(client.Read().status, 200);
  // Its kind left unasked: the counters of answers stay.
  v1.registration->HalfClose();
  until("fodc_proxy_agents{state=\"offline\"}", 1);
  EXPECT_EQ(value("fodc_proxy_v1_answer_seconds_count"), 1);
  EXPECT_EQ(value("fodc_proxy_agents_by_kind{kind=\"v1\"}"), 1);

  // Round trips are known from the second heartbeat on.
  for (int i = 0; i < 800 && agent.stats().round_trip.count() == 0; ++i) {
    (void)loop_.RunUntil([] { return false; }, std::chrono::milliseconds(10));
  }
  agent.StopLink();
  until("fodc_proxy_agents{state=\"offline\"}", 2);
  EXPECT_EQ(value("fodc_proxy_agents{state=\"online\"}"), 0);
}

TEST_F(ProxyTest, ARestartShowsNoLiveNodeAsDown) {
  auto proxy = Proxy::Start(loop_, options_);
  ASSERT_THAT(proxy, IsOk());
  const std::string address = StrCat("127.0.0.1:", (*proxy)->grpc_port());
  link::TestAgent::Options agent_options;
  agent_options.link = link::QuickLinkOptions(address);
  link::TestAgent agent(loop_, agent_options);
  agent.Append(3000);
  agent.StartLink();
  const auto shown = [&] {
    const std::string page = Get(**proxy, "/metrics").body;
    EXPECT_THAT(page, ::testing::Not(HasSubstr("\nup{")));
    return page.find("\nm{") != std::string::npos;
  };
  bool there = false;
  for (int i = 0; i < 1000 && !there; ++i) there = shown();
  ASSERT_TRUE(there);
  proxy->reset();
  options_.grpc_listen_addr = address;
  proxy = Proxy::Start(loop_, options_);
  ASSERT_THAT(proxy, IsOk());
  there = false;
  for (int i = 0; i < 1000 && !there; ++i) {
    there = shown();
    (void)loop_.RunUntil([] { return false; }, std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(there);
  agent.StopLink();
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
  EXPECT_THAT(
      Proxy::Start(loop_, second).status().message(),
      AllOf(HasSubstr("--grpc-listen-addr"), HasSubstr("the port is taken")));
  second.grpc_listen_addr = "192.0.2.1:24400";  // of documentation only
  EXPECT_THAT(Proxy::Start(loop_, second).status().message(),
              AllOf(HasSubstr("192.0.2.1"),
                    HasSubstr("Cannot assign requested address")));
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
