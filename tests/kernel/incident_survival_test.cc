// SPDX-License-Identifier: Apache-2.0
// A real incident, and an agent that is killed in the middle of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/kernel/group.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kGroup[] = "fodc_incident_survival";

class IncidentSurvivalTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to make cgroups and load programs";
    }
    if (Cgroup2Root().empty()) GTEST_SKIP() << "SKIPPED: no cgroup2 is mounted";
  }
  void TearDown() override {
    if (HasFailure() && agent_) (void)std::fputs(agent_->Log().c_str(), stderr);
    if (agent_) {
      EXPECT_EQ(agent_->Stop(), 0);
    }
    if (node_) {
      EXPECT_EQ(node_->Stop(), 0);
      EXPECT_FALSE(std::filesystem::exists(Cgroup2Root() + "/" + kGroup));
    }
  }

  // A small node, a proxy, and an agent that has learned what is usual for it.
  void StartCalm() {
    const std::uint16_t port = FreePort();
    node_.emplace(
        "hotnode",
        std::vector<std::string>{
            ProgramPath("hotnode"), StrCat("--port=", port),
            "--dir=" + directory_.File("data"), StrCat("--group=", kGroup),
            "--memory-limit=512MiB", "--hot-bytes=16MiB", "--wide-bytes=16MiB"},
        directory_.path(), port, "/metrics");
    ASSERT_TRUE(MakeDirectories(directory_.File("data")).ok());
    ASSERT_TRUE(node_->Start(60s));
    ASSERT_TRUE(proxy_.Start());
    agent_.emplace(
        directory_,
        AgentOptions{.pod = "hotnode-0",
                     .endpoint_ports = {port},
                     .containers = {"hotnode"},
                     .proxy_ports = {proxy_.grpc_port(), later_.grpc_port()},
                     .interval = "500ms",
                     .recorder_dir = "recorder",
                     .flags = {"--ktm-enabled=true", "--ktm-interval=500ms",
                               // What is not on disk at once, never is.
                               "--recorder-spill-interval=1h",
                               // As in the scenarios: seconds for minutes.
                               "--detect-bound=window=500ms,min-history=6,"
                               "end-windows=4,min-increase=15us,"
                               "update-interval=1s"}});
    ASSERT_TRUE(agent_->Start(60s));
    ASSERT_TRUE(WaitUntil(
        [&] {
          return ValueOf(proxy_.Get("/metrics").body, "fodc_detector_state",
                         {{"state", "calm"}}) == 1;
        },
        60s, 100ms));
  }
  void Disturb(const std::string& word) const {
    ASSERT_EQ(Request("POST", node_->Url("/disturb/" + word), "").status, 200);
  }
  // The only incident that the proxy knows, in this state; null if it does not
  // come to that.
  static json Await(const FodcProxy& proxy, const std::string& state) {
    json found;
    EXPECT_TRUE(WaitUntil(
        [&] {
          const json all =
              json::parse(proxy.Get("/incidents").body, nullptr, false);
          if (!all.is_object() || all["total"] != 1) return false;
          found = all["incidents"][0];
          return found["state"] == state;
        },
        45s, 100ms))
        << proxy.Get("/incidents").body;
    return found;
  }

  const TempDirectory directory_{"fodc_incident_survival"};
  std::optional<Server> node_;
  FodcProxy proxy_{directory_};
  FodcProxy later_{directory_, {}, "fodc-proxy-later"};
  std::optional<FodcAgent> agent_;
};

TEST_F(IncidentSurvivalTest, OneThatIsOpenWhenItsAgentIsKilledHasEnded) {
  ASSERT_NO_FATAL_FAILURE(StartCalm());
  Disturb("eviction");
  const json open = Await(proxy_, "open");
  ASSERT_TRUE(open.is_object());
  EXPECT_EQ(open["watched"], true);
  const std::string id = open["id"];
  ASSERT_TRUE(WaitUntil(
      [&] {
        return ReadFile(agent_->recorder_dir() + "/incidents")
                   .value_or("")
                   .find(id) != std::string::npos;
      },
      20s, 50ms));
  agent_->Kill();
  Disturb("calm");
  EXPECT_TRUE(WaitUntil(
      [&] { return Await(proxy_, "open")["watched"] == false; }, 20s, 50ms));
  // One that has never heard of it is told by the life that comes.
  ASSERT_TRUE(later_.Start());
  ASSERT_TRUE(agent_->Start(60s));
  for (const FodcProxy* proxy : {&proxy_, &later_}) {
    const json ended = Await(*proxy, "ended");
    ASSERT_TRUE(ended.is_object());
    EXPECT_EQ(ended["id"], id);
    EXPECT_EQ(ended["ended_at"], ended["updated_at"]);
    EXPECT_THAT(ended["summary"].get<std::string>(),
                HasSubstr("Ended: its agent ended; nobody saw the end."));
    EXPECT_TRUE(ended["watched"].is_null());
    EXPECT_EQ(ended["agent"]["status"], "online");
  }
  // And so it stays, in each further life.
  json before = Await(later_, "ended");
  ASSERT_EQ(agent_->Stop(), 0);
  ASSERT_TRUE(agent_->Start(60s));
  ASSERT_TRUE(WaitUntil(
      [&] { return Await(later_, "ended")["agent"]["status"] == "online"; },
      20s, 50ms));
  json after = Await(later_, "ended");
  after["agent"] = before["agent"];
  // What was captured because of it may still grow.
  after.erase("evidence");
  before.erase("evidence");
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace fodc::test
