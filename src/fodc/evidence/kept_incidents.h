// SPDX-License-Identifier: Apache-2.0
// Incidents as text that outlives the process: read back with suspicion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident.h"
#include "fodc/evidence/incident_list.h"

namespace fodc::evidence {

struct KeptIncidents {
  std::string pod;  // whose they are; empty: nobody said
  std::vector<Incident> incidents;
};

// In the order given. Numbers that are not finite are left out.
std::string EncodeIncidents(std::string_view pod,
                            const std::vector<IncidentRef>& incidents);

// Errors: kDataLoss naming what is wrong: a checksum, a line out of place, an
// incident that CheckIncident refuses, more than 65536 of them.
Result<KeptIncidents> DecodeIncidents(std::string_view text);

}  // namespace fodc::evidence
