// SPDX-License-Identifier: Apache-2.0
// Counts of an earlier life that become known only after this one has counted.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fodc/target/finder.h"
#include "fodc/target/kept_row.h"

namespace fodc::target {

struct Counts {
  std::uint64_t deaths = 0;
  std::uint64_t restarts = 0;
};

// A process that this life has found, and what it had counted when it was.
struct FoundInstance {
  std::uint64_t start_ticks = 0;
  Counts counts;
};

struct MergedCounts {
  std::uint64_t deaths = 0;
  std::uint64_t restarts = 0;
  // The process that was kept is gone, and this life did not see it go.
  bool has_died_unseen = false;
};

// `kept` joined with what this life counts `now`, less what both have counted:
// never less than `now`. `found`: the processes of this life, in order, at
// least one. `fate`: of the kept process, asked only where it matters.
MergedCounts MergeCounts(const KeptRow& kept, bool is_of_this_boot,
                         const std::vector<FoundInstance>& found, Counts now,
                         const std::function<Finder::Fate()>& fate);

}  // namespace fodc::target
