// SPDX-License-Identifier: Apache-2.0
// Reads a directory of segments, changing nothing. For this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/wal/segment_reader.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {

// How a scan ended, and all that a repair or a writer needs of the segment
// where it did (the last one, save for corruption before).
struct ScanResult {
  ReadSummary summary;
  Tail tail = Tail::kEnd;
  std::string error;  // "<path>: torn at offset 4711: ...", or empty
  std::string path;
  bool can_cut = false;          // `path` is the last segment, and at fault
  std::uint64_t good_bytes = 0;  // up to the end of the last good record
  std::uint64_t data_end = 0;    // one past the last byte that is not zero
  std::uint64_t next_sequence = 0;
  std::uint32_t salt = 0;
  bool has_header = false;
  // Of the last good record of `path`; 0 if it holds none.
  std::uint64_t last_record_offset = 0;
  std::uint64_t last_record_sequence = 0;
  // Of each segment when it was opened; nothing for those passed over.
  std::vector<std::optional<FileStamp>> stamps;
};

// The segments of the directory, oldest first, with their sizes.
Result<std::vector<SegmentInfo>> ListSegments(const std::string& directory);

// Marks the segments in which options.on_damage was told of something.
// `may_change`: a writer may be at work, so an end that looks corrupt is looked
// at again, and old segments may vanish. An empty `sink` only checks.
// Corruption is a result, not an error.
// Errors: the sink's, of the system, and an unknown format version.
Result<ScanResult> Scan(std::vector<SegmentInfo>* segments,
                        const RecordSink& sink, const ReadOptions& options,
                        bool may_change);

}  // namespace fodc::wal
