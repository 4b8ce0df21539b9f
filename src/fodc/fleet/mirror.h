// SPDX-License-Identifier: Apache-2.0
// One flight agent's recording, as far as it has reached the proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
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
    std::uint64_t frames = 0;          // taken in; not what was held already
    std::uint64_t entries = 0;         // of any kind
    std::uint64_t gaps = 0;            // holes in what came
    std::uint64_t missing_frames = 0;  // ... and the frames they miss
    std::uint64_t damaged = 0;         // chunks refused by their checksum
    // Frames left out: they build on what is lost, are of a life that is over,
    // or have series that there was no room for.
    std::uint64_t unusable = 0;
    std::uint64_t refused_series = 0;  // no room in the mirror's memory
  };

  explicit Mirror(const recorder::RecordingOptions& options);

  // The life that the agent writes now, whatever its number: the clock that it
  // comes from may have been set back. Before the first entry of a session.
  void Follow(recorder::Incarnation incarnation, MonotonicTime now);

  // Whether what the agent has read of late may still be on its way: in a
  // session that has brought no fresh row yet, for as long as news keep coming
  // (an agent sends the oldest first) and a little longer, but for
  // kMostCatchingUp at most.
  static constexpr std::chrono::minutes kMostCatchingUp{10};
  bool IsCatchingUp(MonotonicTime now) const;

  // The proxy did nothing from `from` to `to`: what came meanwhile lies unread.
  // A mirror that was up to date then, as far as was known, is catching up.
  void OnAbsence(MonotonicTime from, MonotonicTime to);

  // Takes in one entry. A hole before it is accepted and counted: what the
  // agent no longer has cannot be waited for. Left out and counted are damaged
  // chunks, frames that are of no use, and series that do not fit.
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
  bool HasFreshRow(MonotonicTime now) const;

  recorder::Recording recording_;
  Stats stats_;
  Pace pace_;
  MonotonicTime followed_at_;
  MonotonicTime news_at_;  // of this session
  // The newest row; none yet in a mirror that got chunks only.
  std::optional<std::pair<recorder::FrameName, recorder::FrameTime>> last_row_;
  bool caught_up_ = false;
};

}  // namespace fodc::fleet
