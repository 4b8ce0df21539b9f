// SPDX-License-Identifier: Apache-2.0
// The demo, as a script runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

const std::string kDemo = test::SourcePath("tools/demo");
constexpr int kPorts = 9;  // from --base-port on

class DemoTest : public testing::Test {
 protected:
  DemoTest() {
    // Nine ports in a row.
    for (base_ = 32'000; base_ < 32'700; base_ += kPorts) {
      bool free = true;
      for (std::uint16_t port : Ports()) free &= !IsOpen(port);
      if (free) break;
    }
  }

  void Start(std::vector<std::string> more = {}) {
    std::vector<std::string> argv = {
        kDemo, StrCat("--http-port=", http_), StrCat("--grpc-port=", grpc_),
        StrCat("--base-port=", base_), StrCat("--bin-dir=", ProgramPath(""))};
    argv.insert(argv.end(), more.begin(), more.end());
    demo_ = Process::Start({.name = "demo",
                            .argv = std::move(argv),
                            .env = {{"TMPDIR", dir_.path()}},
                            .log_path = dir_.File("log"),
                            .stdout_path = ""});
  }
  std::vector<std::uint16_t> Ports() const {
    std::vector<std::uint16_t> out = {http_, grpc_};
    for (int i = 0; i < kPorts; ++i) {
      out.push_back(static_cast<std::uint16_t>(base_ + i));
    }
    return out;
  }
  static bool IsOpen(std::uint16_t port) {
    return RawConnection(port).connected();
  }
  std::string Url(std::string_view path) const {
    return StrCat("http://127.0.0.1:", http_, path);
  }
  // /cluster's entry of the node; null if there is none.
  nlohmann::json NodeOf(std::string_view name) const {
    const auto cluster =
        nlohmann::json::parse(Get(Url("/cluster")).body, nullptr, false);
    if (cluster.is_discarded()) return nullptr;
    for (const auto& node : cluster["nodes"]) {
      if (node["name"] == name) return node;
    }
    return nullptr;
  }
  // The process that the demo started under this name; 0 if none.
  pid_t PidOf(std::string_view name) const {
    const std::string file =
        RunToEnd({"sh", "-c",
                  StrCat("cat ", dir_.path(), "/fodc-demo-*/", name, ".pid")})
            .out;
    return static_cast<pid_t>(
        ParseInt(std::string_view(file).substr(0, file.find('\n')))
            .value_or(0));
  }
  void ExpectNothingLeft() const {
    for (std::uint16_t port : Ports()) EXPECT_FALSE(IsOpen(port)) << port;
    EXPECT_EQ(RunToEnd({"ls", dir_.path()}).out, "log\n");
  }

  const TempDirectory dir_;
  const std::uint16_t http_ = FreePort();
  const std::uint16_t grpc_ = FreePort();
  std::uint16_t base_ = 0;
  Process demo_;
};

TEST_F(DemoTest, ShowsThreeNodesAndEndsByItself) {
  Start({"--seconds", "8"});
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::string page = Get(Url("/metrics")).body;
        return page.find("\netcd_server_has_leader{") != std::string::npos &&
               page.find("\nnode_load1{") != std::string::npos &&
               page.find("\nprometheus_build_info{") != std::string::npos;
      },
      20s, 100ms))
      << demo_.Log();
  EXPECT_EQ(demo_.WaitExitCode(40s), 0) << demo_.Log();
  const std::string log = demo_.Log();
  for (const std::string& text :
       {std::string("etcd-0"), std::string("node-exporter-0"),
        std::string("prometheus-0"), std::string("online"), Url("/metrics"),
        Url("/cluster"), Url("/metrics-windows")}) {
    EXPECT_THAT(log, HasSubstr(text));
  }
  EXPECT_THAT(log, testing::ContainsRegex("NODE +ROLE +UP +RSS +CPU +SERIES "
                                          "+SAMPLES +WINDOW +BYTES/SAMPLE"));
  ExpectNothingLeft();
}

