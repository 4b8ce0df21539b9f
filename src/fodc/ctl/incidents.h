// SPDX-License-Identifier: Apache-2.0
// The table of `fodcctl incidents`.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::ctl {

// An event that an incident has.
struct IncidentEvent {
  std::string id;
  std::optional<std::uint64_t> bytes;
  bool is_pinned = false;
  std::vector<std::string> lies;  // agent, ...
};

// One of the proxy's /incidents. What is absent there is absent here.
struct IncidentRow {
  std::string id;
  std::string node;  // the pod if it has no name
  std::string target;
  std::string detector;
  std::string verdict;
  std::string cause;
  std::string summary;
  std::string advice;
  bool is_open = false;
  bool is_watched = false;
  std::optional<std::int64_t> started_unix_ms;
  std::optional<std::int64_t> updated_unix_ms;
  std::optional<std::int64_t> ended_unix_ms;
  std::vector<std::pair<std::string, std::optional<double>>> numbers;
  std::vector<std::string> missing_signals;
  std::vector<IncidentEvent> evidence;
  std::string agent_status;  // online, offline, conflict
  std::optional<double> silence_seconds;
};

struct Incidents {
  std::vector<IncidentRow> rows;  // in the proxy's order
  std::uint64_t total = 0;        // those that a limit left out included
};

// Errors: kDataLoss if the text is not what /incidents answers.
Result<Incidents> ParseIncidents(std::string_view json);

// One element of that list, whatever it has.
IncidentRow ParseIncident(const nlohmann::json& incident);

// One line each, a head line, columns padded to what they hold; with `details`
// what speaks for each below its line. What is open lasts until `now_unix_ms`.
// Control characters are shown as `?`.
std::string RenderIncidents(const Incidents& incidents,
                            std::int64_t now_unix_ms, bool details);

}  // namespace fodc::ctl
