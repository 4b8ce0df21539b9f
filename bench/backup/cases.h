// SPDX-License-Identifier: Apache-2.0
// What bench_backup measures.
#pragma once

#include "bench/bench_util.h"

namespace fodc::bench {

// Files of 1 to 16 KiB to a store that takes 30 ms for each request.
void RunSmall(bool is_full, Reporter* report);
// A second run where nothing has changed.
void RunUnchanged(bool is_full, Reporter* report);
// One file of 4 GiB.
void RunLarge(Reporter* report);
// Ticks that come faster than a run ends, in a cgroup of 96 MiB.
void RunBudget(Reporter* report);
// The same tree by rclone.
void RunBesideRclone(Reporter* report);

}  // namespace fodc::bench
