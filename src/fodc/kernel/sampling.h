// SPDX-License-Identifier: Apache-2.0
// When only some of a target's calls are timed.
#pragma once

#include <cstdint>

#include "fodc/kernel/telemetry.h"

namespace fodc::kernel {

// Read and write calls, those of the syncs left out.
std::uint64_t CountCalls(const TargetReading& reading);

// One call in how many is to be timed, at so many a second: 1 for each. What is
// sampled stays so down to three quarters of the rate above which that begins:
// a rate near it does not change it with each reading.
std::uint32_t SampleEvery(const TelemetryOptions& options,
                          double calls_per_second, bool is_sampled);

}  // namespace fodc::kernel
