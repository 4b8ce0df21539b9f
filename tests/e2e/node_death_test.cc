// SPDX-License-Identifier: Apache-2.0
// A node that is killed, and one that dies within seconds of every start: what
// happened is in the recording and on /cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

using nlohmann::json;

class NodeDeathTest : public testing::Test {
 protected:
  NodeDeathTest() : node_(MakeNodeExporter(dir_)) {
    agent_.emplace(dir_, AgentOptions{.pod = "n",
                                      .endpoint_ports = {node_.port()},
                                      .containers = {"exporter"},
                                      .proxy_ports = {proxy_.grpc_port()}});
  }

  double Shown(const std::string& name) {
    return ValueOf(proxy_.Get("/metrics").body, name, {{"pod_name", "n"}});
  }
  json ClusterTarget() {
    const json j = json::parse(proxy_.Get("/cluster").body, nullptr, false);
    return j.is_discarded()
               ? json()
               : j.value("/nodes/0/targets/0"_json_pointer, json());
  }
  bool ServesPage() { return !std::isnan(Shown("node_memory_MemTotal_bytes")); }

  TempDirectory dir_{"fodc-death"};
  Server node_;
  FodcProxy proxy_{dir_, {"--heartbeat-interval=1s"}};
  std::optional<FodcAgent> agent_;
};

TEST_F(NodeDeathTest, KilledNodeIsStaleAfterTwoIntervalsAndItsReturnIsSeen) {
  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(agent_->Start());
  ASSERT_TRUE(WaitUntil([&] { return ServesPage(); }));
  ASSERT_TRUE(WaitUntil([&] { return Shown("fodc_target_up") == 1; }));
  const pid_t first = node_.process().pid();
  EXPECT_EQ(Shown("fodc_target_pid"), first);
  node_.Kill();
  // No series of the page is served as current any more; only that it is down.
  EXPECT_TRUE(WaitUntil([&] { return !ServesPage() && Shown("up") == 0; }, 5s));
  EXPECT_TRUE(WaitUntil([&] { return Shown("fodc_target_up") == 0; }, 5s));
  EXPECT_TRUE(
      WaitUntil([&] { return ClusterTarget().value("up", true) == false; }, 5s))
      << ClusterTarget();

  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(WaitUntil([&] { return ServesPage(); }));
  EXPECT_TRUE(WaitUntil([&] {
    return Shown("fodc_target_restarts_total") == 1 &&
           Shown("fodc_target_pid") == node_.process().pid();
  })) << Shown("fodc_target_restarts_total");
  EXPECT_EQ(Shown("fodc_target_deaths_total"), 1);
  EXPECT_GT(Shown("fodc_target_last_death_uptime_seconds"), 0);
  EXPECT_TRUE(WaitUntil([&] {
    const json target = ClusterTarget();
    return target.value("restarts", -1) == 1 &&
           target.value("pid", -1) == node_.process().pid();
  })) << ClusterTarget();
  // The window still has what was before the death.
  const Window window = ProxyWindow(proxy_, "n");
  const std::vector<double> up = Values(window, "up{");
  EXPECT_EQ(up.front(), 1);
  EXPECT_EQ(std::count(up.begin(), up.end(), 0) > 0, true);
}

