// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/explain.h"

#include "fodc/api/json_writer.h"
#include "fodc/base/clock.h"

namespace fodc::agent {
namespace {

void Text(api::JsonWriter* json, std::string_view key, std::string_view text) {
  json->Key(key);
  json->String(text);
}

void Decision(api::JsonWriter* json, std::string_view key,
              const std::optional<TriggerDecision>& decision) {
  json->Key(key);
  if (!decision) return json->Null();
  json->BeginObject();
  Text(json, "at", FormatRfc3339(decision->at, 3));
  json->Key("fires");
  json->Bool(decision->fires);
  Text(json, "reason", decision->reason);
  Text(json, "summary", decision->summary);
  json->Key("inputs");
  json->BeginObject();
  for (const evidence::IncidentNumber& n : decision->inputs) {
    json->Key(n.name);
    json->Number(n.value);
  }
  json->EndObject();
  json->EndObject();
}

void Trigger(api::JsonWriter* json, const TriggerView& t) {
  json->BeginObject();
  Text(json, "trigger", TriggerName(t.kind));
  json->Key("armed");
  json->Bool(t.is_armed);
  if (!t.is_armed) {
    Text(json, "reason", t.reason);
    Text(json, "why_not", t.problem);
  }
  json->Key("fired");
  json->Int(t.fired);
  Decision(json, "last_decision", t.last);
  Decision(json, "last_fired", t.last_fired);
  json->EndObject();
}

void Memory(api::JsonWriter* json, const detect::MemoryState& m) {
  json->Key("memory");
  json->BeginObject();
  Text(json, "measure", detect::PressureMeasureName(m.last.sample.measure));
  json->Key("looks");
  json->Int(m.looks);
  json->Key("failures");
  json->Int(m.failures);
  json->Key("threshold_events");
  json->Bool(m.has_events);
  json->Key("stall_events");
  json->Bool(m.has_stall);
  Text(json, "events_problem", m.events_problem);
  json->Key("wait_seconds");
  json->Number(std::chrono::duration<double>(m.wait).count());
  json->Key("seconds_to_limit");
  if (m.seconds_to_limit) {
    json->Number(*m.seconds_to_limit);
  } else {
    json->Null();
  }
  json->EndObject();
}

}  // namespace

std::string ExplainJson(const FirstResponse* response) {
  std::string out;
  api::JsonWriter json(&out);
  json.BeginObject();
  json.Key("enabled");
  json.Bool(response != nullptr);
  Text(&json, "problem",
       response != nullptr
           ? response->problem()
           : "switched off: --pressure-profiler-enabled is false");
  json.Key("targets");
  json.BeginArray();
  if (response != nullptr) {
    for (const FirstResponse::RowView& row : response->View()) {
      json.BeginObject();
      Text(&json, "target", row.target);
      json.Key("pid");
      json.Int(row.pid);
      Memory(&json, row.memory);
      json.Key("triggers");
      json.BeginArray();
      for (const TriggerView& t : row.triggers) Trigger(&json, t);
      json.EndArray();
      json.EndObject();
    }
  }
  json.EndArray();
  json.EndObject();
  return out + "\n";
}

}  // namespace fodc::agent
