// SPDX-License-Identifier: Apache-2.0
// For tests: incidents with what a list of them asks for, and no more.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/evidence/incident.h"

namespace fodc::evidence {

inline Incident OpenIncident(const std::string& id,
                             std::uint32_t revision = 1) {
  Incident i;
  i.id = id;
  i.detector = "read_latency";
  i.verdict = "W3";
  i.started_ms = 1000;
  i.updated_ms = 1000 + revision;
  i.revision = revision;
  return i;
}

inline Incident EndedIncident(const std::string& id,
                              std::uint32_t revision = 2) {
  Incident i = OpenIncident(id, revision);
  i.ended_ms = i.updated_ms;
  return i;
}

}  // namespace fodc::evidence
