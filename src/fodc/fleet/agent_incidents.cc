// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/agent_incidents.h"

#include <utility>

namespace fodc::fleet {

using evidence::Incident;
using evidence::IncidentList;
using evidence::IncidentRef;

void AgentIncidents::Follow(recorder::Incarnation life) {
  if (std::exchange(life_, life) == life) return;
  orphans_.clear();
  for (const IncidentRef& incident : list_.all()) {
    if (incident->is_open()) orphans_.insert(incident->id);
  }
}

Result<IncidentList::Outcome> AgentIncidents::Put(Incident incident) {
  FODC_RETURN_IF_ERROR(evidence::CheckIncident(incident));
  if (orphans_.erase(incident.id) > 0) {
    const IncidentRef held = list_.Find(incident.id);
    if (held != nullptr && held->revision > incident.revision) {
      list_.Remove(incident.id);
      FODC_RETURN_IF_ERROR(list_.Put(std::move(incident)).status());
      return IncidentList::Outcome::kUpdated;
    }
  }
  return list_.Put(std::move(incident));
}

bool AgentIncidents::IsWatched(const Incident& incident) const {
  return incident.is_open() && !orphans_.contains(incident.id);
}

std::vector<IncidentRef> AgentIncidents::Held() const {
  std::vector<IncidentRef> out;
  for (const IncidentRef& incident : list_.all()) {
    if (!incident->is_open() || IsWatched(*incident)) out.push_back(incident);
  }
  return out;
}

}  // namespace fodc::fleet
