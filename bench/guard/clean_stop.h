// SPDX-License-Identifier: Apache-2.0
// How often a process that fills its memory stops by itself before the kernel
// kills it.
#pragma once

#include <string_view>

#include "bench/bench_util.h"

namespace fodc::bench {

// In real cgroups of 512 MiB (v1), from rest at a random phase: rates,
// thresholds, with and without the kernel's events, and beside them what a
// fixed poll of one second reaches. `only`: "events", "polls", "1s_poll"; all
// if empty. Prints SKIPPED where there are no such groups.
void ReportCleanStops(std::string_view only, int repeats, Reporter* report);

}  // namespace fodc::bench
