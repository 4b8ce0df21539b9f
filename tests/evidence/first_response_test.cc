// SPDX-License-Identifier: Apache-2.0
// The real agent beside a real process that grows in a real cgroup: what was
// captured is on disk before the kernel kills, and the incident tells both.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/evidence/event_store.h"
#include "tests/guard/growing.h"
#include "tests/support/cluster.h"

namespace fodc::test {
namespace {

class FirstResponseAgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = NoMemoryGroups(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
    group_ = std::make_unique<MemoryGroup>("first_response", 256);
  }
  void StartAgent() {
    agent_ = std::make_unique<FodcAgent>(
        dir_, AgentOptions{.pod = "p",
                           .endpoint_ports = {port_},
                           .interval = "100ms",
                           .recorder_dir = "spill",
                           .flags = {"--target-comm=" + GrowerName(),
                                     "--proxy-addr=", "--ktm-enabled=false"}});
    ASSERT_TRUE(agent_->Start()) << agent_->Log();
  }
  std::vector<evidence::EventInfo> Events() const {
    auto store = evidence::EventStore::Open({.root = events_});
    if (!store.ok()) return {};
    return (*store)->List().value_or({});
  }
  double Shown(const std::string& name,
               const std::map<std::string, std::string>& labels = {}) {
    return ValueOf(agent_->Get("/metrics").body, name, labels);
  }
  Process Grow(std::vector<std::string> flags) {
    Process grower = StartGrower(*group_, dir_, std::move(flags));
    EXPECT_TRUE(WaitUntil(
        [&] {
          return Shown("fodc_agent_trigger_armed",
                       {{"trigger", "memory_pressure"}}) == 1;
        },
        20s))
        << agent_->Log();
    return grower;
  }

  TempDirectory dir_{"fodc-first-response"};
  const std::string events_ = dir_.File("events-p");  // as of FodcAgent
  const std::uint16_t port_ = FreePort();
  std::unique_ptr<MemoryGroup> group_;
  std::unique_ptr<FodcAgent> agent_;
};

TEST_F(FirstResponseAgentTest, EvidenceIsThereBeforeTheKernelKills) {
  ASSERT_NO_FATAL_FAILURE(StartAgent());
  EXPECT_EQ(Shown("fodc_agent_pressure_capture_total"), 0);
  Process grower = Grow({"--rate=50", "--stubborn"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 128 + SIGKILL);
  EXPECT_EQ(group_->OomKills(), 1U);
  ASSERT_TRUE(WaitUntil(
      [&] { return Shown("fodc_agent_pressure_capture_total") >= 1; }, 60s))
      << agent_->Log();
  nlohmann::json trigger;
  EXPECT_TRUE(WaitUntil(
      [&] {
        trigger = nlohmann::json::parse(
            agent_->Get("/explain").body)["targets"][0]["triggers"][0];
        return trigger["armed"] == false;
      },
      20s));
  EXPECT_EQ(trigger["trigger"], "memory_pressure");
  EXPECT_EQ(trigger["reason"], "no_target");
  EXPECT_GE(trigger["fired"], 1);
  EXPECT_GE(trigger["last_fired"]["inputs"]["memory_bytes"],
            trigger["last_fired"]["inputs"]["threshold_bytes"]);
  ASSERT_TRUE(WaitUntil(
      [&] {
        const auto events = Events();
        return !events.empty() && events.back().meta.death.has_value();
      },
      60s))
      << agent_->Log();
  const evidence::EventMeta meta = Events().back().meta;
  EXPECT_EQ(meta.trigger.kind, "memory_pressure");
  EXPECT_GE(meta.revision, 2U);
  EXPECT_EQ(meta.cgroup_limit_bytes, 256U << 20);
  EXPECT_EQ(meta.trigger_percent, 75U);
  EXPECT_FALSE(meta.ramp_up.empty());
  EXPECT_TRUE(meta.death->oom_killed);
  EXPECT_FALSE(meta.steps.empty());
  // And the incident says how it ended.
  EXPECT_TRUE(WaitUntil(
      [&] {
        const auto text = ReadFile(agent_->recorder_dir() + "/incidents");
        return text.ok() && text->find(meta.incident_id) != text->npos &&
               text->find("The kernel killed it for memory.") != text->npos;
      },
      20s))
      << agent_->Log();
}

TEST_F(FirstResponseAgentTest, TheCooldownSurvivesTheAgent) {
  ASSERT_NO_FATAL_FAILURE(StartAgent());
  Process grower = Grow({"--rate=100", "--until=205"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil(
      [&] { return Shown("fodc_agent_pressure_capture_total") == 1; }, 60s))
      << agent_->Log();
  agent_->Kill();
  agent_.reset();
  ASSERT_NO_FATAL_FAILURE(StartAgent());
  EXPECT_TRUE(WaitUntil(
      [&] {
        return agent_->Get("/explain").body.find("\"reason\":\"cooldown\"") !=
               std::string::npos;
      },
      20s))
      << agent_->Get("/explain").body;
  EXPECT_EQ(Shown("fodc_agent_pressure_capture_total"), 0);
  EXPECT_EQ(Events().size(), 1U);
  EXPECT_TRUE(WaitUntil(
      [&] { return Shown("fodc_agent_pressure_skipped_cooldown_total") > 0; },
      20s));
}

}  // namespace
}  // namespace fodc::test
