// SPDX-License-Identifier: Apache-2.0
// Incidents as /incidents shows them: its document, written piece by piece, and
// one alone.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "fodc/api/incident_filter.h"
#include "fodc/api/known_evidence.h"
#include "fodc/api/known_incident.h"
#include "fodc/base/clock.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/fleet.h"

namespace fodc::api {

// What the proxy knows at the moment of its making; needs the fleet no more.
class IncidentsText {
 public:
  // `takes` chooses the nodes; `copies` may be null.
  IncidentsText(const fleet::Fleet& fleet, MonotonicTime now,
                const IncidentFilter& filter,
                const std::function<bool(const fleet::Agent&)>& takes,
                const fleet::EvidenceCopies* copies);

  // Appends what comes next. Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  struct Row {
    const fleet::Agent* agent;  // of agents_ or untold_
    evidence::IncidentRef incident;
    std::vector<KnownEvent> events;  // of it
  };
  void AppendRow(const Row& row, std::string* out) const;

  const fleet::AgentList agents_;
  const MonotonicTime now_;
  std::vector<KnownIncident> untold_;
  std::vector<Row> rows_;
  std::size_t total_ = 0;  // without the limit
  std::size_t next_ = 0;
};

// As a row of the list, without its evidence.
std::string IncidentJson(const KnownIncident& known, MonotonicTime now);

}  // namespace fodc::api
