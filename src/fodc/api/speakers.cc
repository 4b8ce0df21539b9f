// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/speakers.h"

namespace fodc::api {
namespace {

// Whether `a` rather than `b` speaks for the pod of both.
bool GoesBefore(const fleet::Agent& a, const fleet::Agent& b) {
  const bool a_is_online = a.status == fleet::AgentStatus::kOnline;
  const bool b_is_online = b.status == fleet::AgentStatus::kOnline;
  return a_is_online != b_is_online ? a_is_online : a.last_heard > b.last_heard;
}

}  // namespace

std::vector<fleet::Agent> Speakers(
    const std::vector<fleet::Agent>& agents,
    const std::function<bool(const fleet::Agent&)>& can_speak) {
  std::vector<fleet::Agent> out;
  for (const fleet::Agent& agent : agents) {
    if (agent.status == fleet::AgentStatus::kConflict) continue;
    if (can_speak && !can_speak(agent)) continue;
    if (out.empty() || agent.identity.pod_name.empty() ||
        out.back().identity.pod_name != agent.identity.pod_name) {
      out.push_back(agent);
    } else if (GoesBefore(agent, out.back())) {
      out.back() = agent;
    }
  }
  return out;
}

}  // namespace fodc::api
