// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/scenario_fixture.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "fodc/base/strings.h"
#include "tests/kernel/group.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using nlohmann::json;

constexpr char kPod[] = "hotnode-0";
constexpr char kGroup[] = "fodc_scenario";

// Windows of half a second instead of ten, so that a scenario takes seconds.
// A read of a disk takes tens of microseconds at least: 15 more than usual is
// none from memory.
constexpr char kBounds[] =
    "--detect-bound=window=500ms,min-history=6,end-windows=4,"
    "min-increase=15us,update-interval=1s";

Server MakeNode(const TempDirectory& dir, const std::string& data,
                const std::string& memory_limit) {
  const std::uint16_t port = FreePort();
  return {"hotnode",
          // What else runs here shall not make its reads slow.
          {"/usr/bin/nice", "-n", "-15", ProgramPath("hotnode"),
           StrCat("--port=", port), "--dir=" + data, StrCat("--group=", kGroup),
           "--memory-limit=" + memory_limit},
          dir.path(),
          port,
          "/metrics"};
}

FodcAgent MakeAgent(const TempDirectory& dir, std::uint16_t node,
                    std::uint16_t proxy, int start_windows) {
  return {dir,
          {.pod = kPod,
           .endpoint_ports = {node},
           .containers = {"hotnode"},
           .proxy_ports = {proxy},
           .interval = "500ms",
           .flags = {"--ktm-enabled=true", "--ktm-interval=500ms", kBounds,
                     StrCat("--detect-bound=start-windows=", start_windows),
                     "--signal=compaction_bytes=hotnode_compaction_bytes_total",
                     "--signal=background_io_bytes="
                     "hotnode_background_io_bytes_total",
                     "--signal=block_cache_hits="
                     "hotnode_block_cache_hits_total",
                     "--signal=block_cache_misses="
                     "hotnode_block_cache_misses_total"}}};
}

}  // namespace

std::string ScenarioTest::data_directory_;

// Under a fixed name, so that what a killed run left is found and removed. The
// first hotnode fills it, all others find it.
void ScenarioTest::SetUpTestSuite() {
  data_directory_ =
      std::filesystem::temp_directory_path() / "fodc_scenario_data";
  std::filesystem::remove_all(data_directory_);
  FODC_CHECK(MakeDirectories(data_directory_).ok());
}

void ScenarioTest::TearDownTestSuite() {
  std::filesystem::remove_all(data_directory_);
}

void ScenarioTest::SetUp() {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: needs root to make cgroups and load programs";
  }
  if (Cgroup2Root().empty()) GTEST_SKIP() << "SKIPPED: no cgroup2 is mounted";
  const auto space = std::filesystem::space(data_directory_);
  if (space.available < (std::uint64_t{2} << 30)) {
    GTEST_SKIP() << "SKIPPED: needs 2 GiB of disk at " << data_directory_;
  }
}

void ScenarioTest::TearDown() {
  if (HasFailure()) (void)std::fputs(Story().c_str(), stderr);
  StopAll();
}

void ScenarioTest::StopAll() {
  if (agent_) {
    EXPECT_EQ(agent_->Stop(), 0);
  }
  if (proxy_) {
    EXPECT_EQ(proxy_->Stop(), 0);
  }
  if (node_) {
    EXPECT_EQ(node_->Stop(), 0);
    EXPECT_FALSE(std::filesystem::exists(Cgroup2Root() + "/" + kGroup));
  }
}

void ScenarioTest::StartCalm(const std::string& memory_limit,
                             int start_windows) {
  node_.emplace(MakeNode(directory_, data_directory_, memory_limit));
  // It writes a gigabyte when it is the first.
  ASSERT_TRUE(node_->Start(90s));
  proxy_.emplace(directory_);
  ASSERT_TRUE(proxy_->Start());
  agent_.emplace(
      MakeAgent(directory_, node_->port(), proxy_->grpc_port(), start_windows));
  ASSERT_TRUE(agent_->Start(60s));
  ASSERT_TRUE(WaitUntil([this] { return IsCalm(); }, 60s, 100ms));
  ASSERT_EQ(Incidents()["total"], 0);
}

void ScenarioTest::Disturb(const std::string& word) const {
  ASSERT_EQ(Request("POST", node_->Url("/disturb/" + word), "").status, 200);
}

json ScenarioTest::AwaitVerdict(const std::string& verdict,
                                const std::string& cause) const {
  json found;
  EXPECT_TRUE(WaitUntil(
      [&] {
        const json all = Incidents();
        for (const json& incident : all["incidents"]) {
          if (incident["verdict"] == verdict && incident["cause"] == cause)
            found = incident;
        }
        return !found.is_null();
      },
      45s, 100ms));
  return found;
}

json ScenarioTest::AwaitEnd(const json& incident) const {
  Disturb("calm");
  json ended;
  EXPECT_TRUE(WaitUntil(
      [&] {
        const json all = Incidents();
        for (const json& i : all["incidents"]) {
          if (i["id"] == incident["id"] && i["state"] == "ended") ended = i;
        }
        return !ended.is_null();
      },
      60s, 100ms));
  return ended;
}

void ScenarioTest::ExpectItEnds(const json& incident) const {
  const json ended = AwaitEnd(incident);
  if (!ended.is_null()) ExpectCalmAfter(ended, incident);
}

void ScenarioTest::ExpectCalmAfter(const json& ended,
                                   const json& incident) const {
  EXPECT_EQ(ended["verdict"], incident["verdict"]);
  EXPECT_EQ(ended["cause"], incident["cause"]);
  // What is hot is back, and nothing else was found meanwhile.
  EXPECT_TRUE(WaitUntil([this] { return IsCalm(); }, 60s, 100ms));
  EXPECT_EQ(Incidents()["total"], 1);
}

json ScenarioTest::Incidents() const {
  json answer = json::parse(proxy_->Get("/incidents").body, nullptr, false);
  return answer.is_object() ? answer : json{{"incidents", json::array()}};
}

double ScenarioTest::OnProxy(
    const std::string& family,
    const std::map<std::string, std::string>& labels) const {
  return ValueOf(proxy_->Get("/metrics").body, family, labels);
}

bool ScenarioTest::IsCalm() const {
  return OnProxy("fodc_detector_state", {{"state", "calm"}}) == 1;
}

double ScenarioTest::OnNode(const std::string& family) const {
  return ValueOf(node_->Get("/metrics").body, family);
}

double ScenarioTest::NumberOf(const json& incident, const std::string& name) {
  if (incident.is_object()) {
    for (const json& n : incident["numbers"]) {
      if (n["name"] == name && n["value"].is_number())
        return n["value"].get<double>();
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::string ScenarioTest::Story() const {
  std::string story;
  if (proxy_) {
    story += "/incidents of the proxy:\n" + Incidents().dump(1) + "\n";
    for (const TextSample& s : proxy_->Page()) {
      if (s.name.starts_with("fodc_detector_") || s.name.starts_with("ktm_pro"))
        story += StrCat(s.name, " ", json(s.labels).dump(), " ",
                        std::to_string(s.value), "\n");
    }
  }
  if (node_) story += node_->Get("/metrics").body + node_->Log();
  if (agent_) story += agent_->Log();
  return story;
}

}  // namespace fodc::test
