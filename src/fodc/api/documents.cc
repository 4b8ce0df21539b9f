// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/documents.h"

#include <algorithm>

#include "fodc/api/json_writer.h"

namespace fodc::api {

std::string HealthDocument(const fleet::AgentList& agents,
                           std::chrono::nanoseconds uptime) {
  const auto online = std::count_if(
      agents->begin(), agents->end(), [](const fleet::Agent& agent) {
        return agent.status == fleet::AgentStatus::kOnline;
      });
  std::string body;
  JsonWriter json(&body);
  json.BeginObject();
  json.Key("agents_online");
  json.Int(online);
  json.Key("agents_total");
  json.Int(agents->size());
  json.Key("status");
  json.String("healthy");
  json.Key("uptime_seconds");
  json.Int(std::chrono::duration_cast<std::chrono::seconds>(uptime).count());
  json.EndObject();
  return body + "\n";
}

std::string VersionDocument(const std::string& program,
                            const std::string& version,
                            const std::string& revision) {
  std::string body;
  JsonWriter json(&body);
  json.BeginObject();
  json.Key("program");
  json.String(program);
  json.Key("version");
  json.String(version);
  json.Key("revision");
  json.String(revision);
  json.EndObject();
  return body + "\n";
}

}  // namespace fodc::api
