// SPDX-License-Identifier: Apache-2.0
// What makes the real agent capture evidence beside memory that grows, and what
// does not.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <optional>
#include <ranges>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/evidence/evidence_fixture.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kMib = 1 << 20;

class TriggersAgentTest : public EvidenceTest {
 protected:
  double Captures(const std::string& trigger) const {
    return Shown("fodc_agent_captures_total",
                 {{"trigger", trigger}, {"result", "captured"}});
  }
};

// A file larger than the limit, read over and over, another one mapped and
// touched as often, and 4 GiB that nobody touches; then memory that grows.
TEST_F(TriggersAgentTest, PageCacheAndUntouchedMemoryFireNothing) {
  MakeGroup(256);
  const auto make_file = [&](const std::string& name) {
    const std::string path = dir_.File(name);
    EXPECT_THAT(WriteFileAtomically(path, std::string(320 * kMib, 'x')),
                IsOk());
    // Whoever reads it first is charged.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::fsync(fd.get()), 0);
    EXPECT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    return path;
  };
  ASSERT_NO_FATAL_FAILURE(StartProxy());
  ASSERT_NO_FATAL_FAILURE(
      StartAgent(FreePort(), {"--target-comm=" + GrowerName()}));
  Process reader = StartGrower(
      *group_, dir_,
      {"--rate=10", "--until=8", "--reserve=4096",
       "--read=" + make_file("read"), "--map=" + make_file("mapped")});
  ASSERT_NO_FATAL_FAILURE(AwaitArmed(reader.pid()));
  reader.Signal(SIGUSR1);
  // Each round of both files says so.
  ASSERT_TRUE(
      WaitUntil([&] { return Split(reader.Log(), '\n').size() > 4; }, 240s))
      << reader.Log();
  EXPECT_GT(group_->Usage(), 200 * kMib);
  const auto looks = [&] {
    return Explained()["memory"]["looks"].get<std::uint64_t>();
  };
  const std::uint64_t before = looks();
  EXPECT_TRUE(WaitUntil([&] { return looks() > before + 20; }));
  const nlohmann::json trigger = Trigger("memory_pressure");
  EXPECT_EQ(trigger["armed"], true);
  EXPECT_EQ(trigger["fired"], 0) << trigger.dump();
  EXPECT_EQ(trigger["last_decision"]["reason"], "below");
  EXPECT_EQ(trigger["last_decision"]["inputs"]["memory_limit_bytes"],
            256 * kMib);
  EXPECT_LT(trigger["last_decision"]["inputs"]["memory_bytes"], 100 * kMib);
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_THAT(
      nlohmann::json::parse(proxy_->Get("/incidents").body)["incidents"],
      IsEmpty());

  // It was awake all the time.
  Process other = StartGrower(*group_, dir_, {"--rate=200", "--until=208"});
  other.Signal(SIGUSR1);
  EXPECT_TRUE(WaitUntil([&] { return Captures("memory_pressure") >= 1; }, 60s))
      << agent_->Get("/explain").body;
}

// Stopped, it lives and answers no more; then it goes on.
TEST_F(TriggersAgentTest, EndpointThatAnswersNoMoreIsDownUntilItAnswers) {
  MakeGroup(1024);
  Server etcd = MakeEtcd(dir_, {"--enable-pprof"});
  etcd.PutInto(group_->path());
  ASSERT_TRUE(etcd.Start());
  ASSERT_NO_FATAL_FAILURE(StartProxy());
  ASSERT_NO_FATAL_FAILURE(StartAgent(
      etcd.port(), {StrCat("--pressure-profiler-pprof-port=", etcd.port())}));
  ASSERT_NO_FATAL_FAILURE(AwaitArmed(etcd.process().pid()));
  ASSERT_TRUE(WaitUntil([&] {
    return Trigger("endpoint_down")["armed"] == true;
  })) << agent_->Get("/explain").body;
  EXPECT_THAT(Events(), IsEmpty());

  etcd.process().Signal(SIGSTOP);
  ASSERT_TRUE(WaitUntil([&] { return Captures("endpoint_down") == 1; }))
      << agent_->Get("/explain").body << agent_->Log();
  nlohmann::json incident;
  ASSERT_TRUE(WaitUntil([&] {
    incident = Incident("endpoint_down");
    return Says(incident, "Evidence: ");
  }));
  EXPECT_EQ(incident["state"], "open");
  EXPECT_EQ(incident["cause"], "deadline");
  EXPECT_EQ(Number(incident, "rounds_missed"), 3);
  EXPECT_TRUE(Says(incident, "has not answered for 3 rounds"));
  // What the kernel tells is there, its profiles are not.
  ASSERT_THAT(Events(), SizeIs(1));
  const evidence::EventInfo event = Events()[0];
  EXPECT_EQ(event.meta.trigger.kind, "endpoint_down");
  EXPECT_EQ(Outcome(event.meta, "heap"), "failed");
  EXPECT_THAT(
      ReadFile(StrCat(events_, "/", event.id, "/status.txt")).value_or(""),
      HasSubstr("T (stopped)"));

  etcd.process().Signal(SIGCONT);
  EXPECT_TRUE(WaitUntil([&] {
    incident = Incident("endpoint_down");
    return Says(incident, "It answers again.");
  })) << incident.dump();
  EXPECT_EQ(incident["state"], "ended");
  EXPECT_EQ(Number(incident, "deaths"), -1);
}

