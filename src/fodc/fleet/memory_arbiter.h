// SPDX-License-Identifier: Apache-2.0
// Who may hold how much: one pool of bytes over all mirrored recordings.
#pragma once

#include <cstddef>
#include <span>

namespace fodc::fleet {

struct MemoryLimits {
  std::size_t per_agent_bytes = 10u << 20;  // --recorder-memory-per-agent
  std::size_t total_bytes = 1u << 30;       // --recorder-memory
};

// The bytes that `agents` recordings may hold together: per_agent_bytes for
// each, and no more than total_bytes, which also pays for `shared_bytes` (what
// the recordings share is counted once).
std::size_t PoolBytes(const MemoryLimits& limits, std::size_t agents,
                      std::size_t shared_bytes);

// The greatest level such that the sum of min(used, level) fits into
// `pool_bytes`: whoever holds less leaves the rest to the others, and only
// those above the level give something up. SIZE_MAX if everything fits.
std::size_t WaterLevel(std::span<const std::size_t> used_bytes,
                       std::size_t pool_bytes);

}  // namespace fodc::fleet
