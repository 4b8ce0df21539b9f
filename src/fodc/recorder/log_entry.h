// SPDX-License-Identifier: Apache-2.0
// The entries of the log that a recording is. One stream of entries has four
// uses: the window in memory, the spill on disk, the link to the proxy, the
// .fdr file. Bytes are specified in docs/formats/recording.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fodc/exposition/metric.h"

namespace fodc::recorder {

// One life of an agent process: its start, nanoseconds since the Unix epoch
// with the low bits random. Never 0.
using Incarnation = std::uint64_t;
// Counts the frames of one incarnation over all its sources, from 1, without
// holes.
using Sequence = std::uint64_t;
inline constexpr Sequence kMaxSequence = INT64_MAX;
// What frames come from: an endpoint's page, or a set of own readings. Small
// numbers, given by the recording, valid within one incarnation.
using SourceId = std::uint16_t;
// A series within one incarnation: given in order of first appearance, never
// used again for another series.
using SeriesId = std::uint32_t;

struct FrameName {
  Incarnation incarnation = 0;
  Sequence sequence = 0;
  friend bool operator==(const FrameName&, const FrameName&) = default;
};

// When a frame's samples were read. Milliseconds.
struct FrameTime {
  std::int64_t monotonic_ms = 0;  // CLOCK_MONOTONIC: orders the log
  std::int64_t unix_ms = 0;       // the wall clock then: what queries use
  friend bool operator==(const FrameTime&, const FrameTime&) = default;
};

// Bounds of what entries say, for who writes as for who reads.
inline constexpr std::size_t kMaxSourceTextBytes = 4096;
inline constexpr std::size_t kMaxNameBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxLabelsBytes = std::size_t{128} << 10;
inline constexpr std::size_t kMaxHelpBytes = 4096;
inline constexpr std::size_t kMaxUnitBytes = 1024;

// A source and what is known of it. Comes before its first frame and again
// whenever it changes; the newest one counts.
struct SourceEntry {
  Incarnation incarnation = 0;
  SourceId source = 0;
  std::string name;            // unique in the recording: an URL, "target", ...
  std::string container_name;  // identity label of its series; may be empty
};

// A series. Comes before the first frame or chunk that refers to it. Names and
// unit are legal ones (exposition/metric.h), help is UTF-8.
struct SeriesEntry {
  Incarnation incarnation = 0;
  SeriesId id = 0;
  std::string name;
  std::string labels;  // canonical text, exposition::AppendCanonicalLabels
  std::string family;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string help;
  std::string unit;
};

// One frame, encoded as a row: what changed against the previous row of the
// same source in the same stretch. The first row of each source in a stretch
// is complete in itself. All sources are sealed together: the rows of a stretch
// become one chunk.
struct RowEntry {
  FrameName name;
  SourceId source = 0;
  Sequence stretch = 0;  // sequence of the first row of this stretch
  FrameTime time;
  std::string payload;
};

// A sealed stretch: frames `first` to `last` of one incarnation, in columns,
// compressed and checksummed.
struct ChunkEntry {
  Incarnation incarnation = 0;
  Sequence first = 0;
  Sequence last = 0;
  std::string bytes;
};

using LogEntry = std::variant<SourceEntry, SeriesEntry, RowEntry, ChunkEntry>;

// The frames that an entry says it has; none of one that only defines. Until a
// chunk has been looked into its numbers may be anything.
struct EntryFrames {
  // No chunk is counted for more.
  static constexpr std::uint64_t kMost = 65536;

  FrameName first;
  Sequence last = 0;  // 0: none

  explicit EntryFrames(const LogEntry& entry) {
    if (const auto* row = std::get_if<RowEntry>(&entry)) {
      first = row->name;
      last = first.sequence;
    } else if (const auto* chunk = std::get_if<ChunkEntry>(&entry)) {
      first = {chunk->incarnation, chunk->first};
      last = chunk->last;
    }
  }
  std::uint64_t count() const {
    if (last == 0 || last < first.sequence) return 0;
    return std::min(last - first.sequence, kMost - 1) + 1;
  }
};

}  // namespace fodc::recorder
