// SPDX-License-Identifier: Apache-2.0
// Who is there and how they are: the documents of /cluster and /sd.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/api/node_frames.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/fleet.h"
#include "fodc/fleet/mirror.h"

namespace fodc::api {

// What nodes use of their processors: looks at the counters now and then, for
// reading them out of a recording would cost far more. Not thread-safe.
class CpuWatch {
 public:
  static constexpr std::chrono::seconds kInterval{5};

  // Call it every kInterval.
  void Look(const fleet::Fleet& fleet);
  // Cores, between the last look and one some 15 s before: all targets of the
  // agent, or what its pages say of themselves if it has none. Nothing yet
  // after one look.
  std::optional<double> Cores(const fleet::AgentId& id) const;

 private:
  struct Counter {
    std::int64_t monotonic_ms = 0;
    double seconds = 0;
  };
  struct Seen {
    recorder::Incarnation incarnation = 0;
    std::deque<Counter> counters;  // oldest first
  };
  std::map<fleet::AgentId, Seen> seen_;
};

// Appends one element of `nodes`. `mirror` and `newest` (its frames) are null
// for a v1 agent; `share_bytes` is what each recording may hold if all are
// alike.
void AppendClusterNode(const fleet::Agent& agent, const fleet::Mirror* mirror,
                       const NodeFrames* newest,
                       std::optional<double> cpu_cores, std::size_t share_bytes,
                       std::string* out);

// "HOST:PORT" of the agent's own HTTP server; empty if it has none.
std::string AgentEndpoint(const fleet::Agent& agent);

// Appends one group of Prometheus' HTTP service discovery.
void AppendDiscoveredAgent(const fleet::Agent& agent, std::string* out);

}  // namespace fodc::api
