// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/footprint.h"

#include "bpf/records.h"

namespace fodc::kernel {

Footprint FootprintOf(std::uint32_t pid_max,
                      std::size_t in_flight_budget_bytes) {
  Footprint f;
  f.record_bytes = sizeof(fodc_read_stats) + sizeof(fodc_write_stats) +
                   sizeof(fodc_policy_stats) + sizeof(fodc_cache_stats) +
                   sizeof(fodc_memory_stats) + sizeof(fodc_fault_stats) +
                   sizeof(fodc_block_stats) + sizeof(fodc_sched_stats) +
                   sizeof(fodc_death_stats) + sizeof(fodc_loss_stats);
  const std::size_t bytes = pid_max * sizeof(fodc_call);
  if (pid_max != 0 && bytes <= in_flight_budget_bytes)
    f.in_flight_bytes = bytes;
  return f;
}

}  // namespace fodc::kernel
