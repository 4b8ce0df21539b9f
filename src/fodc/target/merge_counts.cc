// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/merge_counts.h"

#include <algorithm>

namespace fodc::target {

MergedCounts MergeCounts(const KeptRow& kept, bool is_of_this_boot,
                         const std::vector<FoundInstance>& found, Counts now,
                         const std::function<Finder::Fate()>& fate) {
  // Where this life meets what was kept: the process that was watched last,
  // else its successor. What was counted before that is in `kept`.
  std::uint64_t since = 0;
  if (is_of_this_boot) {
    since = kept.process ? kept.process->start_ticks : kept.last_alive_ticks;
  }
  const auto next = std::find_if(
      found.begin(), found.end(),
      [since](const FoundInstance& f) { return f.start_ticks >= since; });
  const bool is_followed = next != found.end();
  MergedCounts merged;
  const bool is_same =
      is_of_this_boot && is_followed && next->start_ticks == since;
  if (kept.process && !is_same) {
    const Finder::Fate f = fate();
    merged.has_died_unseen = f == Finder::Fate::kGone ||
                             (f == Finder::Fate::kUnknown && is_followed);
  }
  merged.deaths = kept.deaths_total + (merged.has_died_unseen ? 1 : 0);
  merged.restarts = kept.restarts_total;
  if (is_followed) {
    merged.deaths += now.deaths - next->counts.deaths;
    merged.restarts += now.restarts - next->counts.restarts;
    if (merged.has_died_unseen || kept.has_died) ++merged.restarts;
  }
  // Whatever was kept, counters do not fall.
  merged.deaths = std::max(merged.deaths, now.deaths);
  merged.restarts = std::max(merged.restarts, now.restarts);
  return merged;
}

}  // namespace fodc::target