TEST_F(NodeDeathTest, PausedProxyCallsNobodyDown) {
  agent_.emplace(dir_, AgentOptions{.pod = "n",
                                    .endpoint_ports = {node_.port()},
                                    .containers = {"exporter"},
                                    .proxy_ports = {proxy_.grpc_port()},
                                    .interval = "1s"});
  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(agent_->Start());
  ASSERT_TRUE(WaitUntil([&] { return Shown("up") == 1; }));
  // The interval is known, and with it how old a scrape may be.
  ASSERT_TRUE(WaitUntil([&] {
    const json j = json::parse(proxy_.Get("/cluster").body, nullptr, false);
    return !j.is_discarded() &&
           j.value("/nodes/0/window/interval_seconds"_json_pointer, 9.0) < 2;
  }));
  for (const auto pause : {4s, 10s}) {
    SCOPED_TRACE(pause.count());
    proxy_.process().Signal(SIGSTOP);
    // Asked while it stands, and answered as soon as it goes on.
    std::vector<std::future<HttpAnswer>> asked;
    const auto until = std::chrono::steady_clock::now() + pause;
    while (std::chrono::steady_clock::now() < until) {
      asked.push_back(
          std::async(std::launch::async,
                     [url = proxy_.Url("/metrics")] { return Get(url, 30s); }));
      std::this_thread::sleep_for(500ms);
    }
    proxy_.process().Signal(SIGCONT);
    const auto expect_not_down = [](const HttpAnswer& answer) {
      EXPECT_EQ(answer.status, 200) << answer.error;
      const double up = ValueOf(answer.body, "up", {{"pod_name", "n"}});
      EXPECT_NE(up, 0);
      return up == 1;
    };
    for (auto& a : asked) expect_not_down(a.get());
    int shown = 0;  // pages in a row
    EXPECT_TRUE(WaitUntil([&] {
      shown = expect_not_down(proxy_.Get("/metrics")) ? shown + 1 : 0;
      return shown > 150;
    }));
  }
  EXPECT_GE(Shown("fodc_target_up"), 1);
  EXPECT_GE(ValueOf(proxy_.Get("/metrics").body, "fodc_proxy_absences_total"),
            2);
}

TEST_F(NodeDeathTest, NodeThatDiesAtEveryStartLeavesEachDeathAndUptime) {
  ASSERT_TRUE(proxy_.Start());
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(agent_->Start());
  std::vector<double> lives;  // seconds, at most
  constexpr int kDeaths = 3;
  for (int death = 1; death <= kDeaths; ++death) {
    SCOPED_TRACE(death);
    const auto start = death > 1 ? std::chrono::steady_clock::now() : begin;
    if (death > 1) {
      ASSERT_TRUE(node_.Start());
    }
    ASSERT_TRUE(WaitUntil([&] {
      return Shown("fodc_target_up") == 1 &&
             Shown("fodc_target_pid") == node_.process().pid();
    }));
    node_.Kill();
    lives.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count());
    EXPECT_TRUE(WaitUntil([&] {
      return Shown("fodc_target_deaths_total") == death &&
             Shown("fodc_target_up") == 0;
    })) << Shown("fodc_target_deaths_total");
  }
  EXPECT_EQ(Shown("fodc_target_restarts_total"), kDeaths - 1);
  const double uptime = Shown("fodc_target_last_death_uptime_seconds");
  EXPECT_GT(uptime, 0);
  EXPECT_LT(uptime, 20);
  // Each death stands in the window with the uptime before it.
  std::map<std::int64_t, double> uptimes;
  const Window window = ProxyWindow(proxy_, "n");
  for (const auto& [key, samples] : window) {
    if (key.starts_with("fodc_target_last_death_uptime_seconds{")) {
      uptimes.insert(samples.begin(), samples.end());
    }
  }
  std::map<double, std::set<double>> uptimes_of_deaths;
  for (const auto& [key, samples] : window) {
    if (!key.starts_with("fodc_target_deaths_total{")) continue;
    for (const auto& [time, deaths] : samples) {
      if (deaths > 0) uptimes_of_deaths[deaths].insert(uptimes[time]);
    }
  }
  ASSERT_EQ(uptimes_of_deaths.size(), static_cast<std::size_t>(kDeaths));
  for (int death = 1; death <= kDeaths; ++death) {
    SCOPED_TRACE(death);
    ASSERT_EQ(uptimes_of_deaths[death].size(), 1u);
    EXPECT_GT(*uptimes_of_deaths[death].begin(), 0);
    // The kernel counts starts in hundredths of a second.
    EXPECT_LE(*uptimes_of_deaths[death].begin(),
              lives[static_cast<std::size_t>(death - 1)] + 0.3);
  }
  const json target = ClusterTarget();
  EXPECT_EQ(target.value("up", true), false) << target;
  EXPECT_EQ(target.value("restarts", -1), kDeaths - 1) << target;
  EXPECT_EQ(target.value("deaths", -1), kDeaths) << target;
  EXPECT_GT(target.value("last_death_uptime_seconds", -1.0), 0) << target;
}

