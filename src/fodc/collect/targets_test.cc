// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/collect/collector_testing.h"
#include "fodc/collect/recording_testing.h"

namespace fodc::collect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Endpoint At(std::uint16_t port, std::string container, bool loopback = true) {
  Endpoint e;
  e.port = port;
  e.container_name = std::move(container);
  e.is_loopback = loopback;
  return e;
}

TEST(MakeTargetSpecsTest, OneRowForEachNamedContainer) {
  const auto specs = MakeTargetSpecs({At(2121, "data"), At(17915, "lifecycle")},
                                     {.pid = 0, .comm = "banyand", .port = 0});
  ASSERT_THAT(specs, SizeIs(2));
  EXPECT_EQ(specs[0].container_name, "data");
  EXPECT_THAT(specs[0].endpoint_ports, ElementsAre(2121));
  EXPECT_EQ(specs[0].comm_prefix, "banyand");
  EXPECT_EQ(specs[1].container_name, "lifecycle");
  EXPECT_EQ(specs[1].comm_prefix, "");
}

TEST(MakeTargetSpecsTest, EndpointsWithoutNamesShareOneRow) {
  const auto specs = MakeTargetSpecs({At(1, ""), At(2, ""), At(3, "", false)},
                                     {.pid = 7, .comm = "", .port = 9});
  ASSERT_THAT(specs, SizeIs(1));
  EXPECT_THAT(specs[0].endpoint_ports, ElementsAre(1, 2));
  EXPECT_EQ(specs[0].pid, 7);
  EXPECT_EQ(specs[0].listen_port, 9);
}

// Else its owner would be taken for the named one when that dies.
TEST(MakeTargetSpecsTest, AnEndpointWithoutANameIsNoNeighboursRow) {
  const auto specs =
      MakeTargetSpecs({At(9100, ""), At(2121, "db"), At(9200, "")},
                      {.pid = 0, .comm = "", .port = 9});
  ASSERT_THAT(specs, SizeIs(2));
  EXPECT_EQ(specs[0].container_name, "db");
  EXPECT_THAT(specs[0].endpoint_ports, ElementsAre(2121));
  EXPECT_EQ(specs[0].listen_port, 9);
  EXPECT_EQ(specs[1].container_name, "");
  EXPECT_THAT(specs[1].endpoint_ports, ElementsAre(9100, 9200));
}

TEST(MakeTargetSpecsTest, OtherMachinesHaveNoTargetsHere) {
  EXPECT_THAT(MakeTargetSpecs({At(1, "", false)}, {}), IsEmpty());
  EXPECT_THAT(MakeTargetSpecs({At(1, "", false)},
                              {.pid = 0, .comm = "etcd", .port = 0}),
              SizeIs(1));
  EXPECT_THAT(MakeTargetSpecs({At(1, "", false)}, {.has_cgroup = true}),
              SizeIs(1));
}

class TargetsTest : public ::testing::Test {
 protected:
  ~TargetsTest() override {
    End(SIGKILL);
    Reap();
  }

  // Exits with 7 on SIGTERM, if it catches that.
  void Fork(bool catches_sigterm = false) {
    child_ = ::fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      if (catches_sigterm) {
        (void)::signal(SIGTERM, [](int) { ::_exit(7); });
      }
      for (;;) ::pause();
    }
  }
  void End(int signal) {
    if (child_ <= 0) return;
    EXPECT_EQ(::kill(child_, signal), 0);
    // A zombie is as dead: its exit can still be read.
    siginfo_t info;
    EXPECT_EQ(
        ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOWAIT),
        0);
  }
  void Reap() {
    if (child_ > 0) {
      EXPECT_EQ(::waitpid(child_, nullptr, 0), child_);
    }
    child_ = 0;
  }
  void Watch() {
    targets_ = std::make_unique<Targets>(
        MakeTargetSpecs({At(1, "db")}, {.pid = child_, .comm = "", .port = 0}),
        target::TableOptions{}, loop_, recording_);
  }
  std::map<std::string, double> Read() {
    clock_.Advance(std::chrono::seconds(1));
    targets_->Read(
        {.monotonic_ms =
             clock_.Monotonic().time_since_epoch().count() / 1'000'000,
         .unix_ms = ToUnixMillis(clock_.Unix())});
    return Latest();
  }
  std::map<std::string, double> Latest() const {
    std::map<std::string, double> samples;
    for (const auto& [name, value] : LatestSamples(recording_, "target db")) {
      const std::string target = "{target=\"db\"}";
      if (name.ends_with(target))
        samples[name.substr(0, name.size() - target.size())] = value;
    }
    return samples;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  recorder::Recording recording_{1, {}};
  pid_t child_ = 0;
  std::unique_ptr<Targets> targets_;
};

