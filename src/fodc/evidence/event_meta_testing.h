// SPDX-License-Identifier: Apache-2.0
// For tests: an event with everything in it.
#pragma once

#include <chrono>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::evidence {

inline EventMeta FullEventMeta() {
  const UnixTime t = ParseRfc3339("2026-11-23T01:02:03.5Z").value();
  EventMeta m;
  m.captured_at = t;
  m.pod_name = "db-0";
  m.role = "ROLE_DATA";
  m.source_endpoint = "http://localhost:6060";
  m.profiles = {{.type = "heap",
                 .filename = "heap.pprof",
                 .filepath = "/data/x/heap.pprof",
                 .size_bytes = 7}};
  m.rss_bytes = 1ULL << 63;
  m.cgroup_limit_bytes = 2;
  m.threshold_bytes = 3;
  m.trigger_percent = 75;
  m.revision = 2;
  m.incident_id = "i-1";
  m.target = "data";
  m.ramp_up = "r-1";
  m.trigger = {.kind = "memory_pressure",
               .summary = "<80 %> of the limit",
               .inputs = {{"charge_bytes", 1e9}, {"seconds_to_limit", 0.125}}};
  m.steps = {{.step = "heap",
              .file = "heap.pprof",
              .source = "http://localhost:6060/debug/pprof/heap",
              .started = t + std::chrono::milliseconds(1),
              .duration = std::chrono::nanoseconds(1234567),
              .bytes = 7,
              .sha256 = std::string(64, 'a'),
              .outcome = StepOutcome::kCut,
              .reason = "the target died"},
             {.step = "goroutine",
              .started = t,
              .outcome = StepOutcome::kFailed,
              .reason = "HTTP 500"}};
  m.death = EventDeath{.at = t + std::chrono::seconds(3),
                       .signal = 9,
                       .oom_killed = true,
                       .count = 3,
                       .summary = "killed for memory"};
  return m;
}

}  // namespace fodc::evidence
