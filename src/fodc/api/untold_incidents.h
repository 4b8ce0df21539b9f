// SPDX-License-Identifier: Apache-2.0
// Incidents of which there is evidence, and that no agent has told this proxy
// of: it was started anew, or it was too long ago.
#pragma once

#include <vector>

#include "fodc/api/incidents_text.h"
#include "fodc/fleet/evidence_copies.h"
#include "fodc/fleet/fleet.h"

namespace fodc::api {

// As much of them as their events tell: they have ended, and their agents have
// no id. In no order. `copies` may be null.
std::vector<KnownIncident> FindUntoldIncidents(
    const fleet::Fleet& fleet, const fleet::EvidenceCopies* copies);

}  // namespace fodc::api