// A real process: found, read, and its death seen.
TEST_F(TargetsTest, ReadsAProcessAndSeesItDie) {
  Fork();
  Watch();
  auto samples = Read();
  EXPECT_EQ(samples["fodc_target_up"], 1);
  EXPECT_EQ(samples["fodc_target_pid"], child_);
  EXPECT_GT(samples["fodc_target_resident_memory_bytes"], 0);
#ifdef FODC_SANITIZED
  EXPECT_GE(samples["fodc_target_threads"], 1);  // and a sanitizer's own
#else
  EXPECT_EQ(samples["fodc_target_threads"], 1);
#endif
  EXPECT_EQ(samples["fodc_target_deaths_total"], 0);
  EXPECT_TRUE(samples.contains("fodc_target_start_time_seconds"));
  EXPECT_FALSE(samples.contains("fodc_target_last_signal"));

  End(SIGKILL);
  samples = Read();
  EXPECT_EQ(samples["fodc_target_up"], 0);
  EXPECT_EQ(samples["fodc_target_deaths_total"], 1);
  EXPECT_FALSE(samples.contains("fodc_target_pid"));
  EXPECT_TRUE(samples.contains("fodc_target_last_death_uptime_seconds"));
  EXPECT_EQ(recording_.Take().Latest()[0].container_name, "db");
  Reap();
}

TEST_F(TargetsTest, HowAProcessEndedIsASample) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "SKIPPED: needs root to read exit codes";
  Fork();
  Watch();
  Read();
  End(SIGKILL);
  auto samples = Read();
  EXPECT_EQ(samples["fodc_target_last_signal"], 9);
  EXPECT_FALSE(samples.contains("fodc_target_last_exit_code"));
  Reap();
}

TEST_F(TargetsTest, AnExitCodeIsASample) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "SKIPPED: needs root to read exit codes";
  Fork(/*catches_sigterm=*/true);
  Watch();
  // Until the child catches the signal.
  ASSERT_TRUE(loop_.RunUntil([&] {
    const auto status = ReadFile(StrCat("/proc/", child_, "/status"), 1 << 16);
    const std::size_t at = status->find("SigCgt:\t");
    const auto caught = std::stoull(status->substr(at + 8, 16), nullptr, 16);
    return (caught >> (SIGTERM - 1) & 1) != 0;
  }));
  Read();
  End(SIGTERM);
  auto samples = Read();
  EXPECT_EQ(samples["fodc_target_last_exit_code"], 7);
  EXPECT_FALSE(samples.contains("fodc_target_last_signal"));
  Reap();
}

// No tick comes between: the death itself makes the frame.
TEST_F(TargetsTest, ADeathIsRecordedWhenItHappens) {
  Fork();
  Watch();
  int recorded = 0;
  targets_->set_on_recorded([&] { ++recorded; });
  Read();
  ASSERT_EQ(recorded, 0);
  clock_.Advance(std::chrono::seconds(2));
  End(SIGKILL);
  Reap();
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded > 0; }));
  const auto samples = Latest();
  EXPECT_EQ(samples.at("fodc_target_up"), 0);
  EXPECT_EQ(samples.at("fodc_target_deaths_total"), 1);
  EXPECT_GE(samples.at("fodc_target_last_death_uptime_seconds"), 2);
  const auto times = FrameTimes(recording_, "target db");
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_EQ(times[1] - times[0], 2000);
}

