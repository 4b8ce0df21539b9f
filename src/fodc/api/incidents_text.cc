// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/incidents_text.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>
#include <utility>

#include "fodc/api/evidence_text.h"
#include "fodc/api/json_writer.h"
#include "fodc/base/strings.h"

namespace fodc::api {

using evidence::Incident;

namespace {

// All but the evidence and who told of it.
void WriteWhat(const fleet::Agent& agent, const Incident& incident,
               JsonWriter* json) {
  const fleet::AgentIdentity& id = agent.identity;
  json->Key("id");
  json->String(incident.id);
  json->Key("name");
  json->String(id.node_name.empty() ? id.pod_name : id.node_name);
  json->Key("pod_name");
  json->String(id.pod_name);
  json->Key("role");
  json->String(id.role);
  json->Strings("labels", id.labels);
  json->Key("target");
  json->String(incident.target);
  json->Key("detector");
  json->String(incident.detector);
  json->Key("verdict");
  json->String(incident.verdict);
  json->Key("cause");
  json->String(incident.cause);
  json->Key("state");
  json->String(incident.is_open() ? "open" : "ended");
  json->Key("watched");
  if (incident.is_open()) {
    json->Bool(agent.status != fleet::AgentStatus::kOffline);
  } else {
    json->Null();
  }
  for (const auto& [key, at] : {std::pair("started_at", incident.started_ms),
                                {"updated_at", incident.updated_ms},
                                {"ended_at", incident.ended_ms}}) {
    json->Key(key);
    if (at == 0) {
      json->Null();
    } else {
      json->String(FormatInstant(at, 3));
    }
  }
  json->Key("revision");
  json->Int(incident.revision);
  json->Key("summary");
  json->String(incident.summary);
  json->Key("advice");
  json->String(incident.advice);
  json->Key("numbers");
  json->BeginArray();
  for (const evidence::IncidentNumber& n : incident.numbers) {
    json->BeginObject();
    json->Key("name");
    json->String(n.name);
    json->Key("value");
    json->Number(n.value);
    json->EndObject();
  }
  json->EndArray();
  json->Key("missing_signals");
  json->BeginArray();
  for (const std::string& signal : incident.missing_signals) {
    json->String(signal);
  }
  json->EndArray();
}

void WriteWho(const fleet::Agent& agent, MonotonicTime now, JsonWriter* json) {
  json->Key("agent");
  if (agent.id.empty()) return json->Null();
  json->BeginObject();
  json->Key("id");
  json->String(agent.id);
  json->Key("status");
  json->String(fleet::AgentStatusName(agent.status));
  json->Key("last_heartbeat");
  json->String(FormatRfc3339(agent.last_heartbeat, 3));
  json->Key("silence_seconds");
  json->Number(
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(
                              now - agent.last_heard)
                              .count()) /
      1000);
  json->EndObject();
}

}  // namespace

IncidentsText::IncidentsText(
    const fleet::Fleet& fleet, MonotonicTime now, const IncidentFilter& filter,
    const std::function<bool(const fleet::Agent&)>& takes,
    const fleet::EvidenceCopies* copies)
    : agents_(fleet.List()), now_(now) {
  for (const fleet::Agent& agent : *agents_) {
    const evidence::IncidentList* incidents = fleet.incidents(agent.id);
    if (incidents == nullptr || !takes(agent)) continue;
    for (const evidence::IncidentRef& incident : incidents->all()) {
      if (filter.Takes(*incident)) rows_.push_back({&agent, incident, {}});
    }
  }
  untold_ = FindUntoldIncidents(fleet, copies);
  for (const KnownIncident& known : untold_) {
    if (takes(known.agent) && filter.Takes(*known.incident))
      rows_.push_back({&known.agent, known.incident, {}});
  }
  total_ = rows_.size();
  const std::size_t shown = std::min(filter.limit, total_);
  std::partial_sort(
      rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(shown),
      rows_.end(), [](const Row& a, const Row& b) {
        return std::tie(b.incident->started_ms, a.agent->id, a.incident->id) <
               std::tie(a.incident->started_ms, b.agent->id, b.incident->id);
      });
  rows_.resize(shown);
  // Each node's events once, however many incidents it has.
  std::map<const fleet::Agent*, std::vector<KnownNode>> events;
  for (Row& row : rows_) {
    const auto [it, is_new] = events.try_emplace(row.agent);
    if (is_new) {
      it->second =
          FindEvidence(fleet.events(), copies, row.agent->identity.pod_name);
    }
    for (const KnownNode& node : it->second) {
      for (const KnownEvent& known : node.events) {
        if (known.event->meta.incident_id == row.incident->id) {
          row.events.push_back(known);
        }
      }
    }
  }
}

void IncidentsText::AppendRow(const Row& row, std::string* out) const {
  JsonWriter json(out);
  json.BeginObject();
  WriteWhat(*row.agent, *row.incident, &json);
  json.Key("evidence");
  json.BeginArray();
  for (const KnownEvent& known : row.events) WriteEventNote(known, &json);
  json.EndArray();
  WriteWho(*row.agent, now_, &json);
  json.EndObject();
}

bool IncidentsText::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  if (next_ == 0) out->append("{\"incidents\":[");
  while (next_ < rows_.size()) {
    if (out->size() >= stop) return true;
    if (next_ != 0) out->push_back(',');
    AppendRow(rows_[next_++], out);
  }
  out->append(StrCat("],\"total\":", total_, "}\n"));
  return false;
}

std::string IncidentJson(const KnownIncident& known, MonotonicTime now) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject();
  WriteWhat(known.agent, *known.incident, &json);
  WriteWho(known.agent, now, &json);
  json.EndObject();
  return out;
}

}  // namespace fodc::api
