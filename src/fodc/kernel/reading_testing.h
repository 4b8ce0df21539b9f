// SPDX-License-Identifier: Apache-2.0
// For tests.
#pragma once

#include "fodc/kernel/reading.h"

namespace fodc::kernel {

// Of a kernel that refuses nothing: each family and each number is there.
inline TargetReading FullReading() {
  TargetReading r;
  r.state = FilterState::kByCgroup;
  r.life = 1;
  r.read.emplace();
  r.write.emplace();
  r.cache = {.added_folios = 0,
             .added_pages = 0,
             .deleted_folios = 0,
             .deleted_pages = 0,
             .lookups = 0};
  r.policy.emplace();
  r.memory = {.scanned_pages = 0,
              .reclaimed_pages = 0,
              .shrink_events = 0,
              .direct_entries = 0,
              .direct_stall_ns = 0,
              .memcg_entries = 0,
              .memcg_stall_ns = 0};
  r.faults.emplace();
  r.block.emplace();
  r.sched.emplace();
  r.death = {.oom_kills = 0, .exits_by_signal = 0};
  return r;
}

}  // namespace fodc::kernel