// In a container of its own the agent sees no cgroups: memory and limit are
// those that the target's page tells.
TEST_F(TriggersAgentTest, PageTellsOfATargetWhoseCgroupIsHidden) {
  MakeGroup(256);
  std::atomic<std::uint64_t> memory = 500 * kMib;
  const FakeEndpoint page([&](std::string_view, Exchange& exchange) {
    (void)exchange.Answer(
        200, StrCat("process_resident_memory_bytes ", memory.load(),
                    "\nbanyandb_memory_protector_cgroup_limit_bytes ",
                    1024 * kMib, "\n"));
  });
  // Nor does the target, through whose root it looks.
  const std::string hidden = "umount -R /sys/fs/cgroup; exec \"$0\" \"$@\"";
  const Process target = Process::Start(
      {.name = "target",
       .argv =
           {"sh", "-c",
            "echo $$ >\"$0/cgroup.procs\"; exec unshare --mount sh -c \"$@\"",
            group_->path(), hidden, ProgramPath("grower"),
            "--name=" + GrowerName(), "--rate=1"},
       .env = {},
       .log_path = dir_.File("target.log"),
       .stdout_path = ""});
  ASSERT_TRUE(WaitUntil([&] {
    return target.Log().find("ready") != std::string::npos;
  })) << target.Log();
  agent_ = std::make_unique<FodcAgent>(
      dir_, AgentOptions{.pod = kPod,
                         .endpoint_ports = {page.port()},
                         .recorder_dir = "spill",
                         .flags = {StrCat("--target-pid=", target.pid()),
                                   "--ktm-enabled=false"}});
  agent_->PutBefore({"unshare", "--mount", "sh", "-c", hidden});
  ASSERT_TRUE(agent_->Start()) << agent_->Log();
  ASSERT_NO_FATAL_FAILURE(AwaitArmed(target.pid()));
  ASSERT_TRUE(WaitUntil([&] {
    return Explained()["memory"]["measure"] == "page";
  })) << agent_->Get("/explain").body;
  nlohmann::json decision = Trigger("memory_pressure")["last_decision"];
  EXPECT_EQ(decision["reason"], "below");
  EXPECT_EQ(decision["inputs"]["memory_bytes"], 500 * kMib);
  EXPECT_EQ(decision["inputs"]["memory_limit_bytes"], 1024 * kMib);
  EXPECT_THAT(Events(), IsEmpty());

  memory = 800 * kMib;
  ASSERT_TRUE(WaitUntil([&] { return Captures("memory_pressure") == 1; }))
      << agent_->Get("/explain").body << agent_->Log();
  ASSERT_THAT(Events(), SizeIs(1));
  const evidence::EventMeta meta = Events()[0].meta;
  EXPECT_EQ(meta.rss_bytes, 800 * kMib);
  EXPECT_EQ(meta.cgroup_limit_bytes, 1024 * kMib);
  EXPECT_EQ(meta.threshold_bytes, 768 * kMib);
  EXPECT_EQ(Outcome(meta, "page-0"), "complete");
}
class TwoEndpointsTest : public TriggersAgentTest {
 protected:
  void Start(std::vector<std::string> containers) {
    ASSERT_NO_FATAL_FAILURE(StartProxy());
    agent_ = std::make_unique<FodcAgent>(
        dir_, AgentOptions{.pod = kPod,
                           .endpoint_ports = {first_.port(), second_.port()},
                           .containers = std::move(containers),
                           .proxy_ports = {proxy_->grpc_port()},
                           .interval = "250ms",
                           .flags = {"--ktm-enabled=false",
                                     "--pressure-profiler-enabled=true",
                                     "--pressure-profiler-dir=" + events_}});
    ASSERT_TRUE(agent_->Start()) << agent_->Log();
    ASSERT_TRUE(WaitUntil([&] {
      return first_.requests() >= 2 && second_.requests() >= 2 &&
             Trigger("endpoint_down")["armed"] == true;
    })) << agent_->Get("/explain").body;
  }
  // The states of all incidents become these, the oldest first.
  bool Become(const std::vector<std::string>& states) const {
    return WaitUntil([&] {
      std::map<std::string, std::string> now;
      for (const auto& i : Incidents("endpoint_down"))
        now[i["started_at"]] = i["state"];
      return std::ranges::equal(std::views::values(now), states);
    });
  }

