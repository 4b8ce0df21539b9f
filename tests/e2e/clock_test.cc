// SPDX-License-Identifier: Apache-2.0
// The wall clock steps under a running agent: its recording stays in order, the
// step is visible, nothing is lost or there twice. Or under a running proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

class ClockStepTest : public testing::TestWithParam<int> {
 protected:
  ClockStepTest() { SetOffset(0); }
  // Of the wall clock of what runs with ShimEnvironment, in milliseconds.
  void SetOffset(int ms) {
    ASSERT_TRUE(WriteFileAtomically(shim_, std::to_string(ms)).ok());
  }
  std::vector<std::pair<std::string, std::string>> ShimEnvironment() const {
    return {{"LD_PRELOAD", FODC_CLOCK_SHIM_LIBRARY},
            {"FODC_CLOCK_SHIM", shim_}};
  }

  const TempDirectory dir_{"fodc-clock"};
  std::atomic<std::uint64_t> served_{0};
  const FakeEndpoint endpoint_{[this](std::string_view, Exchange& e) {
    e.Answer(200, StrCat("served_total ", ++served_, "\n"));
  }};

 private:
  const std::string shim_ = dir_.File("offset");
};

TEST_P(ClockStepTest, RecordingStaysOrderedAndWhole) {
  const int step_ms = GetParam();
  FodcProxy proxy(dir_, {"--heartbeat-interval=1s"});
  ASSERT_TRUE(proxy.Start());
  const std::uint16_t http = FreePort();
  const std::string spill = dir_.File("spill");
  Process agent = Process::Start(
      {.name = "agent",
       .argv = {ProgramPath("fodc-agent"), "--pod-name=a",
                StrCat("--poll-metrics-ports=", endpoint_.port()),
                "--poll-metrics-interval=200ms",
                StrCat("--proxy-addr=127.0.0.1:", proxy.grpc_port()),
                StrCat("--prometheus-listen-addr=127.0.0.1:", http),
                "--recorder-dir=" + spill, "--recorder-spill-interval=500ms"},
       .env = ShimEnvironment(),
       .log_path = dir_.File("agent.log"),
       .stdout_path = ""});
  const auto page = [&] {
    return Get(StrCat("http://127.0.0.1:", http, "/metrics")).body;
  };
  ASSERT_TRUE(WaitUntil([&] { return served_ >= 8; }, 20s)) << agent.Log();
  SetOffset(step_ms);
  EXPECT_TRUE(WaitUntil([&] {
    return ValueOf(page(), "fodc_agent_clock_steps_total") == 1;
  })) << page();
  EXPECT_NEAR(ValueOf(page(), "fodc_agent_clock_offset_seconds"),
              step_ms / 1000.0, 1);
  const std::uint64_t goal = served_ + 8;
  ASSERT_TRUE(WaitUntil([&] { return served_ >= goal; }));
  ASSERT_TRUE(WaitUntil([&] {
    return ValueOf(proxy.Get("/metrics").body, "served_total") >=
           static_cast<double>(goal);
  })) << "the proxy must not take fresh scrapes for old ones";
  EXPECT_EQ(agent.Stop(), 0);

  // In the log's order the counter only rises, and each scrape is there once;
  // the times jump once, by the step.
  for (const Window& window :
       {RecordedWindow(spill), ProxyWindow(proxy, "a")}) {
    const auto it = window.lower_bound("served_total{");
    ASSERT_NE(it, window.end());
    std::vector<std::pair<std::int64_t, double>> samples = it->second;
    ASSERT_GE(samples.size(), 15U);
    std::stable_sort(
        samples.begin(), samples.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    int jumps = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      EXPECT_EQ(samples[i].second, static_cast<double>(i + 1));
      if (i > 0) {
        const std::int64_t d = samples[i].first - samples[i - 1].first;
        jumps += std::llabs(d - 200) > std::abs(step_ms) / 2;
      }
    }
    EXPECT_EQ(jumps, 1);
  }
}

// The proxy's own clock says nothing about what the agents recorded.
TEST_P(ClockStepTest, OfTheProxyCostsNothing) {
  const std::uint16_t http = FreePort();
  const std::uint16_t grpc = FreePort();
  Process proxy = Process::Start(
      {.name = "proxy",
       .argv = {ProgramPath("fodc-proxy"), "--heartbeat-interval=1s",
                StrCat("--grpc-listen-addr=127.0.0.1:", grpc),
                StrCat("--http-listen-addr=127.0.0.1:", http)},
       .env = ShimEnvironment(),
       .log_path = dir_.File("proxy.log"),
       .stdout_path = ""});
  FodcAgent agent(dir_, {.pod = "a",
                         .endpoint_ports = {endpoint_.port()},
                         .proxy_ports = {grpc},
                         .interval = "200ms"});
  ASSERT_TRUE(agent.Start());
  const auto get = [&](const std::string& path) {
    return Get(StrCat("http://127.0.0.1:", http, path)).body;
  };
  const auto shown = [&] { return ValueOf(get("/metrics"), "served_total"); };
  ASSERT_TRUE(WaitUntil([&] { return shown() >= 8; }, 20s)) << proxy.Log();
  SetOffset(GetParam());
  // Never taken for stale or offline, and every scrape goes on to come.
  const double goal = shown() + 15;
  double before = 0;
  ASSERT_TRUE(WaitUntil([&] {
    const double now = shown();
    EXPECT_GE(now, before);
    before = now;
    return now >= goal;
  })) << before;
  EXPECT_EQ(get("/cluster").find("\"offline\""), std::string::npos);
  const std::string window = get(StrCat(
      "/metrics-windows?start_time=", TimeText(NowUnixMs() - 60'000),
      "&end_time=", TimeText(NowUnixMs() + 60'000), "&match[]=served_total"));
  for (int i = 1; i < static_cast<int>(goal); ++i) {
    EXPECT_NE(window.find(StrCat("\"value\":", i, "}")), std::string::npos)
        << i << "\n"
        << window;
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, ClockStepTest,
                         testing::Values(600'000, -600'000),
                         [](const auto& step) {
                           return std::string(step.param > 0 ? "Forward"
                                                             : "Back");
                         });

}  // namespace
}  // namespace fodc::test
