// SPDX-License-Identifier: Apache-2.0
// How near the process is to its memory limit.
#pragma once

#include <cstdint>

namespace fodc::guard {

// The numbers are those of fodc_guard_memory_level.
enum class MemoryLevel : std::uint8_t { kNormal = 0, kSoft = 1, kHard = 2 };

}  // namespace fodc::guard
