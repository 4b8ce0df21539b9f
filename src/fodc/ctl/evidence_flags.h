// SPDX-License-Identifier: Apache-2.0
// The command lines of fodcctl capsule and fodcctl incident.
#pragma once

#include <optional>
#include <string>

#include "fodc/ctl/capsule_commands.h"
#include "fodc/ctl/command_line.h"

namespace CLI {
class App;
}

namespace fodc::ctl {

// Must outlive the parsing. Not thread-safe.
class EvidenceFlags {
 public:
  // Adds both commands and what is below them.
  void AddTo(CLI::App* app);
  // What was given, if it was one of them; without the proxy.
  std::optional<CapsuleCommand> Capsule() const;
  std::optional<IncidentCommand> Incident() const;

 private:
  CLI::App* AddIncident(CLI::App* app, const std::string& name,
                        const std::string& help);

  CapsuleCommand capsule_;
  IncidentCommand incident_;
  CLI::App* open_ = nullptr;
  CLI::App* show_ = nullptr;
  CLI::App* get_ = nullptr;
  CLI::App* pin_ = nullptr;
  CLI::App* unpin_ = nullptr;
};

}  // namespace fodc::ctl
