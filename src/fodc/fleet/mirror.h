// SPDX-License-Identifier: Apache-2.0
// One flight agent's recording, as far as it has reached the proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/fleet/pace.h"
#include "fodc/recorder/log_entry.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::fleet {

// Not thread-safe: the proxy's loop owns it.
class Mirror {
 public:
  struct Stats {
    std::uint64_t frames = 0;          // rows and chunks' frames taken in
    std::uint64_t entries = 0;         // of any kind
    std::uint64_t gaps = 0;            // holes in what came
    std::uint64_t missing_frames = 0;  // ... and the frames they miss
    std::uint64_t damaged = 0;         // chunks refused by their checksum
    std::uint64_t unusable = 0;        // rows that build on what is lost
  };

  explicit Mirror(const recorder::RecordingOptions& options);

  // Takes in one entry. A hole before it is accepted and counted: what the
  // agent no longer has cannot be waited for. A damaged chunk is left out and
  // counted.
  // Errors: kInvalidArgument for an unknown source or series, kDataLoss for a
  // damaged row. The recording is then as it was; the stream had better start
  // anew.
  Status Apply(const recorder::LogEntry& entry, MonotonicTime now);

  // By incarnation, the last frame held: where the agent goes on.
  std::vector<recorder::LogPosition> Positions() const;

  recorder::Recording& recording() { return recording_; }
  const recorder::Recording& recording() const { return recording_; }
  const Stats& stats() const { return stats_; }
  const Pace& pace() const { return pace_; }

 private:
  recorder::Recording recording_;
  Stats stats_;
  Pace pace_;
};

}  // namespace fodc::fleet
