// SPDX-License-Identifier: Apache-2.0
// What `fodcctl incident show` tells: an incident and its events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/ctl/incidents.h"

namespace fodc::ctl {

// One artifact of an event, or what became of a step without one: "(step)".
struct ArtifactRow {
  std::string name;
  std::string outcome;
  std::optional<std::uint64_t> bytes;
};

struct EventRow {
  std::string id;
  std::string incident_id;
  std::string captured_at;
  std::optional<std::uint64_t> revision;
  std::optional<std::uint64_t> bytes;
  bool is_pinned = false;
  std::vector<std::string> where;  // agent, proxy
  std::string trigger;             // kind and summary
  std::string death;               // the summary
  std::vector<ArtifactRow> artifacts;
};

// Of the proxy's /incidents/{pod}/{id}.
struct IncidentDetail {
  std::optional<IncidentRow> incident;  // absent: events alone are known
  std::vector<EventRow> events;
};

// Errors: kDataLoss if the text is not what that answers.
Result<IncidentDetail> ParseIncidentDetail(std::string_view json);

// As RenderIncidents with details; then the events, with their artifacts below
// each. Control characters are shown as `?`.
std::string RenderIncidentDetail(const IncidentDetail& detail,
                                 std::int64_t now_unix_ms);

}  // namespace fodc::ctl
