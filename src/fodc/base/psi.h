// SPDX-License-Identifier: Apache-2.0
// Pressure stall information: the share of time in which work waited for
// memory, CPU or I/O. Linux, Documentation/accounting/psi.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc {

struct PressureLine {
  double avg10_percent = 0;  // over the last 10 s
  double avg60_percent = 0;
  double avg300_percent = 0;
  std::uint64_t total_us = 0;  // since boot, or since the cgroup was made
};

struct Pressure {
  std::optional<PressureLine> some;  // at least one task waited
  std::optional<PressureLine> full;  // all non-idle tasks waited at once
};

// Text of /proc/pressure/{cpu,memory,io}, or of a cgroup's *.pressure. Lines
// of other names are passed over.
// Errors: kDataLoss if a line is not understood or none is there.
Result<Pressure> ParsePressure(std::string_view text);

}  // namespace fodc
