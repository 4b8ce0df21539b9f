// SPDX-License-Identifier: Apache-2.0
// For tests: what a recording holds, as text.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::collect {

inline std::string SeriesText(const recorder::Series& s) {
  std::string text(s.name());
  return text.append("{").append(s.labels()).append("}");
}

// `name{labels}` and value of the newest frame of a source; empty if it has
// none.
inline std::map<std::string, double> LatestSamples(
    const recorder::Recording& recording, std::string_view source) {
  std::map<std::string, double> samples;
  const recorder::Snapshot snapshot = recording.Take();
  for (const recorder::SourceFrame& frame : snapshot.Latest()) {
    if (frame.source_name != source) continue;
    for (std::size_t i = 0; i < frame.values.size(); ++i)
      samples[SeriesText(*(*frame.series)[i])] = frame.values[i];
  }
  return samples;
}

// Times of all frames of a source, wall clock.
inline std::vector<std::int64_t> FrameTimes(
    const recorder::Recording& recording, std::string_view source) {
  std::vector<std::int64_t> times;
  const recorder::Snapshot snapshot = recording.Take();
  snapshot.ReadFrames({}, [&](const recorder::SourceFrame& frame) {
    if (frame.source_name == source) times.push_back(frame.time.unix_ms);
    return true;
  });
  return times;
}

}  // namespace fodc::collect
