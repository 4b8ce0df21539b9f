// SPDX-License-Identifier: Apache-2.0
// What the scenarios share: a hotnode, an agent that watches it and a proxy,
// all real, and what the proxy knows of them.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "tests/support/cluster.h"

namespace fodc::test {

class ScenarioTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  void SetUp() override;
  void TearDown() override;

  // Starts all three, and waits until the agent's detector has learned what is
  // usual for the node.
  void StartCalm(const std::string& memory_limit = "96MiB",
                 int start_windows = 3);
  // Ends all three, in good order.
  void StopAll();
  // One of hotnode's disturbances.
  void Disturb(const std::string& word) const;
  // The proxy's incident, once it has this verdict; null and a failure if it
  // does not come to that.
  nlohmann::json AwaitVerdict(const std::string& verdict,
                              const std::string& cause) const;
  // Ends the disturbance, and with it the incident, which is given as it is
  // then; null and a failure if it does not end.
  nlohmann::json AwaitEnd(const nlohmann::json& incident) const;
  // It is the only one, and still has the verdict that it was found with.
  void ExpectCalmAfter(const nlohmann::json& ended,
                       const nlohmann::json& incident) const;
  // Both.
  void ExpectItEnds(const nlohmann::json& incident) const;

  // GET /incidents of the proxy.
  nlohmann::json Incidents() const;
  // One value of the node's on the proxy's page; NaN if it is not there.
  double OnProxy(const std::string& family,
                 const std::map<std::string, std::string>& labels = {}) const;
  // Whether the node's reads are as fast as usual, in the newest window.
  bool IsCalm() const;
  double OnNode(const std::string& family) const;
  // The number of an incident; NaN if it has none of that name.
  static double NumberOf(const nlohmann::json& incident,
                         const std::string& name);
  // What to look at when an expectation fails.
  std::string Story() const;

 private:
  static std::string data_directory_;
  const TempDirectory directory_{"fodc_scenario"};
  std::optional<Server> node_;
  std::optional<FodcProxy> proxy_;
  std::optional<FodcAgent> agent_;
};

}  // namespace fodc::test