// The agent goes, the node dies, both come back: the recording tells how long
// the node had run, what was kept tells all else.
TEST_F(TargetsTest, ADeathThatNoAgentSawIsCountedAndCountersGoOn) {
  Fork();
  Watch();
  int changes = 0;
  targets_->set_on_changed([&] { ++changes; });
  EXPECT_TRUE(LastSeenTargets(recording_).empty());
  Read();
  EXPECT_EQ(changes, 1);
  std::vector<target::KeptRow> kept = targets_->Keep();
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].name, "db");
  kept[0].deaths_total = 3;
  kept[0].restarts_total = 2;
  const double uptime = Read()["fodc_target_uptime_seconds"];
  EXPECT_GE(uptime, 1);
  EXPECT_EQ(changes, 1);
  const auto seen = LastSeenTargets(recording_);
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].pid, child_);
  targets_.reset();
  End(SIGKILL);
  Reap();

  recorder::Recording later(2, {});
  const LogCapture log;
  Fork();
  targets_ = std::make_unique<Targets>(
      MakeTargetSpecs({At(1, "db")}, {.pid = child_, .comm = "", .port = 0}),
      target::TableOptions{}, loop_, later);
  kept.push_back({});
  kept.back().name = "nobody's";
  kept.back().deaths_total = 5;
  targets_->Restore(kept, seen);
  ASSERT_THAT(log.Lines("its counts are forgotten"), SizeIs(1));
  EXPECT_THAT(log.Lines("its counts are forgotten")[0],
              ::testing::HasSubstr("target=nobody's deaths=5"));
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  const auto samples = LatestSamples(later, "target db");
  EXPECT_EQ(samples.at("fodc_target_deaths_total{target=\"db\"}"), 4);
  EXPECT_EQ(samples.at("fodc_target_restarts_total{target=\"db\"}"), 3);
  EXPECT_EQ(samples.at("fodc_target_last_death_uptime_seconds{target=\"db\"}"),
            uptime);
  EXPECT_EQ(samples.at("fodc_target_pid{target=\"db\"}"), child_);
  EXPECT_THAT(log.Lines("target died while no agent watched it"), SizeIs(1));
}

TEST_F(TargetsTest, WhatWasKeptMayComeLate) {
  Fork();
  Watch();
  Read();
  std::vector<target::KeptRow> kept = targets_->Keep();
  kept[0].deaths_total = 17;
  kept[0].restarts_total = 16;

  recorder::Recording later(2, {});
  targets_ = std::make_unique<Targets>(
      MakeTargetSpecs({At(1, "db")}, {.pid = child_, .comm = "", .port = 0}),
      target::TableOptions{}, loop_, later);
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  int changes = 0;
  targets_->set_on_changed([&] { ++changes; });
  targets_->Merge(kept);
  EXPECT_EQ(changes, 1);
  targets_->Read({.monotonic_ms = 2, .unix_ms = 2});
  const auto samples = LatestSamples(later, "target db");
  EXPECT_EQ(samples.at("fodc_target_deaths_total{target=\"db\"}"), 17);
  EXPECT_EQ(samples.at("fodc_target_restarts_total{target=\"db\"}"), 16);
  End(SIGKILL);
  Reap();
}

TEST_F(TargetsTest, UptimeDoesNotFollowTheWallClock) {
  Fork();
  Watch();
  const double before = Read()["fodc_target_uptime_seconds"];
  clock_.StepUnix(std::chrono::hours(5));
  EXPECT_NEAR(Read()["fodc_target_uptime_seconds"], before + 1, 1e-6);
}

TEST_F(TargetsTest, SaysOnceWhyATargetIsNotFound) {
  const LogCapture log;
  Fork();
  Watch();
  Read();
  EXPECT_THAT(log.Lines("target not found"), IsEmpty());
  End(SIGKILL);
  Reap();
  for (int i = 0; i < 5; ++i) Read();
  const auto lines = log.Lines("target not found");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("target=db"));
  EXPECT_THAT(lines[0], HasSubstr("problem=\"nothing listens on the port"));
}

TEST_F(TargetsTest, SaysOnceWhatOfATargetCannotBeRead) {
  TempDirectory tree;
  ASSERT_TRUE(MakeDirectories(tree.File("7/fd")).ok());
  ASSERT_TRUE(WriteFileAtomically(tree.File("7/stat"),
                                  "7 (db) S 1 1 1 0 -1 0 10 0 2 0 150 50 0 0 "
                                  "20 0 3 0 4711 8192 2\n")
                  .ok());
  const LogCapture log;
  Targets targets({{.container_name = "db", .pid = 7}},
                  {.proc_root = tree.path()}, loop_, recording_);
  for (int i = 1; i < 5; ++i) targets.Read({.monotonic_ms = i, .unix_ms = i});
  const auto lines = log.Lines("target cannot be read whole");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("7/status"));
}

// Two containers of one name are two targets, and none takes the other's lines.
TEST_F(TargetsTest, TwoTargetsOfOneNameAreToldApart) {
  Targets targets(MakeTargetSpecs({At(1, "db"), At(2, "db")}, {}),
                  target::TableOptions{}, loop_, recording_);
  EXPECT_EQ(targets.name(0), "db");
  EXPECT_EQ(targets.name(1), "db-port-2");
  targets.Read({.monotonic_ms = 1, .unix_ms = 1});
  targets.Read({.monotonic_ms = 1, .unix_ms = 1});
  EXPECT_EQ(FrameTimes(recording_, "target db-port-2").size(), 2u);
}

}  // namespace
}  // namespace fodc::collect
