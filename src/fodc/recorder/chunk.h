// SPDX-License-Identifier: Apache-2.0
// A sealed stretch of the log: all rows of all sources between two sequence
// numbers, in columns, compressed and checksummed. The bytes are specified in
// docs/formats/recording.md, "Chunks".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/recorder/column_codec.h"
#include "fodc/recorder/log_entry.h"
#include "fodc/recorder/row_codec.h"

namespace fodc::recorder {

class Section;

// Immutable; thread-safe.
class Chunk {
 public:
  // Checks the checksum and all of the header, not what is compressed.
  // Errors: kDataLoss; kUnimplemented for an unknown version.
  static Result<std::shared_ptr<const Chunk>> Parse(std::string bytes);

  struct SectionInfo {
    SourceId source = 0;
    std::uint32_t rows = 0;
    std::uint32_t slots = 0;
    std::uint64_t samples = 0;
    std::uint32_t plain_bytes = 0;
    std::uint32_t stored_bytes = 0;
    std::uint32_t offset = 0;
  };

  Incarnation incarnation() const { return incarnation_; }
  Sequence first() const { return first_; }
  Sequence last() const { return last_; }
  std::uint64_t frames() const { return last_ - first_ + 1; }
  std::uint64_t samples() const { return samples_; }
  std::int64_t from_monotonic_ms() const { return from_monotonic_ms_; }
  std::int64_t to_monotonic_ms() const { return to_monotonic_ms_; }
  std::int64_t min_unix_ms() const { return min_unix_ms_; }
  std::int64_t max_unix_ms() const { return max_unix_ms_; }
  // One per source, ascending.
  std::span<const SectionInfo> sections() const { return sections_; }
  const std::string& bytes() const { return bytes_; }
  std::size_t memory_bytes() const;
  // What it is to a reader: all sections decompressed, and their columns known.
  std::size_t reading_bytes() const { return reading_bytes_; }

  // Decompresses a section and checks it. Errors: kDataLoss.
  Result<std::unique_ptr<const Section>> Open(std::size_t index) const;

 private:
  Chunk() = default;

  std::string bytes_;
  Incarnation incarnation_ = 0;
  Sequence first_ = 0;
  Sequence last_ = 0;
  std::uint64_t samples_ = 0;
  std::size_t reading_bytes_ = 0;
  std::int64_t from_monotonic_ms_ = 0;
  std::int64_t to_monotonic_ms_ = 0;
  std::int64_t min_unix_ms_ = 0;
  std::int64_t max_unix_ms_ = 0;
  std::vector<SectionInfo> sections_;
};

// The rows of one source in a chunk, decompressed. Immutable; thread-safe.
class Section {
 public:
  // Rows [from, to) in which a slot is present.
  struct Range {
    Slot slot = 0;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
  };

  SourceId source() const { return source_; }
  std::size_t rows() const { return times_.size(); }
  std::size_t slots() const { return ids_.size(); }
  const std::vector<SeriesId>& ids() const { return ids_; }
  const std::vector<Sequence>& sequences() const { return sequences_; }
  const std::vector<FrameTime>& times() const { return times_; }
  std::uint64_t samples() const { return samples_; }
  std::size_t active() const;  // slots present in the newest row

  // Where the slot is present: ascending, not empty.
  std::span<const Range> Presence(Slot slot, Range* whole) const;
  // Of slots that are not present in every row; sorted by slot and row.
  std::span<const Range> partial() const { return ranges_; }

  // Writes rows() values; in rows without the slot they mean nothing.
  void Decode(Slot slot, double* out, ColumnDecoder::Cache* cache) const {
    columns_.Decode(slot, out, cache);
  }
  std::size_t memory_bytes() const;

 private:
  friend class Chunk;
  Section() = default;
  Status ReadTimes(class ByteReader* in, std::size_t rows, const Chunk& chunk);
  Status ReadPresence(class ByteReader* in);

  std::vector<char> plain_;
  SourceId source_ = 0;
  std::uint64_t samples_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<FrameTime> times_;
  std::vector<SeriesId> ids_;
  std::vector<Range> ranges_;
  ColumnDecoder columns_;
};

// A row to be sealed. The payload must outlive the builder's call.
struct SealRow {
  SourceId source = 0;
  Sequence sequence = 0;
  FrameTime time;
  std::string_view payload;
};

// Seals rows of one incarnation: ascending sequence numbers without holes, the
// first row of each source complete, monotonic times ascending.
// Errors: kDataLoss if a payload is no row.
Result<std::string> SealChunk(Incarnation incarnation,
                              std::span<const SealRow> rows);

}  // namespace fodc::recorder
