// SPDX-License-Identifier: Apache-2.0
// The real program: starting, ending, and coming back after kill -9.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <tuple>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/kept_incidents.h"
#include "fodc/target/kept_row.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"

namespace fodc::agent {
namespace {

using namespace std::chrono_literals;
using test::AgentOptions;
using test::FodcAgent;
using test::ValueOf;
using test::WaitUntil;
using ::testing::HasSubstr;

// Lines of the log are written by a thread of their own: wait for them.
testing::AssertionResult Says(const FodcAgent& agent, std::string_view text) {
  const auto says = [&] { return agent.Log().find(text) != std::string::npos; };
  if (WaitUntil(says)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no '" << text << "' in the log:\n"
                                     << agent.Log();
}

// As a file of incidents.
std::string OneOpenIncidentOf(const std::string& pod) {
  evidence::Incident incident;
  incident.id = "of an earlier life";
  incident.detector = "read_latency";
  incident.verdict = "W4";
  incident.started_ms = incident.updated_ms = 1'700'000'000'000;
  return evidence::EncodeIncidents(
      pod, {std::make_shared<const evidence::Incident>(incident)});
}

class AgentProcessTest : public ::testing::Test {
 protected:
  AgentProcessTest()
      : endpoint_([this](std::string_view, test::Exchange& e) {
          if (sick_) {
            e.Answer(500, "");
            return;
          }
          e.Answer(200, StrCat("# TYPE served_total counter\nserved_total ",
                               ++served_, "\n"));
        }) {}
  AgentOptions Options() const {
    AgentOptions o;
    o.pod = "pod-0";
    o.endpoint_ports = {endpoint_.port()};
    o.interval = "100ms";
    o.flags = {"--proxy-addr="};
    return o;
  }

  TempDirectory dir_;
  std::atomic<std::uint64_t> served_{0};
  std::atomic<bool> sick_{false};
  test::FakeEndpoint endpoint_;
};

TEST_F(AgentProcessTest, RecordsWithoutAnyProxyAndEndsInGoodOrder) {
  for (const int signal : {SIGTERM, SIGINT}) {
    FodcAgent agent(dir_, Options());
    ASSERT_TRUE(agent.Start()) << agent.Log();
    EXPECT_TRUE(WaitUntil([&] {
      return ValueOf(agent.Get("/metrics").body, "served_total") > 2;
    })) << agent.Log();
    EXPECT_EQ(agent.Get("/healthz").status, 200);
    EXPECT_EQ(agent.Get("/readyz").status, 200);
    EXPECT_EQ(ValueOf(agent.Get("/metrics", /*gzip=*/true).body, "up"), 1);
    agent.process().Signal(signal);
    EXPECT_EQ(agent.process().WaitExitCode(10s), 0) << agent.Log();
    EXPECT_THAT(agent.Log(), HasSubstr("agent stopped"));
  }
}

TEST_F(AgentProcessTest, AStartThatFailsSaysWhyAndEndsWithACode) {
  const std::string program = test::ProgramPath("fodc-agent");
  for (const auto& [flag, said] :
       {std::pair<std::string, std::string>{"--poll-metrics-interval=0s",
                                            "--poll-metrics-interval is 0s"},
        {"--poll-metrics-ports=x", "--poll-metrics-ports"},
        {"--container-names=a,b", "--container-names"},
        {"--heartbeat-interval=-1s", "--heartbeat-interval"},
        {"--no-such-flag", "--no-such-flag"}}) {
    const test::Output o = test::RunToEnd({program, flag, "--proxy-addr="});
    EXPECT_EQ(o.exit_code, 2) << flag << o.err;
    EXPECT_THAT(o.err, HasSubstr(said));
    EXPECT_TRUE(o.err.ends_with("\nSee fodc-agent --help.\n")) << o.err;
  }
  // The doctor refuses what the agent refuses.
  for (const char* flag :
       {"--ktm-enabled=perhaps", "--ktm-interval=1ms", "--target-port=70000"}) {
    const test::Output o = test::RunToEnd({program, "doctor", flag});
    EXPECT_EQ(o.exit_code, 3) << flag << o.out;
    EXPECT_THAT(o.err, HasSubstr(std::string(flag).substr(0, 8)));
  }
  const test::Output of_environment = test::RunToEnd(
      {program, "--proxy-addr="}, 20s, {{"FODC_POLL_METRICS_INTERVAL", "0s"}});
  EXPECT_THAT(of_environment.err,
              HasSubstr("(from FODC_POLL_METRICS_INTERVAL)"));
  // The flag is right, the machine is not.
  const test::Output o = test::RunToEnd(
      {program, StrCat("--prometheus-listen-addr=127.0.0.1:", endpoint_.port()),
       "--proxy-addr="});
  EXPECT_EQ(o.exit_code, 1) << o.err;
  EXPECT_THAT(o.err, HasSubstr("--prometheus-listen-addr"));
  EXPECT_EQ(test::RunToEnd({program, "--help"}).exit_code, 0);
  EXPECT_EQ(test::RunToEnd({program, "--version"}).exit_code, 0);
}

// Also of what happens before there is any thread.
TEST_F(AgentProcessTest, EveryLineOfTheLogHasItsForm) {
  AgentOptions o = Options();
  o.flags.push_back("--log-format=json");
  FodcAgent agent(dir_, o);
  ASSERT_TRUE(agent.Start()) << agent.Log();
  EXPECT_TRUE(Says(agent, "capabilities"));
  EXPECT_EQ(agent.Stop(), 0);
  const std::string log = agent.Log();
  for (const std::string_view line : Split(Trim(log), '\n')) {
    EXPECT_TRUE(line.starts_with("{\"time\":\"") && line.ends_with("}"))
        << line;
  }
}

TEST_F(AgentProcessTest, TwoPodsInOneDirectoryAreTwoAgents) {
  const auto id_of = [](const FodcAgent& agent) {
    EXPECT_TRUE(Says(agent, "instance_id="));
    const std::string log = agent.Log();
    const std::size_t at = log.rfind("instance_id=");
    return at == std::string::npos ? "" : log.substr(at + 12, 36);
  };
  AgentOptions options = Options();
  options.recorder_dir = "rec";
  FodcAgent first(dir_, options);
  ASSERT_TRUE(first.Start());
  const std::string path = first.recorder_dir() + "/instance-id";
  EXPECT_EQ(ReadFile(path).value_or(""), StrCat(id_of(first), "\npod-0\n"));
  options.pod = "pod-1";
  FodcAgent second(dir_, options);
  ASSERT_TRUE(second.Start());
  EXPECT_TRUE(Says(second, "another agent uses this --recorder-dir"));
  EXPECT_TRUE(Says(second, first.recorder_dir()));
  EXPECT_NE(id_of(second), id_of(first));
  EXPECT_EQ(ReadFile(path).value_or(""), StrCat(id_of(first), "\npod-0\n"))
      << "the first one lives";
  const std::string of_first = id_of(first);
  second.Kill();
  first.Kill();
  ASSERT_TRUE(second.Start());
  EXPECT_TRUE(Says(second, "was_of=pod-0"));
  // The log of its first life stands before that of this one.
  EXPECT_TRUE(WaitUntil([&] {
    return ReadFile(path).value_or("") == StrCat(id_of(second), "\npod-1\n");
  })) << second.Log();
  EXPECT_NE(id_of(second), of_first);
  EXPECT_TRUE(Says(second, "restored_frames=0"))
      << "what the first one recorded is not the second one's";
}

TEST_F(AgentProcessTest, CountsInADirectoryThatOpensLateGoOn) {
  AgentOptions options = Options();
  options.recorder_dir = "rec";
  options.flags.emplace_back("--recorder-spill-interval=100ms");
  FodcAgent agent(dir_, options);
  const std::string directory = agent.recorder_dir();
  ASSERT_TRUE(WriteFileAtomically(directory, "in the way").ok());
  ASSERT_TRUE(agent.Start()) << agent.Log();
  ASSERT_TRUE(WaitUntil([&] {
    return ValueOf(agent.Get("/metrics").body, "fodc_target_up") == 1;
  })) << agent.Log();
  std::size_t lines = 0;
  for (const std::string_view line : Split(agent.Log(), '\n')) {
    const bool is_warning = line.find("level=warn") != std::string_view::npos;
    const bool is_error = line.find("level=error") != std::string_view::npos;
    lines += is_warning || is_error ? 1 : 0;
  }
  EXPECT_EQ(lines, 1u) << "a directory that cannot be used\n" << agent.Log();
  target::KeptRow row;
  row.name = "node";
  row.pod = "pod-0";
  row.deaths_total = 17;
  ASSERT_TRUE(MakeDirectories(directory + ".new").ok());
  ASSERT_TRUE(WriteFileAtomically(directory + ".new/targets",
                                  target::EncodeKeptRows({row}))
                  .ok());
  ASSERT_EQ(::unlink(directory.c_str()), 0);
  ASSERT_EQ(::rename((directory + ".new").c_str(), directory.c_str()), 0);
  EXPECT_TRUE(WaitUntil([&] {
    return ValueOf(agent.Get("/metrics").body, "fodc_target_deaths_total") ==
           17;
  })) << agent.Log();
  EXPECT_TRUE(WaitUntil([&] {
    const auto text = ReadFile(directory + "/targets");
    return text.ok() && text->find("deaths 17\n") != std::string::npos &&
           text->find("\ncomm ") != std::string::npos;
  })) << agent.Log();
  // So that the next life does not think it another pod's.
  EXPECT_TRUE(WaitUntil([&] {
    return ReadFile(directory + "/instance-id")
        .value_or("")
        .ends_with("\npod-0\n");
  })) << agent.Log();
}

TEST_F(AgentProcessTest, ProxiesAreToldOfIncidentsInADirectoryThatOpensLate) {
  test::FodcProxy proxy(dir_);
  ASSERT_TRUE(proxy.Start());
  AgentOptions options = Options();
  options.recorder_dir = "rec";
  options.proxy_ports = {proxy.grpc_port()};
  options.flags = {"--recorder-spill-interval=100ms"};
  FodcAgent agent(dir_, options);
  const std::string directory = agent.recorder_dir();
  ASSERT_TRUE(WriteFileAtomically(directory, "in the way").ok());
  ASSERT_TRUE(agent.Start()) << agent.Log();
  ASSERT_TRUE(WaitUntil([&] {
    return ValueOf(proxy.Get("/metrics").body, "served_total") > 0;
  })) << agent.Log();
  ASSERT_TRUE(MakeDirectories(directory + ".new").ok());
  ASSERT_TRUE(WriteFileAtomically(directory + ".new/incidents",
                                  OneOpenIncidentOf("pod-0"))
                  .ok());
  ASSERT_EQ(::unlink(directory.c_str()), 0);
  ASSERT_EQ(::rename((directory + ".new").c_str(), directory.c_str()), 0);
  EXPECT_TRUE(WaitUntil([&] {
    return proxy.Get("/incidents").body.find("nobody saw the end") !=
           std::string::npos;
  })) << agent.Log();
}

// Each file in turn hangs in the disk while the agent is told to end.
TEST_F(AgentProcessTest, ItsEndWaitsForTheFilesBesideTheRecording) {
  target::KeptRow row;
  row.name = "node";
  row.deaths_total = 17;
  AgentOptions options = Options();
  options.flags.emplace_back("--recorder-spill-interval=100ms");
  for (const auto& [name, kept, found] :
       {std::tuple("targets", target::EncodeKeptRows({row}), "\ncomm "),
        {"incidents", OneOpenIncidentOf("incidents"), "nobody saw the end"}}) {
    options.pod = name;  // and so its log
    options.recorder_dir = StrCat("rec-", name);
    FodcAgent agent(dir_, options);
    const std::string directory = agent.recorder_dir();
    const std::string path = StrCat(directory, "/", name);
    ASSERT_TRUE(WriteFileAtomically(directory, "in the way").ok());
    ASSERT_TRUE(agent.Start()) << agent.Log();
    ASSERT_TRUE(WaitUntil([&] {
      return ValueOf(agent.Get("/metrics").body, "fodc_target_up") == 1;
    })) << agent.Log();
    ASSERT_TRUE(MakeDirectories(directory + ".new").ok());
    ASSERT_EQ(::mkfifo(StrCat(directory, ".new/", name).c_str(), 0600), 0);
    ASSERT_EQ(::unlink(directory.c_str()), 0);
    ASSERT_EQ(::rename((directory + ".new").c_str(), directory.c_str()), 0);
    UniqueFd disk;
    ASSERT_TRUE(WaitUntil([&] {
      disk = UniqueFd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      return disk.ok();  // there is a reader
    })) << agent.Log();
    agent.process().Signal(SIGTERM);
    EXPECT_TRUE(Says(agent, "agent stops"));
    EXPECT_FALSE(WaitUntil(
        [&] { return agent.Log().find("agent stopped") != std::string::npos; },
        500ms));
    EXPECT_TRUE(WriteAll(disk.get(), kept, path).ok());
    disk = UniqueFd();
    EXPECT_EQ(agent.process().WaitExitCode(10s), 0) << agent.Log();
    struct ::stat file = {};
    ASSERT_EQ(::stat(path.c_str(), &file), 0);
    ASSERT_TRUE(S_ISREG(file.st_mode)) << "it was not written";
    EXPECT_THAT(*ReadFile(path), HasSubstr(found));
  }
}

// A memory cgroup (version 1) with a limit of 64 MiB, as a container has it.
class ContainerTest : public AgentProcessTest {
 protected:
  static constexpr double kLimitBytes = 64 << 20;

  void SetUp() override {
    const std::string procs = group_ + "/cgroup.procs";
    if (::mkdir(group_.c_str(), 0755) != 0 ||
        test::RunToEnd({"sh", "-c",
                        StrCat("echo ", static_cast<std::int64_t>(kLimitBytes),
                               " > ", group_, "/memory.limit_in_bytes")})
                .exit_code != 0) {
      GTEST_SKIP() << "SKIPPED: no limit can be set in " << group_;
    }
  }
  void TearDown() override {
    // A group can be removed once the kernel has let go of the dead.
    (void)WaitUntil([&] { return ::rmdir(group_.c_str()) == 0; }, 5s, 10ms);
  }
  // What an agent in the group says its budget is.
  double BudgetWith(const std::string& flag) {
    const std::uint16_t port = test::FreePort();
    test::Process agent = test::Process::Start(
        {.name = "agent",
         .argv = {"sh", "-c",
                  StrCat("echo $$ > ", group_, "/cgroup.procs; exec \"$@\""),
                  "sh", test::ProgramPath("fodc-agent"), "--proxy-addr=",
                  StrCat("--poll-metrics-ports=", endpoint_.port()),
                  "--poll-metrics-interval=100ms",
                  StrCat("--prometheus-listen-addr=127.0.0.1:", port), flag},
         .env = {},
         .log_path = dir_.File("agent.log"),
         .stdout_path = ""});
    double budget = 0;
    EXPECT_TRUE(WaitUntil([&] {
      budget =
          ValueOf(test::Get(StrCat("http://127.0.0.1:", port, "/metrics")).body,
                  "fodc_agent_recording_budget_bytes");
      return budget > 0;
    })) << agent.Log();
    return budget;
  }

  const std::string group_ =
      StrCat("/sys/fs/cgroup/memory/fodc-agent-test-", ::getpid());
};

TEST_F(ContainerTest, TheBudgetIsTheLeastOfFlagAndShareOfTheLimit) {
  EXPECT_NEAR(BudgetWith("--max-metrics-memory-usage-percentage=10"),
              kLimitBytes / 10, 1);
  EXPECT_NEAR(BudgetWith("--max-metrics-memory-usage-percentage=5"),
              kLimitBytes / 20, 1);
  EXPECT_EQ(BudgetWith("--recorder-memory=1MiB"), 1 << 20);
}

TEST_F(AgentProcessTest, FollowsTheTargetItIsTold) {
  const auto target_of = [&](const std::string& flag) {
    AgentOptions o = Options();
    o.flags.push_back(flag);
    FodcAgent agent(dir_, o);
    EXPECT_TRUE(agent.Start()) << agent.Log();
    double pid = 0;
    EXPECT_TRUE(WaitUntil([&] {
      pid = ValueOf(agent.Get("/metrics").body, "fodc_target_pid");
      return pid > 0;
    })) << agent.Log();
    return pid;
  };
  // Without a word: the owner of the port that is scraped.
  EXPECT_EQ(target_of("--log-level=info"), ::getpid());
  test::Server node = test::MakeNodeExporter(dir_);
  ASSERT_TRUE(node.Start());
  const pid_t pid = node.process().pid();
  EXPECT_EQ(target_of(StrCat("--target-pid=", pid)), pid);
  EXPECT_EQ(target_of(StrCat("--target-port=", node.port())), pid);
}

TEST_F(AgentProcessTest, WhatIsStaleLeavesItsPage) {
  FodcAgent agent(dir_, Options());
  ASSERT_TRUE(agent.Start()) << agent.Log();
  EXPECT_TRUE(WaitUntil([&] {
    return ValueOf(agent.Get("/metrics").body, "served_total") > 2;
  })) << agent.Log();
  sick_ = true;
  EXPECT_TRUE(WaitUntil([&] {
    const std::string page = agent.Get("/metrics").body;
    return page.find("served_total") == std::string::npos &&
           ValueOf(page, "up") == 0;
  })) << agent.Get("/metrics").body;
  sick_ = false;
  EXPECT_TRUE(WaitUntil([&] {
    const std::string page = agent.Get("/metrics").body;
    return ValueOf(page, "served_total") > 2 && ValueOf(page, "up") == 1;
  }));
}

TEST_F(AgentProcessTest, KillNineCostsAtMostTheSpillInterval) {
  AgentOptions o = Options();
  o.recorder_dir = "spill";
  FodcAgent agent(dir_, o);
  ASSERT_TRUE(agent.Start()) << agent.Log();
  EXPECT_TRUE(WaitUntil([&] {
    return ValueOf(agent.Get("/metrics").body,
                   "fodc_agent_spill_writes_total") > 2;
  })) << agent.Log();
  const std::string id = *ReadFile(agent.recorder_dir() + "/instance-id");
  const double scrapes =
      ValueOf(agent.Get("/metrics").body, "fodc_agent_scrapes_total");
  agent.Kill();
  ASSERT_TRUE(agent.Start()) << agent.Log();
  const std::string page = agent.Get("/metrics").body;
  // Each scrape makes two frames, each tick two more. Of them at most those of
  // the last interval (500 ms), and of the write under way then, are lost.
  EXPECT_GE(ValueOf(page, "fodc_agent_spill_restored_frames"),
            4 * (scrapes - 12))
      << page;
  EXPECT_EQ(ValueOf(page, "fodc_agent_spill_damages_total"), 0);
  EXPECT_EQ(*ReadFile(agent.recorder_dir() + "/instance-id"), id);
  EXPECT_EQ(agent.Stop(), 0);
}

TEST_F(AgentProcessTest, AFinishedLifeIsOnDiskWhole) {
  AgentOptions o = Options();
  o.recorder_dir = "spill";
  o.flags.emplace_back("--recorder-spill-interval=1h");
  FodcAgent agent(dir_, o);
  ASSERT_TRUE(agent.Start()) << agent.Log();
  EXPECT_TRUE(WaitUntil([&] { return served_ > 5; }));
  const double scrapes =
      ValueOf(agent.Get("/metrics").body, "fodc_agent_scrapes_total");
  EXPECT_EQ(agent.Stop(), 0) << agent.Log();
  ASSERT_TRUE(agent.Start()) << agent.Log();
  EXPECT_GE(
      ValueOf(agent.Get("/metrics").body, "fodc_agent_spill_restored_frames"),
      4 * scrapes);
}

}  // namespace
}  // namespace fodc::agent
