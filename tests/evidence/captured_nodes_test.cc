// SPDX-License-Identifier: Apache-2.0
// Real databases that real load drives into the limit of a real memory cgroup:
// what was captured before they died opens in `go tool pprof`, and says there
// what it says here; then the incident says how they died.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/evidence/evidence_fixture.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/go_pprof.h"

namespace fodc::test {
namespace {

constexpr std::uint64_t kLimitMib = 192;
constexpr std::uint64_t kLimit = kLimitMib << 20;

// Sums of all samples, by type.
std::vector<std::int64_t> Sums(const GoRawText& raw) {
  std::vector<std::int64_t> sums(raw.types.size());
  for (const auto& [key, values] : raw.samples) {
    for (std::size_t i = 0; i < std::min(sums.size(), values.size()); ++i)
      sums[i] += values[i];
  }
  return sums;
}

// `go tool pprof` opens it, and its totals are those of fodcctl.
void ExpectOpens(const std::string& path) {
  SCOPED_TRACE(path);
  const Output raw = Fodcctl({"pprof", "raw", path});
  ASSERT_EQ(raw.exit_code, 0) << raw.err;
  const GoRawText ours = ParseGoRaw(raw.out);
  const GoRawText theirs = ParseGoRaw(GoPprof({"-raw", path}));
  ASSERT_FALSE(theirs.types.empty());
  EXPECT_EQ(ours.types, theirs.types);
  EXPECT_EQ(Sums(ours), Sums(theirs));
  for (const std::string& type : theirs.types) {
    const std::size_t slash = type.find('/');
    const std::string name = type.substr(0, slash);
    const GoTable top =
        ParseGoTop(GoPprof({"-top", GoUnitFlag(type.substr(slash + 1)),
                            "-sample_index=" + name, path}));
    const Output our_top =
        Fodcctl({"pprof", "top", "--json", "--sample-type=" + name, path});
    ASSERT_EQ(our_top.exit_code, 0) << our_top.err;
    EXPECT_EQ(StrCat(nlohmann::json::parse(our_top.out)["total"].get<long>()),
              top.total)
        << type;
  }
}

class CapturedNodesTest : public EvidenceTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EvidenceTest::SetUp());
    if (IsSkipped()) return;
    if (const std::string why = NoGoPprof(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
    MakeGroup(kLimitMib);
    StartProxy();
  }
  // In the group, with its agent, and profiles at that port.
  void Start(Server* node, std::uint16_t pprof_port) {
    node->PutInto(group_->path());
    ASSERT_TRUE(node->Start());
    ASSERT_NO_FATAL_FAILURE(
        StartAgent(node->port(),
                   {StrCat("--pressure-profiler-pprof-port=", pprof_port),
                    "--target-log-files=" + dir_.File(node->name()) + ".log"}));
    AwaitArmed(node->process().pid());
  }
  // The first event that has all these; nothing if there is none yet.
  std::optional<std::string> EventWith(
      const std::vector<std::string>& types) const {
    const auto events = nlohmann::json::parse(
        proxy_->Get("/pressure-profiles").body, nullptr, false);
    if (!events.is_array()) return {};
    for (const auto& event : events) {
      std::vector<std::string> has;
      for (const auto& p : event["profiles"]) has.push_back(p["type"]);
      if (std::ranges::all_of(types, [&](const std::string& type) {
            return std::ranges::find(has, type) != has.end();
          })) {
        return event["profile_id"];
      }
    }
    return {};
  }
  // `load` goes on, a piece each time, until there is an event with these
  // types; then its profiles are had from the proxy, while the node lives.
  void CaptureUnderLoad(Server* node, const std::vector<std::string>& types,
                        const std::function<void()>& load) {
    std::optional<std::string> event;
    ASSERT_TRUE(WaitUntil(
        [&] {
          if (!node->process().Running()) return true;
          load();
          event = EventWith(types);
          return event.has_value();
        },
        120s, 1ms));
    ASSERT_TRUE(event) << "it died first" << agent_->Log();
    EXPECT_TRUE(node->process().Running());
    event_ = *event;
    for (const std::string& type : types) {
      const HttpAnswer profile = proxy_->Get(
          StrCat("/pressure-profiles/", kPod, "/", event_, "/", type));
      ASSERT_EQ(profile.status, 200) << profile.body;
      ASSERT_THAT(WriteFileAtomically(dir_.File(type), profile.body), IsOk());
      ExpectOpens(dir_.File(type));
    }
  }
  // `load` is called by many threads: a node that is slow at its limit still
  // grows by what each of them waits for.
  void LoadUntilDead(Server* node, const std::function<void()>& load) {
    std::atomic<bool> is_over = false;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        while (!is_over) load();
      });
    }
    const bool is_dead =
        WaitUntil([&] { return !node->process().Running(); }, 120s, 10ms);
    is_over = true;
    threads.clear();
    ASSERT_TRUE(is_dead) << agent_->Log();
  }
  // The incident of the event says so, and so does its capsule, whose profiles
  // open, too.
  void ExpectToldOfDeath(const std::string& text, std::string_view number,
                         double value) {
    nlohmann::json event;
    ASSERT_TRUE(WaitUntil([&] {
      const auto shown = nlohmann::json::parse(
          proxy_->Get(StrCat("/incidents/", kPod, "/", event_)).body, nullptr,
          false);
      if (!shown.is_object()) return false;
      event = shown["events"][0];
      return event["death"].is_object();
    })) << event.dump()
        << agent_->Log();
    nlohmann::json incident;
    EXPECT_TRUE(WaitUntil([&] {
      for (const auto& i : Incidents("memory_pressure")) {
        if (i["id"] == event["incident_id"]) incident = i;
      }
      return Says(incident, text);
    })) << incident.dump();
    EXPECT_EQ(Number(incident, number), value);
    EXPECT_EQ(Number(incident, "memory_limit_bytes"), kLimit);
    EXPECT_GE(Number(incident, "memory_bytes"), kLimit / 4 * 3);
    EXPECT_LE(Number(incident, "memory_bytes"), kLimit);

    const std::string capsule = dir_.File("capsule.tar.zst");
    const Output got = Fodcctl({"incident", "get", "--proxy", proxy_->Url(""),
                                kPod, event_, "--file", capsule});
    ASSERT_EQ(got.exit_code, 0) << got.err;
    const Output opened =
        Fodcctl({"capsule", "open", "--extract", dir_.path(), capsule});
    ASSERT_EQ(opened.exit_code, 0) << opened.err;
    EXPECT_THAT(opened.out, ::testing::HasSubstr(text));
    int profiles = 0;
    for (const std::string& file :
         ListDirectory(dir_.File(event_)).value_or({})) {
      if (!file.ends_with(".pprof")) continue;
      ++profiles;
      ExpectOpens(StrCat(dir_.File(event_), "/", file));
    }
    EXPECT_GT(profiles, 0);
  }
  void ExpectKilledForMemory(Server* node) {
    EXPECT_EQ(node->process().WaitExitCode(60s), 128 + SIGKILL);
    EXPECT_EQ(group_->OomKills(), 1U);
    ExpectToldOfDeath("The kernel killed it for memory.", "oom_killed", 1);
  }

  std::string event_;
};

