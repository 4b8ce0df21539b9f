// SPDX-License-Identifier: Apache-2.0
// A real kvnode and a real kvload.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace fodc::test {

// One JSON document for each line that kvload printed.
inline std::vector<nlohmann::json> JsonLines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  for (const std::string_view line : Split(text, '\n')) {
    if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

class KvnodeTest : public ::testing::Test {
 protected:
  Server MakeNode(std::vector<std::string> flags = {},
                  const std::string& data = "data") const {
    const std::uint16_t port = FreePort();
    std::vector<std::string> argv = {ProgramPath("kvnode"),
                                     StrCat("--listen=127.0.0.1:", port),
                                     StrCat("--data-dir=", dir_.File(data))};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return {"kvnode", std::move(argv), dir_.path(), port, "/readyz"};
  }
  static std::vector<std::string> LoadArgv(const Server& node,
                                           std::vector<std::string> flags) {
    std::vector<std::string> argv = {ProgramPath("kvload"),
                                     StrCat("--port=", node.port())};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return argv;
  }
  static Output Load(const Server& node, std::vector<std::string> flags) {
    return RunToEnd(LoadArgv(node, std::move(flags)), std::chrono::seconds(60));
  }
  Output Verify(const Server& node) const {
    return Load(node, {"--verify", "--ledger=" + Ledger()});
  }
  std::string Ledger() const { return dir_.File("ledger"); }

  static double Metric(const Server& node, std::string_view name,
                       const std::map<std::string, std::string>& labels = {}) {
    return ValueOf(node.Get("/metrics").body, name, labels);
  }

  const TempDirectory dir_;
};

}  // namespace fodc::test
