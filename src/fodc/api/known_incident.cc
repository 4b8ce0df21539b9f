// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/known_incident.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/api/known_evidence.h"
#include "fodc/base/strings.h"

namespace fodc::api {
namespace {

// One more event of it, which may be known already.
void Add(const evidence::EventMeta& meta, evidence::Incident* incident,
         std::string* death) {
  const std::int64_t at = ToUnixMillis(meta.captured_at);
  // The first one tells what it was, the last one how it ended.
  if (incident->id.empty() || at < incident->started_ms) {
    incident->id = meta.incident_id;
    incident->started_ms = at;
    // The event of a detector's incident does not tell its verdict.
    if (meta.trigger.kind == evidence::kReadLatency) {
      incident->detector = evidence::kReadLatency;
      incident->verdict.clear();
    } else {
      incident->detector = evidence::kFirstResponse;
      incident->verdict = meta.trigger.kind;
    }
    incident->numbers = meta.trigger.inputs;
    incident->target = meta.target;
    incident->summary = meta.trigger.summary;
  }
  const std::int64_t end =
      std::max(at, meta.death ? ToUnixMillis(meta.death->at) : std::int64_t{0});
  if (end < incident->ended_ms) return;
  incident->ended_ms = end;
  if (meta.death) *death = meta.death->summary;
}

}  // namespace

std::vector<KnownIncident> FindUntoldIncidents(
    const fleet::Fleet& fleet, const fleet::EvidenceCopies* copies,
    std::string_view only_pod) {
  const fleet::AgentList agents = fleet.List();
  std::set<std::string_view> told;
  for (const fleet::Agent& agent : *agents) {
    const evidence::IncidentList* incidents = fleet.incidents(agent.id);
    if (incidents == nullptr) continue;
    for (const evidence::IncidentRef& incident : incidents->all())
      told.insert(incident->id);
  }
  std::vector<NodeEventsRef> nodes = fleet.events().List();
  if (copies != nullptr)
    std::ranges::move(copies->List(), std::back_inserter(nodes));
  struct Untold {
    NodeEventsRef node;
    evidence::Incident incident;
    std::string death;
  };
  std::map<std::pair<std::string, std::string_view>, Untold> untold;
  for (const NodeEventsRef& node : nodes) {
    if (!only_pod.empty() && !EqualsIgnoreCase(node->pod_name, only_pod))
      continue;
    const std::string pod = ToLower(node->pod_name);
    for (const auto& event : node->events) {
      const evidence::EventMeta& meta = event->meta;
      if (meta.incident_id.empty() || told.contains(meta.incident_id)) continue;
      Untold& u = untold[{pod, meta.incident_id}];
      u.node = node;
      Add(meta, &u.incident, &u.death);
    }
  }
  std::vector<KnownIncident> incidents;
  for (auto& [name, u] : untold) {
    if (!u.death.empty()) u.incident.summary += StrCat(" ", u.death);
    u.incident.summary +=
        " This proxy knows no more of it than its evidence tells.";
    u.incident.updated_ms = u.incident.ended_ms;
    KnownIncident& known = incidents.emplace_back();
    known.agent.identity.pod_name = u.node->pod_name;
    known.agent.identity.role = u.node->role;
    known.incident =
        std::make_shared<const evidence::Incident>(std::move(u.incident));
  }
  return incidents;
}

std::optional<KnownIncident> FindIncident(const fleet::Fleet& fleet,
                                          const fleet::EvidenceCopies* copies,
                                          std::string_view pod,
                                          std::string_view id) {
  std::optional<KnownIncident> found;
  for (const fleet::Agent& agent : *fleet.List()) {
    const evidence::IncidentList* incidents = fleet.incidents(agent.id);
    if (incidents == nullptr ||
        !EqualsIgnoreCase(agent.identity.pod_name, pod)) {
      continue;
    }
    const evidence::IncidentRef incident = incidents->Find(id);
    if (incident != nullptr &&
        (!found || found->incident->revision < incident->revision)) {
      found = KnownIncident{agent, incident};
    }
  }
  if (found) return found;
  for (KnownIncident& known : FindUntoldIncidents(fleet, copies, pod)) {
    if (known.incident->id == id) return std::move(known);
  }
  return found;
}

}  // namespace fodc::api
