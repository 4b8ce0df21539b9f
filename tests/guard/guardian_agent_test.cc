// SPDX-License-Identifier: Apache-2.0
// The real agent with --guardian-enabled, beside a real process that grows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/kept_incidents.h"
#include "tests/guard/growing.h"
#include "tests/support/cluster.h"

namespace fodc::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kKilled = 128 + SIGKILL;

class GuardianAgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = NoMemoryGroups(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
    group_ = std::make_unique<MemoryGroup>("guardian_agent", 256);
  }
  // Finds growers by their name, for they come and go.
  void StartAgent(std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {"--guardian-enabled", "--target-comm=" + GrowerName(),
                  "--proxy-addr=", "--ktm-enabled=false"});
    agent_ = std::make_unique<FodcAgent>(
        dir_, AgentOptions{.pod = "p",
                           .endpoint_ports = {port_},
                           .interval = "100ms",
                           .recorder_dir = "spill",
                           .flags = std::move(flags)});
    ASSERT_TRUE(agent_->Start()) << agent_->Log();
  }
  Process Grow(std::vector<std::string> flags) {
    Process grower = StartGrower(*group_, dir_, std::move(flags));
    EXPECT_TRUE(WaitUntil(
        [&] {
          return Shown("fodc_agent_guardian_armed") == 1 &&
                 Shown("fodc_target_pid") == grower.pid();
        },
        10s))
        << agent_->Log();
    return grower;
  }
  double Shown(const std::string& name,
               const std::map<std::string, std::string>& labels = {}) {
    return ValueOf(agent_->Get("/metrics").body, name, labels);
  }
  double Actions(const std::string& action, const std::string& result) {
    return Shown("fodc_agent_guardian_actions_total",
                 {{"action", action}, {"result", result}});
  }
  bool Says(const std::string& text) {
    return WaitUntil(
        [&] { return agent_->Log().find(text) != std::string::npos; }, 10s);
  }

  TempDirectory dir_{"fodc-guardian-agent"};
  // Nobody listens there: the owner of a port would say who the target is.
  const std::uint16_t port_ = FreePort();
  std::unique_ptr<MemoryGroup> group_;
  std::unique_ptr<FodcAgent> agent_;
};

TEST_F(GuardianAgentTest, StopsTheTargetAndTellsWhy) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  EXPECT_TRUE(Says("guardian enabled"));
  EXPECT_EQ(Actions("term", "sent"), 0);  // there from the start
  EXPECT_EQ(
      Shown("fodc_agent_guardian_unarmed_info", {{"reason", "no_target"}}), 1);
  Process grower = Grow({"--rate=100"});
  EXPECT_EQ(Shown("fodc_agent_guardian_memory_limit_bytes"), 256 << 20);
  EXPECT_EQ(Shown("fodc_agent_guardian_threshold_bytes", {{"level", "term"}}),
            (256 << 20) * 9LL / 10);
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << agent_->Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  EXPECT_TRUE(Says("memory pressure: SIGTERM sent")) << agent_->Log();
  EXPECT_TRUE(Says("the target ended after it was asked to"));
  EXPECT_EQ(Actions("term", "sent"), 1);
  EXPECT_EQ(Actions("capture", "raised"), 1);

  const std::string cause = agent_->recorder_dir() + "/guardian-node.json";
  ASSERT_TRUE(WaitUntil([&] { return ReadFile(cause).ok(); }, 10s));
  const auto document = nlohmann::json::parse(*ReadFile(cause));
  EXPECT_EQ(document["cause"], "pressure");
  EXPECT_EQ(document["pid"], grower.pid());
  EXPECT_EQ(document["limit_bytes"], 256 << 20);
  EXPECT_GE(document["bytes"], document["threshold_bytes"]);

  // The incident, kept: it was begun, changed by the stop, and is over.
  evidence::Incident incident;
  EXPECT_TRUE(WaitUntil([&] {
    const auto text = ReadFile(agent_->recorder_dir() + "/incidents");
    if (!text.ok()) return false;
    const auto kept = evidence::DecodeIncidents(*text);
    if (!kept.ok()) return false;
    // The first response has one of its own.
    for (const evidence::Incident& i : kept->incidents) {
      if (i.detector == "guardian") incident = i;
    }
    return !incident.id.empty() && !incident.is_open();
  }));
  EXPECT_EQ(incident.detector, "guardian");
  EXPECT_EQ(incident.verdict, "memory_pressure");
  EXPECT_EQ(incident.cause, "term");
  EXPECT_THAT(incident.summary, HasSubstr("asked to stop (SIGTERM)"));
}

