// SPDX-License-Identifier: Apache-2.0
// Incidents that the proxy knows: those that agents told of, and those of which
// there is evidence alone.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "fodc/evidence/incident_list.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/evidence_copies.h"
#include "fodc/fleet/fleet.h"

namespace fodc::api {

// An incident and the agent that told of it; an agent without an id: it is
// known by its evidence alone.
struct KnownIncident {
  fleet::Agent agent;
  evidence::IncidentRef incident;
};

// Those that no agent has told this proxy of: it was started anew, or it was
// too long ago. As much of them as their events tell: they have ended. In no
// order. `copies` may be null; `pod` empty: of all pods.
std::vector<KnownIncident> FindUntoldIncidents(
    const fleet::Fleet& fleet, const fleet::EvidenceCopies* copies,
    std::string_view pod = {});

// Of that pod (case does not count) and id. If several agents told of it, what
// the newest revision says; if none did, what its evidence tells.
std::optional<KnownIncident> FindIncident(const fleet::Fleet& fleet,
                                          const fleet::EvidenceCopies* copies,
                                          std::string_view pod,
                                          std::string_view id);

}  // namespace fodc::api
