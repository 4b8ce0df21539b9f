// SPDX-License-Identifier: Apache-2.0
// The series that tell how a target came to its end, as a small table around
// one instant.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/recorder/snapshot.h"

namespace fodc::ctl {

struct TimelineColumn {
  enum class Unit : std::uint8_t { kBytes, kSeconds, kShare, kCount };

  std::string head;    // "RESIDENT"
  std::string series;  // the name of that which it was taken of
  Unit unit = Unit::kBytes;
};

struct TimelineRow {
  std::int64_t unix_ms = 0;
  // One for each column: of the newest sample since the row before, and of a
  // counter its growth since then; a share is of the time between. Absent: no
  // such sample.
  std::vector<std::optional<double>> values;
};

struct Timeline {
  std::int64_t at_unix_ms = 0;
  std::vector<TimelineColumn> columns;  // only those with samples
  std::vector<TimelineRow> rows;        // none without a sample
};

// Of up to an hour before and after `at_unix_ms`, some ten rows, the closer the
// nearer. `target`: the label of that name; empty: whatever has samples.
// Recordings of one agent are taken together. Damaged chunks are passed over
// and counted in *damaged.
Timeline MakeTimeline(std::span<const recorder::Snapshot> recordings,
                      std::string_view target, std::int64_t at_unix_ms,
                      int* damaged);

std::string TimelineText(const Timeline& timeline);
// {"columns":[{"name","series","unit"}],"rows":[{"time","offset_seconds",
// "values"}]}
std::string TimelineJson(const Timeline& timeline);

}  // namespace fodc::ctl
