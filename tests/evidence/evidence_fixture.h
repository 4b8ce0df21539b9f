// SPDX-License-Identifier: Apache-2.0
// A real agent whose targets are in a memory cgroup (v1) of their own, and a
// real proxy if the test wants one.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/evidence/event_store.h"
#include "tests/guard/growing.h"
#include "tests/support/cluster.h"

namespace fodc::test {

class EvidenceTest : public ::testing::Test {
 protected:
  static constexpr char kPod[] = "p";

  void SetUp() override {
    if (const std::string why = NoMemoryGroups(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
  }
  void MakeGroup(std::uint64_t limit_mib) {
    group_ = std::make_unique<MemoryGroup>("evidence", limit_mib);
  }
  void StartProxy() {
    proxy_ = std::make_unique<FodcProxy>(dir_);
    ASSERT_TRUE(proxy_->Start());
  }
  // With the proxy, if there is one. Kernel telemetry is off: what these tests
  // are about does without.
  void StartAgent(std::uint16_t endpoint_port, std::vector<std::string> flags,
                  const std::string& interval = "250ms") {
    flags.push_back("--ktm-enabled=false");
    AgentOptions options{.pod = kPod,
                         .endpoint_ports = {endpoint_port},
                         .interval = interval,
                         .recorder_dir = "spill",
                         .flags = std::move(flags)};
    if (proxy_ != nullptr) options.proxy_ports = {proxy_->grpc_port()};
    agent_ = std::make_unique<FodcAgent>(dir_, options);
    ASSERT_TRUE(agent_->Start()) << agent_->Log();
  }
  // Its trigger looks at the memory of this process.
  void AwaitArmed(pid_t pid) {
    ASSERT_TRUE(WaitUntil([&] {
      return Explained()["pid"] == pid &&
             Trigger("memory_pressure")["armed"] == true;
    })) << agent_->Get("/explain").body
        << agent_->Log();
  }

  // What the agent explains of its target; null if it does not answer.
  nlohmann::json Explained() const {
    const auto all =
        nlohmann::json::parse(agent_->Get("/explain").body, nullptr, false);
    return all.is_object() && !all["targets"].empty() ? all["targets"][0]
                                                      : nlohmann::json();
  }
  nlohmann::json Trigger(std::string_view name) const {
    const nlohmann::json explained = Explained();
    if (explained.is_object()) {
      for (const auto& trigger : explained["triggers"]) {
        if (trigger["trigger"] == name) return trigger;
      }
    }
    return nlohmann::json::object();
  }
  double Shown(const std::string& name,
               const std::map<std::string, std::string>& labels = {}) const {
    return ValueOf(agent_->Get("/metrics").body, name, labels);
  }
  // On the agent's disk, the newest first. The agent may be gone.
  std::vector<evidence::EventInfo> Events() const {
    auto store = evidence::EventStore::Open({.root = events_});
    if (!store.ok()) return {};
    return (*store)->List().value_or({});
  }

  // At the proxy: the newest incident of that verdict; null: there is none.
  nlohmann::json Incident(const std::string& verdict) const {
    const nlohmann::json all = Incidents(verdict);
    return all.empty() ? nlohmann::json() : all[0];
  }
  nlohmann::json Incidents(const std::string& verdict) const {
    const auto all = nlohmann::json::parse(
        proxy_->Get("/incidents?verdict=" + verdict).body, nullptr, false);
    return all.is_object() ? all["incidents"] : nlohmann::json::array();
  }
  static double Number(const nlohmann::json& incident, std::string_view name) {
    for (const auto& number : incident["numbers"]) {
      if (number["name"] == name && number["value"].is_number())
        return number["value"];
    }
    return -1;
  }
  static bool Says(const nlohmann::json& incident, std::string_view text) {
    return incident.is_object() && incident["summary"].get<std::string>().find(
                                       text) != std::string::npos;
  }
  // The step's outcome; empty: there is no such step.
  static std::string Outcome(const evidence::EventMeta& meta,
                             std::string_view step) {
    for (const evidence::EventStep& s : meta.steps) {
      if (s.step == step)
        return std::string(evidence::StepOutcomeName(s.outcome));
    }
    return {};
  }

  const TempDirectory dir_{"fodc-evidence"};
  const std::string events_ = dir_.File(StrCat("events-", kPod));
  std::unique_ptr<MemoryGroup> group_;
  std::unique_ptr<FodcProxy> proxy_;
  std::unique_ptr<FodcAgent> agent_;
};

}  // namespace fodc::test
