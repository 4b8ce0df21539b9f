// SPDX-License-Identifier: Apache-2.0
// Reads one segment and says where and how it ends. For this room.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {

// Which file it is, and in which state: two that are equal were not written to
// in between.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
// Errors: as stat(2).
Result<FileStamp> StampOf(const std::string& path);

class SegmentReader {
 public:
  enum class Outcome : std::uint8_t { kRecord, kEnd, kTorn, kCorrupt };

  // `first_sequence` is what the segment's name says.
  // Errors: as open(2) and fstat(2).
  static Result<std::unique_ptr<SegmentReader>> Open(
      const std::string& path, std::uint64_t first_sequence);

  // The next record, or why there is none. kTorn says only what the bytes look
  // like; in a segment that is not the last one it is corruption as well.
  // Errors: as read(2); kFailedPrecondition for an unknown version.
  Result<Outcome> Next(Record* record);

  // After kTorn or kCorrupt: goes to the next good record, whose sequence is
  // higher than any before. False if there is none.
  Result<bool> Resync();

  // After kCorrupt at the end of a file that is being written: forget what
  // was read of it and look at its size again.
  Status Refresh();

  // Instead of the first Next: goes on at `offset`, where the record with
  // `sequence` begins. kRecord if the segment's header is good, else as Next.
  Result<Outcome> GoTo(std::uint64_t offset, std::uint64_t sequence);

  // Where the next record begins, or where the bytes go wrong.
  std::uint64_t offset() const { return offset_; }
  // The sequence the next record must have.
  std::uint64_t next_sequence() const { return next_sequence_; }
  // What is wrong at offset(), in a few words.
  const std::string& reason() const { return reason_; }
  // One past the last byte that is not zero. Reads backward from the end.
  Result<std::uint64_t> DataEnd();
  std::uint64_t size_bytes() const { return size_; }
  // Of the file when it was opened.
  const FileStamp& stamp() const { return stamp_; }
  std::uint32_t salt() const { return salt_.value_or(0); }
  // False for a segment whose header was never written, too.
  bool has_header() const { return salt_.has_value(); }
  // It stands where a damaged one was.
  bool is_set_aside() const { return is_set_aside_; }
  std::uint64_t flipped_end_marks() const { return flipped_end_marks_; }

 private:
  SegmentReader(std::string path, UniqueFd fd, std::uint64_t first_sequence)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        first_sequence_(first_sequence),
        next_sequence_(first_sequence) {}

  Result<Outcome> ReadHeader();
  Outcome Corrupt(std::string reason);
  Outcome Torn(std::string reason);
  // `n` bytes at `offset`, fewer only at the end of the file. Valid until the
  // next call.
  Result<std::string_view> Bytes(std::uint64_t offset, std::uint64_t n);
  // Whether a whole good record with a sequence from `min_sequence` on lies
  // there. Adds what it had to read to `*cost_bytes`.
  Result<bool> IsGoodRecord(std::uint64_t offset, std::uint64_t min_sequence,
                            std::uint64_t* cost_bytes);

  std::string path_;
  UniqueFd fd_;
  std::uint64_t first_sequence_;
  std::uint64_t next_sequence_;
  std::uint64_t size_ = 0;
  FileStamp stamp_;
  std::uint64_t offset_ = 0;
  std::optional<std::uint32_t> salt_;
  bool is_set_aside_ = false;
  std::optional<std::uint64_t> data_end_;
  std::uint64_t flipped_end_marks_ = 0;
  std::string reason_;
  std::string buffer_;  // never shrinks
  std::size_t buffer_used_ = 0;
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace fodc::wal