// It never comes so far as to listen: found by its name.
TEST_F(NodeDeathTest, NodeThatDiesBeforeItListensIsCounted) {
  const std::string program = dir_.File("fodcnode");
  ASSERT_EQ(RunToEnd({"cp", "/bin/sleep", program}).exit_code, 0);
  agent_.emplace(dir_, AgentOptions{.pod = "n",
                                    .endpoint_ports = {node_.port()},
                                    .containers = {"exporter"},
                                    .proxy_ports = {proxy_.grpc_port()},
                                    .flags = {"--target-comm=fodcnode"}});
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(agent_->Start());
  for (int death = 1; death <= 3; ++death) {
    SCOPED_TRACE(death);
    Process life = Process::Start({.name = "fodcnode",
                                   .argv = {program, "2"},
                                   .env = {},
                                   .log_path = dir_.File("fodcnode.log"),
                                   .stdout_path = ""});
    EXPECT_TRUE(WaitUntil([&] {
      return Shown("fodc_target_deaths_total") == death &&
             Shown("fodc_target_up") == 0;
    })) << Shown("fodc_target_deaths_total");
    EXPECT_NEAR(Shown("fodc_target_last_death_uptime_seconds"), 2, 1.5);
    EXPECT_EQ(Shown("up"), 0);
  }
  EXPECT_EQ(ClusterTarget().value("deaths", -1), 3) << ClusterTarget();
}

// As a pod or a machine dies: nobody sees the node's death.
TEST_F(NodeDeathTest, NodeAndAgentThatDieTogetherLeaveADeath) {
  agent_.emplace(dir_, AgentOptions{.pod = "n",
                                    .endpoint_ports = {node_.port()},
                                    .containers = {"exporter"},
                                    .proxy_ports = {proxy_.grpc_port()},
                                    .recorder_dir = "rec",
                                    .flags = {"--recorder-spill-interval=1s"}});
  const auto is_kept = [&] {
    const auto text = ReadFile(agent_->recorder_dir() + "/targets");
    return text.ok() && text->find(StrCat("\npid ", node_.process().pid(),
                                          "\n")) != std::string::npos;
  };
  const auto await_counts = [&](int deaths, int restarts) {
    EXPECT_TRUE(WaitUntil([&] {
      const json target = ClusterTarget();
      return Shown("fodc_target_pid") == node_.process().pid() &&
             Shown("fodc_target_deaths_total") == deaths &&
             Shown("fodc_target_restarts_total") == restarts &&
             target.value("deaths", -1) == deaths &&
             target.value("restarts", -1) == restarts;
    })) << ClusterTarget()
        << agent_->Log();
  };
  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(agent_->Start());
  ASSERT_TRUE(WaitUntil([&] { return Shown("fodc_target_up") == 1; }));
  // One that is seen.
  node_.Kill();
  ASSERT_TRUE(WaitUntil([&] { return Shown("fodc_target_up") == 0; }));
  ASSERT_TRUE(node_.Start());
  await_counts(1, 1);
  ASSERT_TRUE(WaitUntil(is_kept));
  // So that the recording knows how long it has run.
  ASSERT_TRUE(WaitUntil([&] {
    return ValueOf(agent_->Get("/metrics").body,
                   "fodc_agent_spill_writes_total") > 1 &&
           Shown("fodc_target_uptime_seconds") > 2.5;
  }));

  agent_->Kill();
  node_.Kill();
  ASSERT_TRUE(node_.Start());
  ASSERT_TRUE(agent_->Start());
  await_counts(2, 2);
  EXPECT_GT(Shown("fodc_target_last_death_uptime_seconds"), 1);
  EXPECT_LT(Shown("fodc_target_last_death_uptime_seconds"), 60);
  EXPECT_TRUE(std::isnan(Shown("fodc_target_last_signal")));
  EXPECT_NE(agent_->Log().find("target died while no agent watched it"),
            std::string::npos);

  // The agent alone: nobody died.
  ASSERT_TRUE(WaitUntil(is_kept));
  agent_->Kill();
  ASSERT_TRUE(agent_->Start());
  await_counts(2, 2);
}

}  // namespace
}  // namespace fodc::test