TEST_F(GuardianAgentTest, ADryRunOnlySaysWhatItWouldDo) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({"--guardian-dry-run"}));
  Process grower = Grow({"--rate=100"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(group_->OomKills(), 1U);
  EXPECT_TRUE(Says("memory pressure: SIGTERM would be sent"));
  EXPECT_EQ(Actions("dry_run", "capture"), 1);
  EXPECT_EQ(Actions("dry_run", "term"), 1);
  EXPECT_EQ(Actions("term", "sent"), 0);
  EXPECT_FALSE(ReadFile(agent_->recorder_dir() + "/guardian-node.json").ok());
}

TEST_F(GuardianAgentTest, GuardsWhoeverComesNextAndLeavesALoopAlone) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  for (int i = 1; i <= 3; ++i) {
    Process grower = Grow({"--rate=200"});
    grower.Signal(SIGUSR1);
    EXPECT_EQ(grower.WaitExitCode(60s), 0) << i << agent_->Log();
    EXPECT_EQ(Actions("term", "sent"), i);
    EXPECT_TRUE(
        WaitUntil([&] { return Shown("fodc_agent_guardian_armed") == 0; }));
  }
  EXPECT_EQ(Shown("fodc_agent_guardian_suppressed"), 1);
  Process grower = Grow({"--rate=100"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(Actions("suppressed", "crash_loop"), 1);
  EXPECT_EQ(Actions("term", "sent"), 3);
}

// Agents end, too: by kill -9 of the kernel, for one.
TEST_F(GuardianAgentTest, AnAgentThatStartsAgainAsksNobodyTwice) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  Process grower = Grow({"--rate=400", "--until=245", "--stubborn"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil([&] { return Actions("term", "sent") == 1; }, 60s))
      << agent_->Log();
  const std::string stops = agent_->recorder_dir() + "/guardian-node.stops";
  ASSERT_TRUE(WaitUntil([&] { return ReadFile(stops).ok(); }, 10s));
  agent_->Kill();
  ASSERT_NO_FATAL_FAILURE(StartAgent({"--guardian-grace=100ms"}));
  // It is over the line all the time, and the grace is over at once.
  EXPECT_TRUE(Says("the target is still there after the grace, and over"))
      << agent_->Log();
  EXPECT_EQ(Actions("term", "sent"), 0);
  EXPECT_TRUE(grower.Running());
}

TEST_F(GuardianAgentTest, AnAgentThatStartsAgainGoesOnCountingALoop) {
  for (int i = 1; i <= 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(StartAgent({}));
    Process grower = Grow({"--rate=200"});
    grower.Signal(SIGUSR1);
    EXPECT_EQ(grower.WaitExitCode(60s), 0) << i << agent_->Log();
    EXPECT_EQ(Actions("term", "sent"), 1);
    const std::string stops = agent_->recorder_dir() + "/guardian-node.stops";
    EXPECT_TRUE(WaitUntil([&] {
      const auto text = ReadFile(stops);
      return text.ok() &&
             text->find(StrCat("\n", grower.pid(), " ")) != std::string::npos;
    }));
    agent_->Kill();
  }
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  Process grower = Grow({"--rate=100"});
  EXPECT_EQ(Shown("fodc_agent_guardian_suppressed"), 1);
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(Actions("suppressed", "crash_loop"), 1);
  EXPECT_EQ(Actions("term", "sent"), 0);
}

// The agent in the target's own group would be stopped with it.
TEST_F(GuardianAgentTest, ATargetInItsOwnCgroupIsNotGuarded) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  group_->Add(agent_->process().pid());
  Process grower = StartGrower(*group_, dir_, {"--rate=200"});
  EXPECT_TRUE(Says("target is not guarded")) << agent_->Log();
  EXPECT_EQ(
      Shown("fodc_agent_guardian_unarmed_info", {{"reason", "own_cgroup"}}), 1);
  EXPECT_EQ(Shown("fodc_agent_guardian_armed"), 0);
  agent_->Kill();
}

TEST_F(GuardianAgentTest, TellsOfATargetThatDoesNotHeedSigterm) {
  ASSERT_NO_FATAL_FAILURE(StartAgent({}));
  Process grower = Grow({"--rate=1", "--stubborn"});
  EXPECT_TRUE(Says("a stop of the target would not be in good order"));
  EXPECT_TRUE(Says("it ignores SIGTERM"));
}

// Off while it is near its limit; on again when the agent ends.
TEST_F(GuardianAgentTest, AnAgentThatEndsLeavesNoGroupWithoutItsKiller) {
  ASSERT_NO_FATAL_FAILURE(
      StartAgent({"--guardian-pause-at-wall", "--guardian-capture=50%"}));
  Process grower = Grow({"--rate=400", "--until=150"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil([&] { return group_->IsKillerOff(); }, 10s))
      << agent_->Log();
  EXPECT_EQ(agent_->Stop(), 0);
  EXPECT_FALSE(group_->IsKillerOff());
  EXPECT_TRUE(grower.Running());
}

TEST_F(GuardianAgentTest, AnAgentThatIsKilledLeavesNoGroupWithoutItsKiller) {
  ASSERT_NO_FATAL_FAILURE(
      StartAgent({"--guardian-pause-at-wall", "--guardian-capture=50%"}));
  Process grower = Grow({"--rate=400", "--until=150"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil([&] { return group_->IsKillerOff(); }, 10s))
      << agent_->Log();
  agent_->Kill();
  EXPECT_TRUE(WaitUntil([&] { return !group_->IsKillerOff(); }, 10s));
  EXPECT_TRUE(grower.Running());
}

// Its keeper was killed with it.
TEST_F(GuardianAgentTest, WhatAKilledAgentLeftIsRepairedAtTheNextStart) {
  ASSERT_NO_FATAL_FAILURE(
      StartAgent({"--guardian-pause-at-wall", "--guardian-capture=50%"}));
  Process grower = Grow({"--rate=400", "--until=150"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil([&] { return group_->IsKillerOff(); }, 10s))
      << agent_->Log();
  const pid_t agent = agent_->process().pid();
  const auto keeper = ParseUint(
      Trim(ReadFile(StrCat("/proc/", agent, "/task/", agent, "/children"))
               .value_or("")));
  ASSERT_TRUE(keeper);
  ASSERT_EQ(::kill(static_cast<pid_t>(*keeper), SIGKILL), 0);
  agent_->Kill();
  EXPECT_TRUE(group_->IsKillerOff());
  // Also by one whose guardian is off.
  ASSERT_NO_FATAL_FAILURE(StartAgent({"--guardian-enabled=false"}));
  EXPECT_FALSE(group_->IsKillerOff());
  EXPECT_TRUE(Says("a group was left without its killer"));
}

TEST_F(GuardianAgentTest, AtTheWallTheTargetLeavesByItself) {
  ASSERT_NO_FATAL_FAILURE(
      StartAgent({"--guardian-pause-at-wall", "--guardian-capture=50%",
                  "--guardian-term=100%"}));
  const std::uint64_t limit = group_->Limit();
  Process grower = Grow({"--rate=200"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << agent_->Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  EXPECT_TRUE(Says("the target stands still at its limit"));
  EXPECT_EQ(Actions("raise", "done"), 1);
  EXPECT_TRUE(WaitUntil(
      [&] { return group_->Limit() == limit && !group_->IsKillerOff(); }));
}

TEST_F(GuardianAgentTest, WrongLinesAreAnErrorOfTheStartThatNamesBothFlags) {
  const Output o = RunToEnd({ProgramPath("fodc-agent"), "--guardian-enabled",
                             "--guardian-capture=90%", "--proxy-addr="});
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_THAT(o.err, HasSubstr("--guardian-capture is 90%"));
  EXPECT_THAT(o.err, HasSubstr("--guardian-term is 90%"));
}

TEST_F(GuardianAgentTest, TheDoctorTellsWhatItWouldDo) {
  Process grower = StartGrower(*group_, dir_, {"--rate=1"});
  const Output on =
      RunToEnd({ProgramPath("fodc-agent"), "doctor", "--guardian-enabled",
                StrCat("--target-pid=", grower.pid())});
  EXPECT_THAT(on.out, HasSubstr(StrCat("guardian: would send SIGTERM to pid ",
                                       grower.pid(), " (", GrowerName(),
                                       ") at 230 MiB")));
  EXPECT_THAT(on.out, HasSubstr("of 256 MiB"));
  const Output off = RunToEnd({ProgramPath("fodc-agent"), "doctor"});
  EXPECT_THAT(off.out, HasSubstr("guardian: switched off"));
}

}  // namespace
}  // namespace fodc::test