TEST_F(DemoTest, StartsAgainWhatWasKilledAndStopsAtCtrlC) {
  Start();
  ASSERT_TRUE(WaitUntil(
      [&] {
        const auto node = NodeOf("etcd-0");
        return !node.is_null() && node["window"]["frames"] > 8 &&
               node["indicators"]["up"] == 1;
      },
      30s, 100ms))
      << demo_.Log();
  const auto before = NodeOf("etcd-0");
  const pid_t agent = PidOf("agent-etcd");
  const pid_t etcd = PidOf("etcd");
  ASSERT_GT(agent, 0);
  ASSERT_GT(etcd, 0);
  ASSERT_EQ(before["targets"][0]["pid"], etcd);
  ASSERT_EQ(kill(agent, SIGKILL), 0);
  ASSERT_EQ(kill(etcd, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil(
      [&] {
        const auto node = NodeOf("etcd-0");
        return !node.is_null() && node["agent"]["status"] == "online" &&
               node["agent"]["id"] != before["agent"]["id"] &&
               node["indicators"]["up"] == 1 &&
               node["targets"][0]["pid"] == PidOf("etcd");
      },
      30s, 100ms))
      << demo_.Log();
  EXPECT_NE(PidOf("agent-etcd"), agent);
  EXPECT_NE(PidOf("etcd"), etcd);
  // The window begins where it began.
  EXPECT_EQ(NodeOf("etcd-0")["window"]["from"], before["window"]["from"]);

  demo_.Signal(SIGINT);  // to the script alone: to all is not worse
  EXPECT_EQ(demo_.WaitExitCode(30s), 0) << demo_.Log();
  ExpectNothingLeft();
}

TEST_F(DemoTest, EndsWithAnErrorWhenAProgramFails) {
  Start({"--seconds", "6"});
  ASSERT_TRUE(
      WaitUntil([&] { return !NodeOf("etcd-0").is_null(); }, 30s, 100ms))
      << demo_.Log();
  ASSERT_EQ(kill(PidOf("agent-etcd"), SIGABRT), 0);
  EXPECT_EQ(demo_.WaitExitCode(40s), 1) << demo_.Log();
  EXPECT_THAT(demo_.Log(), HasSubstr("agent-etcd ended with status"));
}

// The other scenarios are tests/kernel's, without the script.
TEST_F(DemoTest, ShowsTheIncidentOfAScenario) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups and load programs";
  }
  Start({"--scenario=eviction"});
  EXPECT_EQ(demo_.WaitExitCode(150s), 0) << demo_.Log();
  const std::string log = demo_.Log();
  for (const char* text :
       {"hotnode-0", "W3 policy", "advice: ", "dontneed_calls_per_second: ",
        "baseline_read_p99_seconds: "}) {
    EXPECT_THAT(log, HasSubstr(text));
  }
  EXPECT_THAT(log, testing::Not(HasSubstr("missing signals")));
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsThatAHarmlessScanIsNoIncident) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups and load programs";
  }
  Start({"--scenario=harmless"});
  EXPECT_EQ(demo_.WaitExitCode(150s), 0) << demo_.Log();
  EXPECT_THAT(demo_.Log(), HasSubstr("W1"));
  EXPECT_THAT(demo_.Log(), HasSubstr("(no incidents)"));
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsThatTheGuardStopsANodeThatWouldBeKilled) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups";
  }
  Start({"--scenario=pressure-stop"});
  EXPECT_EQ(demo_.WaitExitCode(120s), 0) << demo_.Log();
  EXPECT_THAT(demo_.Log(),
              testing::ContainsRegex(
                  "the node ended by +-, it lives +code 2 +signal 9"));
  EXPECT_THAT(demo_.Log(), HasSubstr("cause=\"pressure\""));
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsThatATornLogIsRepaired) {
  Start({"--scenario=torn-log"});
  EXPECT_EQ(demo_.WaitExitCode(200s), 0) << demo_.Log();
  EXPECT_THAT(demo_.Log(), HasSubstr("WAL tail truncated, repairing"));
  EXPECT_THAT(demo_.Log(), HasSubstr("\"lost\":0"));
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsTheEvidenceOfANodeThatTheKernelKills) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups";
  }
  Start({"--scenario=oom"});
  EXPECT_EQ(demo_.WaitExitCode(150s), 0) << demo_.Log();
  for (const char* text :
       {"is complete; prometheus: -, it lives", "go tool pprof -top, heap",
        "prometheus ended by signal 9", "memory_pressure", "oom_killed: 1",
        "what the capsule tells", "all are as the manifest says",
        "killed by the kernel for memory", "inuse_space: ", "timeline, of "}) {
    EXPECT_THAT(demo_.Log(), HasSubstr(text));
  }
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsThatANodeDiesAgainAndAgain) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups";
  }
  Start({"--scenario=crash-loop"});
  EXPECT_EQ(demo_.WaitExitCode(150s), 0) << demo_.Log();
  for (const char* text :
       {"death_loop signal 9", "died 3 times, each soon after its start",
        "time_to_death_seconds: "}) {
    EXPECT_THAT(demo_.Log(), HasSubstr(text));
  }
  ExpectNothingLeft();
}

TEST_F(DemoTest, ShowsABackupThatOverlapsNothing) {
  Start({"--scenario=backup"});
  EXPECT_EQ(demo_.WaitExitCode(240s), 0) << demo_.Log();
  EXPECT_THAT(demo_.Log(), HasSubstr("of which 0 overlap; ticks skipped: "));
  EXPECT_THAT(demo_.Log(), HasSubstr("a second backup   exit code 5: "));
  EXPECT_THAT(demo_.Log(), testing::ContainsRegex("kv +complete"));
  EXPECT_THAT(demo_.Log(), HasSubstr("after the restore, none lost"));
  ExpectNothingLeft();
}

TEST_F(DemoTest, SaysWhichPortIsTaken) {
  const FakeEndpoint taken("x 1\n");
  const auto run = [&](const char* flag, int port) {
    const Output o =
        RunToEnd({kDemo, "--seconds=1", StrCat("--http-port=", http_),
                  StrCat("--grpc-port=", grpc_), StrCat("--base-port=", base_),
                  StrCat(flag, "=", port)});
    EXPECT_EQ(o.exit_code, 1);
    EXPECT_THAT(o.err, HasSubstr(StrCat("port ", taken.port())));
    EXPECT_THAT(o.err, HasSubstr(flag));
  };
  run("--http-port", taken.port());
  run("--grpc-port", taken.port());
  for (int i = 0; i < kPorts; ++i) run("--base-port", taken.port() - i);
}

TEST_F(DemoTest, RefusesUnknownArguments) {
  const Output o = RunToEnd({kDemo, "--sekonds", "1"});
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_THAT(o.err, HasSubstr("--sekonds"));
  const Output scenario = RunToEnd({kDemo, "--scenario", "meltdown"});
  EXPECT_EQ(scenario.exit_code, 2);
  EXPECT_THAT(scenario.err, HasSubstr("'meltdown'"));
}

}  // namespace
}  // namespace fodc::test
