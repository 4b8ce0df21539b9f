// SPDX-License-Identifier: Apache-2.0
// What kernel telemetry will take of the kernel's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace fodc::kernel {

struct Footprint {
  // One record of each family, on each possible CPU and for each target.
  std::size_t record_bytes = 0;
  // Of the array of calls in flight, one place for each thread id. None: it
  // does not fit the budget, and task storage takes its place.
  std::optional<std::size_t> in_flight_bytes;
};

// `pid_max`: all thread ids are smaller; 0 if that is not known.
Footprint FootprintOf(std::uint32_t pid_max,
                      std::size_t in_flight_budget_bytes);

}  // namespace fodc::kernel
