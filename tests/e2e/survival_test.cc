// SPDX-License-Identifier: Apache-2.0
// Whatever is killed, restarted or cut, and in whatever order: afterwards the
// proxy's window and the agent's recording are one, sample by sample.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

// A page that is different each time: how often it was asked for, and some
// series that count, jump, come and go.
class CountingEndpoint {
 public:
  CountingEndpoint()
      : endpoint_([this](std::string_view, Exchange& e) {
          e.Answer(200, Page(++count_));
        }) {}
  std::uint16_t port() const { return endpoint_.port(); }
  std::uint64_t count() const { return count_; }

 private:
  static std::string Page(std::uint64_t n) {
    std::string page = StrCat("# TYPE served_total counter\nserved_total ", n,
                              "\n# TYPE work gauge\n");
    for (std::uint64_t i = 0; i < 200; ++i) {
      if (i % 17 == 3 && n / 5 % 2 == 0) continue;  // comes and goes
      const std::uint64_t value = i % 7 == 0 ? n * i : i % 7 == 1 ? n / 8 : i;
      page +=
          StrCat("work{i=\"", i, "\"} ", value, i % 3 == 0 ? ".5" : "", "\n");
    }
    page += n % 11 == 0 ? "odd NaN\n" : "odd -0\n";
    return page;
  }
  std::atomic<std::uint64_t> count_{0};
  FakeEndpoint endpoint_;
};

class SurvivalTest : public testing::Test {
 protected:
  explicit SurvivalTest(
      std::vector<std::string> proxy_flags = {"--heartbeat-interval=1s"})
      : proxy_(dir_, std::move(proxy_flags)), relay_(proxy_.grpc_port()) {
    UseAgent(Options());
  }

  // In place of the one that the fixture makes.
  void UseAgent(const AgentOptions& options) { agent_.emplace(dir_, options); }
  AgentOptions Options() const {
    return {.pod = "a",
            .endpoint_ports = {endpoint_.port()},
            .proxy_ports = {relay_.port()},
            .interval = "200ms",
            .recorder_dir = "spill"};
  }

  bool StartBoth() { return proxy_.Start() && agent_->Start() && Recorded(5); }

  // Waits for so many further scrapes.
  bool Recorded(std::uint64_t scrapes, std::chrono::milliseconds limit = 20s) {
    const std::uint64_t goal = endpoint_.count() + scrapes;
    return WaitUntil([&] { return endpoint_.count() >= goal; }, limit);
  }

  // Waits until the proxy shows a scrape that was made after this call.
  bool CaughtUp(std::chrono::milliseconds limit = 20s) {
    const auto goal = static_cast<double>(endpoint_.count() + 1);
    return WaitUntil(
        [&] {
          return ValueOf(proxy_.Get("/metrics").body, "served_total",
                         {{"pod_name", "a"}}) >= goal;
        },
        limit, 50ms);
  }

  void KillAgent() {
    agent_->Kill();
    down_.emplace_back(NowUnixMs(), INT64_MAX);
  }
  void StartAgent() {
    ASSERT_TRUE(agent_->Start());
    down_.back().second = NowUnixMs();
  }

  // Ends the agent, so that everything it recorded is in the spill, and
  // compares.
  void ExpectEqualWindows() {
    EXPECT_EQ(agent_->Stop(), 0) << agent_->Log();
    const Window recorded = RecordedWindow(agent_->recorder_dir());
    const Window shown = ProxyWindow(proxy_, "a");
    const auto [recorded_from, recorded_to] = Reach(recorded);
    const auto [shown_from, shown_to] = Reach(shown);
    const std::int64_t from = std::max(recorded_from, shown_from);
    const std::int64_t to = std::min(recorded_to, shown_to) - kTickMs;
    EXPECT_GT(to - from, 1000);
    EXPECT_EQ(Missing(recorded, shown, from, to), "") << "on the proxy";
    // The proxy may know more only of what a killed agent had not spilled yet.
    std::int64_t begin = from;
    for (const auto& [killed, back] : down_) {
      EXPECT_EQ(Missing(shown, recorded, begin, killed - kUnspilledMs), "")
          << "in the recording";
      begin = back;
    }
    EXPECT_EQ(Missing(shown, recorded, begin, to), "") << "in the recording";
  }

