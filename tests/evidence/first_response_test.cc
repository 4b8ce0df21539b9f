// SPDX-License-Identifier: Apache-2.0
// The real agent beside a real process that grows in a real cgroup: what was
// captured is on disk before the kernel kills, and the incident tells both.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/evidence/evidence_fixture.h"

namespace fodc::test {
namespace {

class FirstResponseAgentTest : public EvidenceTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EvidenceTest::SetUp());
    if (!IsSkipped()) MakeGroup(256);
  }
  void StartOne() { StartAgent(port_, {"--target-comm=" + GrowerName()}); }
  Process Grow(std::vector<std::string> flags) {
    Process grower = StartGrower(*group_, dir_, std::move(flags));
    AwaitArmed(grower.pid());
    return grower;
  }

  // Nobody listens there.
  const std::uint16_t port_ = FreePort();
};

TEST_F(FirstResponseAgentTest, EvidenceIsThereBeforeTheKernelKills) {
  ASSERT_NO_FATAL_FAILURE(StartOne());
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
  ASSERT_NO_FATAL_FAILURE(StartOne());
  Process grower = Grow({"--rate=100", "--until=205"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil(
      [&] { return Shown("fodc_agent_pressure_capture_total") == 1; }, 60s))
      << agent_->Log();
  agent_->Kill();
  agent_.reset();
  ASSERT_NO_FATAL_FAILURE(StartOne());
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
