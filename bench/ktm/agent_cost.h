// SPDX-License-Identifier: Apache-2.0
// What a real fodc-agent with kernel telemetry takes while its target reads.
#pragma once

#include "bench/bench_util.h"

namespace fodc::bench {

// Starts a proxy, a process that makes 100,000 reads a second, and two agents
// that scrape and watch it at their default intervals, one with kernel
// telemetry and one without; then the same among 2,000 idle processes, then an
// agent that finds the target by name in the root cgroup. About two minutes.
// False, with a line on standard error, if something does not start or counts
// in another way than it should.
bool ReportAgentCost(Reporter& report);

}  // namespace fodc::bench