  std::atomic<bool> is_first_down_ = false;
  std::atomic<bool> is_second_down_ = false;
  FakeEndpoint first_{Answer(is_first_down_)};
  FakeEndpoint second_{Answer(is_second_down_)};

 private:
  static FakeEndpoint::Handler Answer(const std::atomic<bool>& is_down) {
    return [&is_down](std::string_view, Exchange& exchange) {
      (void)exchange.Answer(is_down ? 500 : 200, "up_for 1\n");
    };
  }
};

// Within the cooldown of the first: each is told of by an incident of its own,
// which goes on when it happens again.
TEST_F(TwoEndpointsTest, OfOneTargetAreToldApart) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  is_first_down_ = true;
  ASSERT_TRUE(Become({"open"})) << agent_->Log();
  ASSERT_TRUE(WaitUntil([&] { return Captures("endpoint_down") == 1; }));
  is_second_down_ = true;
  ASSERT_TRUE(Become({"open", "open"}));
  is_first_down_ = false;
  EXPECT_TRUE(Become({"ended", "open"}));
  is_second_down_ = false;
  EXPECT_TRUE(Become({"ended", "ended"}));
  is_second_down_ = true;
  EXPECT_TRUE(Become({"ended", "open"})) << proxy_->Get("/incidents").body;
  for (const auto& incident : Incidents("endpoint_down")) {
    EXPECT_TRUE(Says(incident, "Evidence: ") ||
                Says(incident, "Nothing is captured: cooldown."))
        << incident.dump();
  }
  EXPECT_THAT(Events(), SizeIs(1));
}

TEST_F(TwoEndpointsTest, OfTwoTargetsOfOneNameAreToldApart) {
  ASSERT_NO_FATAL_FAILURE(Start({"db", "db"}));
  is_second_down_ = true;
  ASSERT_TRUE(Become({"open"})) << proxy_->Get("/incidents").body;
  const std::string target = StrCat("db-port-", second_.port());
  EXPECT_EQ(Incident("endpoint_down")["target"], target);
  ASSERT_TRUE(WaitUntil([&] { return Captures("endpoint_down") == 1; }));
  is_first_down_ = true;
  ASSERT_TRUE(Become({"open", "open"}));
  ASSERT_TRUE(WaitUntil([&] { return Captures("endpoint_down") == 2; }));
  // Each has its own page, and not the other's.
  ASSERT_THAT(Events(), SizeIs(2));
  for (const evidence::EventInfo& event : Events()) {
    EXPECT_EQ(std::ranges::count_if(event.meta.steps,
                                    [](const evidence::EventStep& step) {
                                      return step.step.starts_with("page");
                                    }),
              1);
  }
}

// The charge stays, and the limit moves over it and back.
TEST_F(TriggersAgentTest, LimitThatIsLoweredFiresAndRaisedCalms) {
  MakeGroup(512);
  ASSERT_NO_FATAL_FAILURE(StartProxy());
  ASSERT_NO_FATAL_FAILURE(
      StartAgent(FreePort(), {"--target-comm=" + GrowerName()}));
  Process grower = StartGrower(*group_, dir_, {"--rate=200", "--until=128"});
  ASSERT_NO_FATAL_FAILURE(AwaitArmed(grower.pid()));
  grower.Signal(SIGUSR1);
  const auto bytes = [&]() -> double {
    return Trigger(
        "memory_pressure")["last_decision"]["inputs"]["memory_bytes"];
  };
  ASSERT_TRUE(WaitUntil([&] { return bytes() >= 128 * kMib; }));
  EXPECT_THAT(Events(), IsEmpty());

  const auto set_limit = [&](std::uint64_t mib) {
    group_->Write("memory.limit_in_bytes", std::to_string(mib * kMib));
  };
  set_limit(160);
  ASSERT_TRUE(WaitUntil([&] { return Captures("memory_pressure") == 1; }))
      << agent_->Get("/explain").body;
  EXPECT_EQ(Events().at(0).meta.cgroup_limit_bytes, 160 * kMib);
  ASSERT_TRUE(WaitUntil(
      [&] { return Incident("memory_pressure")["state"] == "open"; }));

  set_limit(512);
  nlohmann::json incident;
  EXPECT_TRUE(WaitUntil([&] {
    incident = Incident("memory_pressure");
    return incident["state"] == "ended";
  })) << incident.dump();
  EXPECT_TRUE(Says(incident, "It is well below the line again."));
  EXPECT_TRUE(grower.Running());
  EXPECT_THAT(Events(), SizeIs(1));
}