  // Every scrape that the endpoint served stands in the window, but for
  // `lost` at most and those that the agent counts as failed (on a busy
  // machine an answer may come after its deadline).
  void ExpectNoHole(std::size_t lost) {
    const Window window = ProxyWindow(proxy_, "a");
    const std::vector<double> served = Values(window, "served_total{");
    ASSERT_FALSE(served.empty());
    double before = 0;
    for (const double errors : Values(window, "scrape_errors_total{")) {
      if (errors > before) lost += static_cast<std::size_t>(errors - before);
      before = errors;
    }
    EXPECT_LE(served.front(), static_cast<double>(1 + lost));
    EXPECT_TRUE(std::is_sorted(served.begin(), served.end()));
    EXPECT_GE(static_cast<double>(served.size() + lost), served.back());
  }

  // The spill interval of these tests, an fsync and a scrape.
  static constexpr std::int64_t kUnspilledMs = 1500;

  // The frames of one tick come one by one: of the last, one side may have a
  // part.
  static constexpr std::int64_t kTickMs = 250;

  TempDirectory dir_{"fodc-survival"};
  CountingEndpoint endpoint_;
  FodcProxy proxy_;
  TcpRelay relay_;
  std::optional<FodcAgent> agent_;
  std::vector<std::pair<std::int64_t, std::int64_t>> down_;
};

TEST_F(SurvivalTest, ProxyRestartedHasTheWholeWindow) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  proxy_.Kill();
  ASSERT_TRUE(Recorded(5));
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

TEST_F(SurvivalTest, AgentRestartedHasItsWindowAndTheProxyNoHole) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(Recorded(10));
  ASSERT_TRUE(CaughtUp());
  const std::uint64_t before = endpoint_.count();
  KillAgent();
  const Output stat =
      Fodcctl({"recording", "stat", agent_->recorder_dir(), "--json"});
  // 3: the kill cut a write.
  EXPECT_THAT(stat.exit_code, testing::AnyOf(0, 3)) << stat.err;
  // All but the last spill interval is on disk.
  const std::vector<double> spilled =
      Values(RecordedWindow(agent_->recorder_dir(), true), "served_total{");
  ASSERT_FALSE(spilled.empty());
  EXPECT_EQ(spilled.front(), 1);
  EXPECT_GE(spilled.back(), static_cast<double>(before) - 8);
  StartAgent();
  ASSERT_TRUE(CaughtUp());
  // One scrape was perhaps under way when the agent died.
  ExpectNoHole(2);
  ExpectEqualWindows();
  // A series of both lives is one.
  const auto told = nlohmann::json::parse(
      Fodcctl({"recording", "stat", agent_->recorder_dir(), "--json"}).out);
  EXPECT_EQ(told["lives"].size(), 2u);
  EXPECT_EQ(told["series"], RecordedWindow(agent_->recorder_dir()).size());
}

TEST_F(SurvivalTest, WhatAKilledAgentHadNotSpilledIsStillOnTheProxy) {
  AgentOptions options = Options();
  options.recorder_dir.clear();
  UseAgent(options);
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(Recorded(8));
  ASSERT_TRUE(CaughtUp());
  KillAgent();
  StartAgent();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(2);
}

TEST_F(SurvivalTest, LinkCutAndHealedLeavesNoHole) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  relay_.Cut();
  ASSERT_TRUE(Recorded(10));
  relay_.Heal();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

