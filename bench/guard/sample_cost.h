// SPDX-License-Identifier: Apache-2.0
// What one sample of each source of memory costs, beside what the design
// counts on.
#pragma once

#include "bench/bench_util.h"

namespace fodc::bench {

// Each allocator needs a process that has it: runs `self` once for each, with
// the allocator preloaded. `full`: heaps of 3 GB, too.
void ReportSampleCosts(const char* self, bool full, Reporter* report);

// In such a process: prints "<label> <microseconds>" lines. `what` is a name of
// a source. Returns the exit code.
int PrintSampleCosts(std::string_view what, bool full);

// The share of one core that the watchdog takes at its shortest wait.
void ReportWatchdogCpu(bool full, Reporter* report);

}  // namespace fodc::bench
