// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/cluster.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "fodc/api/json_writer.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/names.h"

namespace fodc::api {
namespace {

void AppendOptional(JsonWriter* json, std::string_view key,
                    const std::optional<double>& value) {
  json->Key(key);
  if (value) {
    json->Number(*value);
  } else {
    json->Null();
  }
}

void Sum(std::optional<double>* to, double value) {
  *to = to->value_or(0) + value;
}
void Least(std::optional<double>* to, double value) {
  *to = *to ? std::min(**to, value) : value;
}
void Most(std::optional<double>* to, double value) {
  *to = *to ? std::max(**to, value) : value;
}

struct Target {
  std::string container;
  std::optional<double> up, pid, started_at, restarts, deaths, last_uptime;
};

// What the newest frames say of a node's health.
struct Summary {
  std::map<std::string, Target> targets;  // by label `target`
  std::optional<double> resident, usage, limit, cpu_limit, cpu_cores;
  std::optional<double> page_resident;     // what the node says itself
  std::optional<double> up;                // least of its endpoints
  std::optional<double> age_seconds;       // of the newest frame
  std::map<std::string, double> pressure;  // "memory_some"; share of 10 s
};

void Read(const NodeNews& news, Summary* out) {
  std::vector<exposition::Label> labels;
  std::vector<std::string> unescaped;
  for (const recorder::SourceFrame& frame : news.frames) {
    for (std::size_t i = 0; i < frame.values.size(); ++i) {
      const recorder::Series& series = *(*frame.series)[i];
      const std::string_view name = series.name();
      const double value = frame.values[i];
      if (name == "up") Least(&out->up, value);
      if (name == "process_resident_memory_bytes") {
        Most(&out->page_resident, value);
      }
      if (!name.starts_with("fodc_")) continue;
      exposition::ParseCanonicalLabels(series.labels(), &labels, &unescaped);
      const auto label = [&labels](std::string_view wanted) {
        for (const auto& l : labels) {
          if (l.name == wanted) return l.value;
        }
        return std::string_view();
      };
      if (name.starts_with("fodc_target_")) {
        Target& target = out->targets[std::string(label("target"))];
        target.container = frame.container_name;
        if (name == "fodc_target_up") target.up = value;
        if (name == "fodc_target_pid") target.pid = value;
        if (name == "fodc_target_start_time_seconds") {
          target.started_at = value;
        }
        if (name == "fodc_target_restarts_total") target.restarts = value;
        if (name == "fodc_target_deaths_total") target.deaths = value;
        if (name == "fodc_target_last_death_uptime_seconds") {
          target.last_uptime = value;
        }
        if (name == "fodc_target_resident_memory_bytes") {
          Sum(&out->resident, value);
        }
      } else if (name == "fodc_container_memory_usage_bytes") {
        Most(&out->usage, value);
      } else if (name == "fodc_container_memory_limit_bytes") {
        Least(&out->limit, value);
      } else if (name == "fodc_container_cpu_limit_cores") {
        Least(&out->cpu_limit, value);
      } else if (name == "fodc_pressure_avg10_ratio") {
        double& at =
            out->pressure[StrCat(label("resource"), "_", label("kind"))];
        at = std::max(at, value);
      }
    }
  }
}

// Without a process there is nobody who could use processors.
bool AllAreDead(const Summary& summary) {
  return !summary.targets.empty() &&
         std::all_of(summary.targets.begin(), summary.targets.end(),
                     [](const auto& t) { return t.second.up == 0.0; });
}

// Of a node that is silent, or of which nothing new has arrived yet: what was
// so then may not be now.
void ForgetTheMoment(bool is_down, Summary* summary) {
  summary->up = is_down ? std::optional<double>(0) : std::nullopt;
  summary->cpu_cores.reset();
  summary->pressure.clear();
  if (!is_down) return;
  for (auto& [name, target] : summary->targets) target.up = 0;
}

void AppendTargets(const Summary& summary, JsonWriter* json) {
  json->Key("targets");
  json->BeginArray();
  for (const auto& [name, target] : summary.targets) {
    json->BeginObject();
    json->Key("container");
    json->String(target.container);
    json->Key("name");
    json->String(name);
    json->Key("up");
    json->Bool(target.up.value_or(0) == 1);
    AppendOptional(json, "pid", target.pid);
    json->Key("started_at");
    if (target.started_at && std::abs(*target.started_at) < 9.2e9) {
      json->String(FormatInstant(
          static_cast<std::int64_t>(*target.started_at * 1000), 3));
    } else {
      json->Null();
    }
    AppendOptional(json, "restarts", target.restarts);
    AppendOptional(json, "deaths", target.deaths);
    AppendOptional(json, "last_death_uptime_seconds", target.last_uptime);
    json->EndObject();
  }
  json->EndArray();
}

void AppendIndicators(const Summary& summary, JsonWriter* json) {
  const auto rss = summary.resident ? summary.resident : summary.page_resident;
  json->Key("indicators");
  json->BeginObject();
  AppendOptional(json, "up", summary.up);
  AppendOptional(json, "age_seconds", summary.age_seconds);
  AppendOptional(json, "rss_bytes", rss);
  AppendOptional(json, "memory_usage_bytes", summary.usage);
  AppendOptional(json, "memory_limit_bytes", summary.limit);
  std::optional<double> share;
  if (rss && summary.limit && *summary.limit > 0) share = *rss / *summary.limit;
  AppendOptional(json, "rss_limit_ratio", share);
  AppendOptional(json, "cpu_cores", summary.cpu_cores);
  AppendOptional(json, "cpu_limit_cores", summary.cpu_limit);
  json->Key("pressure");
  json->BeginObject();
  for (const auto& [name, value] : summary.pressure) {
    json->Key(name);
    json->Number(value);
  }
  json->EndObject();
  json->EndObject();
}

void AppendWindow(const fleet::Mirror& mirror, const NodeNews* news,
                  std::size_t share_bytes, JsonWriter* json) {
  const recorder::RecordingStats s = mirror.recording().stats();
  json->Key("window");
  json->BeginObject();
  for (const auto& [key, at] :
       {std::pair("from", s.from_unix_ms), std::pair("to", s.to_unix_ms)}) {
    json->Key(key);
    if (s.frames == 0) {
      json->Null();
    } else {
      json->String(FormatInstant(at, 3));
    }
  }
  json->Key("samples");
  json->Int(s.samples);
  json->Key("bytes");
  json->Int(s.bytes);
  json->Key("series");
  std::size_t series = 0;
  if (news != nullptr) {
    for (const recorder::SourceFrame& f : news->frames) {
      series += f.values.size();
    }
  }
  json->Int(series);
  json->Key("frames");
  json->Int(s.frames);
  json->Key("expected_seconds");
  // At the rate of what is sealed: the open end costs more by the sample.
  const auto reach = static_cast<double>(s.window_ms) / 1000;
  if (s.sealed_bytes > 0 && reach > 0) {
    json->Number(std::floor(reach * static_cast<double>(share_bytes) /
                            static_cast<double>(s.sealed_bytes)));
  } else {
    json->Null();
  }
  json->Key("gaps");
  json->Int(mirror.stats().gaps);
  json->Key("interval_seconds");
  json->Number(static_cast<double>(mirror.pace().interval().count()) / 1000);
  json->EndObject();
}

}  // namespace

void AppendClusterNode(const fleet::Agent& agent, const fleet::Mirror* mirror,
                       const NodeNews* news, std::optional<double> cpu_cores,
                       std::size_t share_bytes, std::string* out) {
  const fleet::AgentIdentity& id = agent.identity;
  Summary summary;
  summary.cpu_cores = cpu_cores;
  if (news != nullptr) {
    Read(*news, &summary);
    if (news->age) {
      summary.age_seconds = static_cast<double>(news->age->count()) / 1000;
    }
    if (AllAreDead(summary)) summary.cpu_cores.reset();
    if (news->is_silent) ForgetTheMoment(!news->is_catching_up, &summary);
  }
  JsonWriter json(out);
  json.BeginObject();
  json.Key("name");
  json.String(id.node_name.empty() ? id.pod_name : id.node_name);
  json.Key("pod_name");
  json.String(id.pod_name);
  json.Key("role");
  json.String(id.role);
  json.Strings("labels", id.labels);
  json.Key("address");
  json.String(fleet::AgentAddress(agent));
  json.Key("container_names");
  json.BeginArray();
  for (const std::string& name : id.container_names) json.String(name);
  json.EndArray();
  json.Key("agent");
  json.BeginObject();
  json.Key("id");
  json.String(agent.id);
  json.Key("kind");
  json.String(fleet::AgentKindName(agent.kind));
  json.Key("version");
  json.String(agent.version);
  json.Key("status");
  json.String(fleet::AgentStatusName(agent.status));
  json.Key("last_heartbeat");
  json.String(FormatRfc3339(agent.last_heartbeat, 3));
  json.Key("registered_at");
  json.String(FormatRfc3339(agent.registered_at, 3));
  json.Key("round_trip_seconds");
  if (agent.round_trip.count() > 0) {
    json.Number(static_cast<double>(agent.round_trip.count()) / 1e6);
  } else {
    json.Null();
  }
  json.EndObject();
  AppendTargets(summary, &json);
  if (mirror != nullptr) {
    AppendWindow(*mirror, news, share_bytes, &json);
  } else {
    json.Key("window");
    json.Null();
  }
  AppendIndicators(summary, &json);
  json.EndObject();
}

void AppendDiscoveredAgent(const fleet::Agent& agent, std::string* out) {
  const fleet::AgentIdentity& id = agent.identity;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("targets");
  json.BeginArray();
  json.String(fleet::AgentEndpoint(agent));
  json.EndArray();
  std::map<std::string, std::string> labels;
  labels["__meta_fodc_agent_id"] = agent.id;
  labels["__meta_fodc_agent_kind"] = fleet::AgentKindName(agent.kind);
  labels["__meta_fodc_agent_status"] = fleet::AgentStatusName(agent.status);
  labels["__meta_fodc_agent_version"] = agent.version;
  labels["__meta_fodc_node_name"] = id.node_name;
  labels["__meta_fodc_node_role"] = id.role;
  labels["__meta_fodc_pod_name"] = id.pod_name;
  std::string containers;
  for (const std::string& name : id.container_names) {
    containers += containers.empty() ? "," : "";
    containers += name + ",";
  }
  labels["__meta_fodc_container_names"] = containers;
  for (const auto& [key, value] : id.labels) {
    labels.emplace(exposition::ToLabelName(StrCat("__meta_fodc_label_", key)),
                   value);
  }
  json.Strings("labels", labels);
  json.EndObject();
}

}  // namespace fodc::api