TEST_F(CapturedNodesTest, EtcdThatHoldsWhatIsPut) {
  Server etcd = MakeEtcd(dir_, {"--enable-pprof"});
  ASSERT_NO_FATAL_FAILURE(Start(&etcd, etcd.port()));
  // 768 KiB of each value in base64; the raft log keeps them.
  const std::string value(1 << 20, 'x');
  std::atomic<int> key = 0;
  const auto put = [&] {
    (void)Request("POST", etcd.Url("/v3/kv/put"),
                  StrCat(R"({"key":")", 100'000'000 + ++key * 4,  // base64, too
                         R"(000","value":")", value, "\"}"));
  };
  ASSERT_NO_FATAL_FAILURE(CaptureUnderLoad(&etcd, {"heap", "goroutine"}, put));
  EXPECT_GT(key, 10);
  ASSERT_NO_FATAL_FAILURE(LoadUntilDead(&etcd, put));
  ExpectKilledForMemory(&etcd);
}

// Near the limit its own text is what the kernel drops and reads again, so that
// a scrape takes seconds: a short timeout would end the growth there, and it
// would live on.
TEST_F(CapturedNodesTest, PrometheusThatRecordsEverNewSeries) {
  std::atomic<int> scrapes = 0;
  std::atomic<int> series = 10'000;
  const FakeEndpoint page([&](std::string_view, Exchange& exchange) {
    std::string text;
    const int scrape = ++scrapes;
    for (int i = 0; i < series; ++i) {
      text += StrCat("load_total{path=\"/a/path/that/is/not/short\",request=\"",
                     scrape, "-", i, "\"} 1\n");
    }
    (void)exchange.Answer(200, text);
  });
  std::string jobs =
      "global: { scrape_interval: 10s, scrape_timeout: 10s }\n"
      "scrape_configs:\n";
  for (int i = 0; i < 20; ++i) {
    jobs +=
        StrCat("  - job_name: growing-", i,
               "\n    static_configs: [ { targets: [ \"127.0.0.1:", page.port(),
               "\" ] } ]\n");
  }
  Server prometheus = MakePrometheus(dir_, jobs);
  ASSERT_NO_FATAL_FAILURE(Start(&prometheus, prometheus.port()));
  ASSERT_NO_FATAL_FAILURE(
      CaptureUnderLoad(&prometheus, {"heap", "goroutine"}, [] {}));
  series = 100'000;
  EXPECT_EQ(prometheus.process().WaitExitCode(120s), 128 + SIGKILL);
  ExpectKilledForMemory(&prometheus);
}