struct Dying {
  const char* name;
  int signal;               // that ends it
  std::optional<int> code;  // with which it then ends; none: by the signal
  const char* last_line;
};

class DyingNodeTest : public TriggersAgentTest,
                      public ::testing::WithParamInterface<Dying> {
 protected:
  Server MakeNode() const {
    if (GetParam().name == std::string_view("etcd")) return MakeEtcd(dir_);
    const std::uint16_t port = FreePort();
    return {"kvnode",
            {ProgramPath("kvnode"), StrCat("--listen=127.0.0.1:", port),
             "--data-dir=" + dir_.File("data")},
            dir_.path(),
            port,
            "/readyz"};
  }
};

// Each time it is started it dies soon.
TEST_P(DyingNodeTest, IsOneIncidentThatCounts) {
  const Dying& dying = GetParam();
  MakeGroup(1024);
  Server node = MakeNode();
  node.PutInto(group_->path());
  ASSERT_NO_FATAL_FAILURE(StartProxy());
  ASSERT_NO_FATAL_FAILURE(
      StartAgent(node.port(),
                 {StrCat("--target-log-files=", dir_.File(dying.name), ".log")},
                 // Time to start, within the rounds that an endpoint may miss.
                 "5s"));
  nlohmann::json incident;
  for (int death = 1; death <= 4; ++death) {
    SCOPED_TRACE(death);
    ASSERT_TRUE(node.Start());
    ASSERT_NO_FATAL_FAILURE(AwaitArmed(node.process().pid()));
    node.process().Signal(dying.signal);
    EXPECT_EQ(node.process().WaitExitCode(30s),
              dying.code.value_or(128 + dying.signal));
    const std::string verdict = death >= 3 ? "death_loop" : "";
    EXPECT_TRUE(WaitUntil([&] {
      const auto all = Incidents(verdict);
      if (all.empty()) return false;
      incident = all[0];
      return Number(incident, "deaths") == death;
    })) << incident.dump()
        << agent_->Log();
  }
  EXPECT_THAT(Incidents(""), SizeIs(1)) << Incidents("").dump();
  EXPECT_EQ(incident["state"], "open");
  EXPECT_TRUE(Says(incident, "died 3 times, each soon after its start."));
  EXPECT_EQ(Number(incident, "oom_killed"), 0);
  EXPECT_EQ(Number(incident, "exit_code"), dying.code.value_or(-1));
  EXPECT_EQ(Number(incident, "exit_signal"), dying.code ? -1 : dying.signal);
  EXPECT_GT(Number(incident, "time_to_death_seconds"), 0);
  EXPECT_LT(Number(incident, "time_to_death_seconds"), 30);

  // Its events, and the last lines of the log in them.
  ASSERT_TRUE(WaitUntil([&] { return Captures("death_loop") == 1; }));
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(2));
  for (const evidence::EventInfo& event : events) {
    EXPECT_EQ(event.meta.incident_id, incident["id"]);
    ASSERT_TRUE(event.meta.death.has_value());
    EXPECT_EQ(event.meta.death->exit_code, dying.code);
    EXPECT_EQ(event.meta.death->signal.has_value(), !dying.code.has_value());
    EXPECT_THAT(
        ReadFile(StrCat(events_, "/", event.id, "/log.0.", dying.name, ".log"))
            .value_or(""),
        HasSubstr(dying.last_line));
  }
  EXPECT_GE(events[0].meta.death->count, 3U);
}

// Go's runtime writes all goroutines, and ends with 2; the guard's handler
// notes the crash, and lets the signal have its way.
INSTANTIATE_TEST_SUITE_P(
    , DyingNodeTest,
    ::testing::Values(Dying{"etcd", SIGQUIT, 2, "SIGQUIT: quit"},
                      Dying{"kvnode", SIGSEGV, std::nullopt, "node serves"}),
    [](const auto& dying) { return std::string(dying.param.name); });

}  // namespace
}  // namespace fodc::test
