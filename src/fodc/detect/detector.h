// SPDX-License-Identifier: Apache-2.0
// The read-latency detector: frames of a recording in, incidents out. It has no
// clock, reads nothing and starts nothing: what it says depends on the frames
// alone, so a replay of a recording says what the agent said when it was made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"
#include "fodc/detect/target_watch.h"
#include "fodc/evidence/incident.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::detect {

// Source of the readings that a detector's state is recorded as; see
// state_readings.h. Frames of such sources are passed over.
inline constexpr std::string_view kDetectorSourcePrefix = "detector ";

// A target's name as incidents and states have it: UTF-8 without control
// characters, and not too long for them.
std::string CleanTargetName(std::string_view name);

// Whether frames of the source are readings of a target.
bool IsOwnSource(std::string_view source_name);

// Targets are known by their sources: "kernel <name>" and "target <name>". All
// other sources are pages, which belong to the targets of their container name.
// A window ends with a frame that has read latencies: what is to count in it
// comes before, so of a tick that frame is best appended last.
// Not thread-safe. Memory: per target that of Baseline, and as many trackers as
// its pages have series that a signal takes; at most kMaxTargets targets.
class Detector {
 public:
  static constexpr std::size_t kMaxTargets = 64;

  // `options` has been checked.
  Detector(const Options& options, SignalMap signals);
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  // One frame; frames come in the order of the log, one that came before is
  // passed over. A frame of another life than the one before makes everything
  // begin anew, and leaves what was open without an end: so did the life that
  // ended.
  // Returns new revisions of incidents, in order: the first of one is its
  // start, one that has ended is its last.
  std::vector<evidence::Incident> OnFrame(const recorder::SourceFrame& frame);
  // Frames in any order, such as Recording::Latest gives them: those of the
  // newest life that did not come before, in the order of the log.
  std::vector<evidence::Incident> OnFrames(
      std::span<const recorder::SourceFrame> frames);

  // By the name of the target.
  std::vector<TargetState> States() const;
  const SignalMap& signals() const { return signals_; }

 private:
  TargetWatch* Watch(std::string_view name);

  const Options options_;
  const SignalMap signals_;
  recorder::FrameName newest_;
  std::map<std::string, std::unique_ptr<TargetWatch>, std::less<>> targets_;
};

}  // namespace fodc::detect