class CapturedKvnodeTest : public CapturedNodesTest {
 protected:
  // Profiles at profile_port_.
  Server MakeKvnode(std::vector<std::string> flags) const {
    const std::uint16_t port = FreePort();
    std::vector<std::string> argv = {
        ProgramPath("kvnode"), StrCat("--listen=127.0.0.1:", port),
        StrCat("--profile-listen=127.0.0.1:", profile_port_),
        "--data-dir=" + dir_.File("data"), "--inflight-bytes=2GiB"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return {"kvnode", std::move(argv), dir_.path(), port, "/readyz"};
  }
  // Puts that are held one byte short of their end.
  Process Spike(const Server& node) const {
    return Process::Start(
        {.name = "kvload",
         .argv = {ProgramPath("kvload"), StrCat("--port=", node.port()),
                  "--spike", "--connections=64", "--value-bytes=16MiB",
                  "--hold-bytes=1GiB", "--hold-rate=20MiB", "--duration=60s"},
         .env = {},
         .log_path = dir_.File("kvload.log"),
         .stdout_path = ""});
  }

  const std::uint16_t profile_port_ = FreePort();
};

// It has what Go calls goroutines not: its threads.
TEST_F(CapturedKvnodeTest, ThatStopsByItself) {
  Server node = MakeKvnode({});
  ASSERT_NO_FATAL_FAILURE(Start(&node, profile_port_));
  const Process load = Spike(node);
  ASSERT_NO_FATAL_FAILURE(CaptureUnderLoad(&node, {"heap"}, [] {}));
  EXPECT_EQ(node.process().WaitExitCode(60s), 2) << node.Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  ExpectToldOfDeath("It ended with status 2.", "exit_code", 2);
}

// Nobody answers for it: its table of heap samples is read without a request.
TEST_F(CapturedKvnodeTest, ThatHasNoGuardAndIsKilled) {
  Server node = MakeKvnode({"--no-guard"});
  ASSERT_NO_FATAL_FAILURE(Start(&node, profile_port_));
  const Process load = Spike(node);
  ASSERT_NO_FATAL_FAILURE(CaptureUnderLoad(&node, {"heap-table"}, [] {}));
  ExpectKilledForMemory(&node);
}

}  // namespace
}  // namespace fodc::test
