// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/memory_arbiter.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fodc::fleet {

std::size_t PoolBytes(const MemoryLimits& limits, std::size_t agents,
                      std::size_t shared_bytes) {
  const std::size_t rest =
      limits.total_bytes > shared_bytes ? limits.total_bytes - shared_bytes : 0;
  if (agents == 0 || limits.per_agent_bytes > rest / agents) return rest;
  return limits.per_agent_bytes * agents;
}

std::size_t WaterLevel(std::span<const std::size_t> used_bytes,
                       std::size_t pool_bytes) {
  std::vector<std::size_t> sorted(used_bytes.begin(), used_bytes.end());
  std::sort(sorted.begin(), sorted.end());
  std::size_t left = pool_bytes;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::size_t fair = left / (sorted.size() - i);
    if (sorted[i] > fair) return fair;
    left -= sorted[i];
  }
  return SIZE_MAX;
}

}  // namespace fodc::fleet
