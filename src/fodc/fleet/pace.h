// SPDX-License-Identifier: Apache-2.0
// How old a mirrored frame is, and how often frames come: what tells a fresh
// scrape from a stale one without trusting the agent's wall clock.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>

#include "fodc/base/clock.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::fleet {

// Not thread-safe. Sees rows only: a chunk is history when it comes.
class Pace {
 public:
  // Assumed until two frames of a source have come: v1's default.
  static constexpr std::chrono::milliseconds kUnknownInterval{10'000};

  // The life that the agent writes now. Rows of any other are history.
  void Follow(recorder::Incarnation incarnation);
  void OnRow(const recorder::RowEntry& row, MonotonicTime now);

  // The time between frames of the slowest source, failed scrapes not counted.
  std::chrono::milliseconds interval() const;

  // Whether the frame is no older than two intervals.
  bool IsFresh(const recorder::FrameName& name, const recorder::FrameTime& time,
               MonotonicTime now) const;
  // What news may take before it is missed.
  std::chrono::milliseconds patience() const { return 2 * interval(); }

  // Since the frame was read. The agent's monotonic clock is compared with
  // ours by the quickest row of the last minutes; its way here counts as age
  // only as far as it was slower than that one. A frame of another life is as
  // old as can be.
  std::chrono::milliseconds AgeOf(const recorder::FrameName& name,
                                  const recorder::FrameTime& time,
                                  MonotonicTime now) const;

 private:
  struct Source {
    std::int64_t last_ms = 0;
    // The last few steps; their median is the interval. A scrape that is late,
    // as after a pause of the agent, makes one long and one short; one that
    // failed makes a long one.
    std::array<std::int64_t, 8> steps{};
    std::uint32_t count = 0;
  };
  recorder::Incarnation incarnation_ = 0;
  std::map<recorder::SourceId, Source> sources_;
  // Our clock less the agent's, the least of this minute and of the one before.
  std::int64_t offset_ms_ = INT64_MAX;
  std::int64_t previous_offset_ms_ = INT64_MAX;
  MonotonicTime offset_since_;
};

}  // namespace fodc::fleet
