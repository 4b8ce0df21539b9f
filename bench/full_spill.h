// SPDX-License-Identifier: Apache-2.0
// A spill as an agent leaves it that has run for hours: its window is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::bench {

struct FullSpill {
  std::uint64_t frames = 0;
  double bytes_per_sample = 0;
};

// Writes `pages`, one a second and over and over, as frames of the source
// `source_name`, until a recording of `budget_bytes` is full, and spills it to
// `directory`.
Result<FullSpill> WriteFullSpill(const std::string& directory,
                                 const std::string& source_name,
                                 const std::string& container_name,
                                 const std::vector<std::string>& pages,
                                 std::size_t budget_bytes);

}  // namespace fodc::bench