// A stretch is 120 scrapes: what was missed comes in sealed chunks, not in
// rows.
TEST_F(SurvivalTest, LinkCutForSeveralStretchesLeavesNoHole) {
  AgentOptions options = Options();
  options.interval = "50ms";
  UseAgent(options);
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  relay_.Cut();
  ASSERT_TRUE(Recorded(300, 60s));
  relay_.Heal();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

// Longer than the proxy takes an agent for alive.
TEST_F(SurvivalTest, LinkCutForAMinuteLeavesNoHole) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  relay_.Cut();
  ASSERT_TRUE(Recorded(300, 90s));
  EXPECT_THAT(proxy_.Get("/cluster").body, HasSubstr("\"offline\""));
  relay_.Heal();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

class ForgetfulProxyTest : public SurvivalTest {
 protected:
  ForgetfulProxyTest()
      : SurvivalTest({"--heartbeat-interval=1s", "--agent-heartbeat-timeout=2s",
                      "--agent-cleanup-timeout=4s"}) {}
};

// It has forgotten the agent and its window, and gets both again.
TEST_F(ForgetfulProxyTest, LinkCutForLongerLeavesNoHole) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  relay_.Cut();
  ASSERT_TRUE(WaitUntil(
      [&] {
        return proxy_.Get("/cluster").body.find("\"pod_name\"") ==
               std::string::npos;
      },
      30s, 100ms))
      << proxy_.Get("/cluster").body;
  relay_.Heal();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

// A pulled cable says nothing: the dead connection must be noticed.
TEST_F(SurvivalTest, FrozenLinkIsNoticedAndLeavesNoHole) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  relay_.Freeze();
  EXPECT_TRUE(WaitUntil(
      [&] {
        return proxy_.Get("/cluster").body.find("\"offline\"") !=
               std::string::npos;
      },
      10s, 100ms))
      << "after 10 s a dead connection must be known: "
      << proxy_.Get("/cluster").body;
  EXPECT_TRUE(WaitUntil(
      [&] {
        return ValueOf(agent_->Get("/metrics").body,
                       "fodc_agent_link_connected") == 0;
      },
      2s, 100ms));
  relay_.Heal();
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

TEST_F(SurvivalTest, AgentRecordsBeforeAnyProxyIsThere) {
  ASSERT_TRUE(agent_->Start());
  ASSERT_TRUE(Recorded(8));
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(CaughtUp());
  ExpectNoHole(0);
  ExpectEqualWindows();
}

TEST_F(SurvivalTest, EachOfTwoProxiesHasTheWholeWindow) {
  FodcProxy second(dir_, {"--heartbeat-interval=1s"}, "second-proxy");
  AgentOptions options = Options();
  options.proxy_ports.push_back(second.grpc_port());
  UseAgent(options);
  ASSERT_TRUE(second.Start());
  ASSERT_TRUE(StartBoth());
  proxy_.Kill();
  ASSERT_TRUE(Recorded(5));
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(CaughtUp());
  const Window first_window = ProxyWindow(proxy_, "a");
  const Window second_window = ProxyWindow(second, "a");
  const std::int64_t to =
      std::min(Reach(first_window).second, Reach(second_window).second) -
      kTickMs;
  EXPECT_EQ(Missing(first_window, second_window, 0, to), "");
  EXPECT_EQ(Missing(second_window, first_window, 0, to), "");
  ExpectEqualWindows();
}

// Steps: `cut`, `heal`, `-p`/`+p` the proxy is killed/started, `-a`/`+a` the
// agent. Some scrapes pass between them.
struct Order {
  const char* name;
  std::vector<std::string> steps;
};
void PrintTo(const Order& order, std::ostream* os) { *os << order.name; }

class AnyOrderTest : public SurvivalTest,
                     public testing::WithParamInterface<Order> {};

TEST_P(AnyOrderTest, WindowsAreEqualAfterHealing) {
  ASSERT_TRUE(StartBoth());
  ASSERT_TRUE(CaughtUp());
  bool agent_up = true;
  for (const std::string& step : GetParam().steps) {
    SCOPED_TRACE(step);
    if (step == "cut") {
      relay_.Cut();
    } else if (step == "heal") {
      relay_.Heal();
    } else if (step == "-p") {
      proxy_.Kill();
    } else if (step == "+p") {
      ASSERT_TRUE(proxy_.Start());
    } else if (step == "-a") {
      KillAgent();
      agent_up = false;
    } else if (step == "+a") {
      StartAgent();
      agent_up = true;
    }
    if (agent_up) {
      ASSERT_TRUE(Recorded(4));
    }
  }
  ASSERT_TRUE(CaughtUp());
  ExpectEqualWindows();
}

INSTANTIATE_TEST_SUITE_P(
    Orders, AnyOrderTest,
    testing::Values(Order{"CutProxyHeal", {"cut", "-p", "+p", "heal"}},
                    Order{"CutAgentHeal", {"cut", "-a", "+a", "heal"}},
                    Order{"AgentThenProxy", {"-a", "-p", "+p", "+a"}},
                    Order{"ProxyThenAgent", {"-p", "-a", "+a", "+p"}},
                    Order{"AgentTwice", {"-a", "+a", "-a", "+a"}},
                    Order{"Everything",
                          {"cut", "-p", "-a", "heal", "+a", "+p", "cut",
                           "heal"}}),
    [](const auto& order) { return std::string(order.param.name); });

}  // namespace
}  // namespace fodc::test
