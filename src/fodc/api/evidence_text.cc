// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/evidence_text.h"

#include <chrono>

namespace fodc::api {
namespace {

void WriteProfiles(const evidence::EventMeta& meta, JsonWriter* json) {
  json->Key("profiles");
  json->BeginArray();
  for (const evidence::EventProfile& p : meta.profiles) {
    json->BeginObject();
    json->Key("type");
    json->String(p.type);
    json->Key("filename");
    json->String(p.filename);
    // Where it lies on the agent's disk is nobody's business.
    json->Key("filepath");
    json->String(p.filename);
    json->Key("format");
    json->String(p.format);
    json->Key("size_bytes");
    json->Int(p.size_bytes);
    json->EndObject();
  }
  json->EndArray();
}

void WriteSizes(const evidence::EventMeta& meta, JsonWriter* json) {
  json->Key("rss_bytes");
  json->Int(meta.rss_bytes);
  json->Key("cgroup_limit_bytes");
  json->Int(meta.cgroup_limit_bytes);
  json->Key("threshold_bytes");
  json->Int(meta.threshold_bytes);
  json->Key("trigger_percent");
  json->Int(meta.trigger_percent);
}

// As Go writes a time: without zeros at the end of the fraction.
std::string GoTime(UnixTime at) {
  std::string text = FormatRfc3339(at, 9);
  text.pop_back();  // 'Z'
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

void WriteWhere(const KnownEvent& known, JsonWriter* json) {
  json->Key("where");
  json->BeginArray();
  if (known.at_agent) json->String("agent");
  if (known.copy != nullptr) json->String("proxy");
  json->EndArray();
}

void AppendRow(const fleet::NodeEvents& node, const KnownEvent& known,
               std::string* out) {
  const fleet::ListedEvent& event = *known.event;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("captured_at");
  json.String(GoTime(event.meta.captured_at));
  json.Key("agent_id");
  json.String(node.agent);
  json.Key("pod_name");
  json.String(node.pod_name);
  json.Key("role");
  json.String(node.role);
  json.Key("profile_id");
  json.String(event.id);
  json.Key("source_endpoint");
  json.String(event.meta.source_endpoint);
  WriteProfiles(event.meta, &json);
  WriteSizes(event.meta, &json);
  WriteWhere(known, &json);
  json.EndObject();
}

void WriteDeath(const evidence::EventMeta& meta, JsonWriter* json) {
  json->Key("death");
  if (!meta.death) return json->Null();
  const evidence::EventDeath& death = *meta.death;
  json->BeginObject();
  json->Key("at");
  json->String(FormatRfc3339(death.at, 3));
  for (const auto& [key, value] :
       {std::pair("exit_code", death.exit_code), {"signal", death.signal}}) {
    json->Key(key);
    if (value) {
      json->Int(*value);
    } else {
      json->Null();
    }
  }
  json->Key("oom_killed");
  json->Bool(death.oom_killed);
  json->Key("count");
  json->Int(death.count);
  json->Key("summary");
  json->String(death.summary);
  json->EndObject();
}

void WriteSteps(const evidence::EventMeta& meta, JsonWriter* json) {
  json->Key("steps");
  json->BeginArray();
  for (const evidence::EventStep& step : meta.steps) {
    json->BeginObject();
    json->Key("step");
    json->String(step.step);
    json->Key("file");
    json->String(step.file);
    json->Key("outcome");
    json->String(evidence::StepOutcomeName(step.outcome));
    json->Key("reason");
    json->String(step.reason);
    json->Key("bytes");
    json->Int(step.bytes);
    json->Key("sha256");
    json->String(step.sha256);
    json->Key("seconds");
    json->Number(std::chrono::duration<double>(step.duration).count());
    json->EndObject();
  }
  json->EndArray();
}

void WriteEvent(const KnownEvent& known, JsonWriter* json) {
  const fleet::ListedEvent& event = *known.event;
  const evidence::EventMeta& meta = event.meta;
  json->BeginObject();
  json->Key("id");
  json->String(event.id);
  json->Key("incident_id");
  json->String(meta.incident_id);
  json->Key("captured_at");
  json->String(FormatRfc3339(meta.captured_at, 9));
  json->Key("target");
  json->String(meta.target);
  json->Key("revision");
  json->Int(meta.revision);
  json->Key("bytes");
  json->Int(event.bytes);
  json->Key("pinned");
  json->Bool(known.is_pinned);
  WriteWhere(known, json);
  json->Key("trigger");
  json->BeginObject();
  json->Key("kind");
  json->String(meta.trigger.kind);
  json->Key("summary");
  json->String(meta.trigger.summary);
  json->EndObject();
  WriteProfiles(meta, json);
  WriteSteps(meta, json);
  WriteSizes(meta, json);
  WriteDeath(meta, json);
  json->EndObject();
}

}  // namespace

void WriteEventNote(const KnownEvent& known, JsonWriter* json) {
  const fleet::ListedEvent& event = *known.event;
  json->BeginObject();
  json->Key("id");
  json->String(event.id);
  json->Key("captured_at");
  json->String(FormatRfc3339(event.meta.captured_at, 9));
  json->Key("bytes");
  json->Int(event.bytes);
  json->Key("pinned");
  json->Bool(known.is_pinned);
  WriteWhere(known, json);
  json->EndObject();
}

bool ProfilesText::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  bool first = !begun_;
  if (first) out->push_back('[');
  begun_ = true;
  while (node_ < nodes_.size()) {
    const KnownNode& node = nodes_[node_];
    if (event_ == node.events.size()) {
      ++node_;
      event_ = 0;
      continue;
    }
    if (out->size() >= stop) return true;
    if (!first) out->push_back(',');
    first = false;
    AppendRow(*node.node, node.events[event_++], out);
  }
  out->append("]\n");
  return false;
}

std::string EventsDocument(const KnownNode& node, std::string_view id,
                           std::string_view incident) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Key("pod_name");
  json.String(node.node->pod_name);
  json.Key("role");
  json.String(node.node->role);
  json.Key("agent_id");
  json.String(node.node->agent);
  json.Key("incident");
  json.Raw(incident);
  json.Key("events");
  json.BeginArray();
  for (const KnownEvent& known : node.events) {
    if (known.Is(id)) WriteEvent(known, &json);
  }
  json.EndArray();
  json.EndObject();
  return out + '\n';
}

}  // namespace fodc::api
