// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/segment_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fodc/base/strings.h"
#include "fodc/wal/format.h"

namespace fodc::wal {
namespace {

constexpr std::uint64_t kReadAheadBytes = 256 * 1024;
constexpr std::string_view kNeverFinished = "a write that was never finished";

// How many bytes there were, fewer only at the end of the file.
Result<std::size_t> PreadAll(int fd, const std::string& path,
                             std::uint64_t offset, std::size_t n, char* out) {
  std::size_t used = 0;
  while (used < n) {
    const ssize_t got =
        ::pread(fd, out + used, n - used, static_cast<off_t>(offset + used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, StrCat("read ", path));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  return used;
}

std::int64_t Nanoseconds(const struct timespec& t) {
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

FileStamp Stamp(const struct stat& st) {
  return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size),
          Nanoseconds(st.st_mtim), Nanoseconds(st.st_ctim)};
}

}  // namespace

Result<FileStamp> StampOf(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, "stat " + path);
  return Stamp(st);
}

Result<std::unique_ptr<SegmentReader>> SegmentReader::Open(
    const std::string& path, std::uint64_t first_sequence) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  std::unique_ptr<SegmentReader> reader(
      new SegmentReader(path, std::move(fd), first_sequence));
  struct stat st {};
  if (::fstat(reader->fd_.get(), &st) != 0) {
    return ErrnoStatus(errno, "stat " + path);
  }
  reader->stamp_ = Stamp(st);
  reader->size_ = reader->stamp_.size_bytes;
  return reader;
}

Status SegmentReader::Refresh() {
  struct stat st {};
  if (::fstat(fd_.get(), &st) != 0) return ErrnoStatus(errno, "stat " + path_);
  size_ = static_cast<std::uint64_t>(st.st_size);
  data_end_.reset();
  buffer_used_ = 0;
  return OkStatus();
}

Result<std::string_view> SegmentReader::Bytes(std::uint64_t offset,
                                              std::uint64_t n) {
  if (offset >= size_) return std::string_view();
  n = std::min(n, size_ - offset);
  if (offset < buffer_offset_ || offset + n > buffer_offset_ + buffer_used_) {
    const auto want = static_cast<std::size_t>(
        std::min(std::max(n, kReadAheadBytes), size_ - offset));
    // What is there already is not read twice.
    std::size_t kept = 0;
    if (offset >= buffer_offset_ && offset < buffer_offset_ + buffer_used_) {
      const auto passed = static_cast<std::size_t>(offset - buffer_offset_);
      kept = buffer_used_ - passed;
      std::memmove(buffer_.data(), buffer_.data() + passed, kept);
    }
    buffer_used_ = 0;
    if (buffer_.size() < want) buffer_.resize(want);
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          PreadAll(fd_.get(), path_, offset + kept, want - kept,
                                   buffer_.data() + kept));
    buffer_offset_ = offset;
    buffer_used_ = kept + got;
    // Somebody cut the file meanwhile: it ends here.
    if (buffer_used_ < want) size_ = offset + buffer_used_;
  }
  return std::string_view(buffer_.data(), buffer_used_)
      .substr(static_cast<std::size_t>(offset - buffer_offset_),
              static_cast<std::size_t>(n));
}

Result<std::uint64_t> SegmentReader::DataEnd() {
  if (data_end_) return *data_end_;
  std::string piece;
  std::uint64_t end = size_;
  while (end > 0) {
    const std::uint64_t from =
        end > kReadAheadBytes ? end - kReadAheadBytes : 0;
    piece.resize(static_cast<std::size_t>(end - from));
    FODC_ASSIGN_OR_RETURN(
        const std::size_t got,
        PreadAll(fd_.get(), path_, from, piece.size(), piece.data()));
    piece.resize(got);
    const std::size_t last = piece.find_last_not_of('\0');
    if (last != std::string::npos) {
      end = from + last + 1;
      break;
    }
    end = from;
  }
  data_end_ = end;
  return end;
}

SegmentReader::Outcome SegmentReader::Corrupt(std::string reason) {
  reason_ = std::move(reason);
  return Outcome::kCorrupt;
}

SegmentReader::Outcome SegmentReader::Torn(std::string reason) {
  reason_ = std::move(reason);
  return Outcome::kTorn;
}

Result<SegmentReader::Outcome> SegmentReader::ReadHeader() {
  FODC_ASSIGN_OR_RETURN(const std::string_view bytes,
                        Bytes(0, kSegmentHeaderBytes));
  const std::optional<SegmentHeader> header = DecodeSegmentHeader(bytes);
  const char mark = bytes.size() == kSegmentHeaderBytes ? bytes.back() : '\0';
  if (!header || mark != kEndMark) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t data_end, DataEnd());
    if (data_end == 0) return Outcome::kEnd;
    if (data_end < kSegmentHeaderBytes) {
      return Torn(StrCat("segment header: ", kNeverFinished));
    }
    if (!header) return Corrupt("segment header: wrong magic or checksum");
    if (mark == '\0') return Corrupt("segment header: no end mark");
    ++flipped_end_marks_;
  }
  if (header->version != kVersion) {
    return FailedPrecondition(StrCat(path_, ": format version ",
                                     header->version,
                                     " is not known to this program"));
  }
  if (header->first_sequence != first_sequence_) {
    return Corrupt(StrCat("segment header: first sequence ",
                          header->first_sequence,
                          " does not fit the file's name"));
  }
  salt_ = header->salt;
  is_set_aside_ = (header->flags & kSetAside) != 0;
  offset_ = kSegmentHeaderBytes;
  return Outcome::kRecord;
}

Result<SegmentReader::Outcome> SegmentReader::GoTo(std::uint64_t offset,
                                                   std::uint64_t sequence) {
  FODC_ASSIGN_OR_RETURN(const Outcome outcome, ReadHeader());
  if (outcome == Outcome::kRecord) {
    offset_ = offset;
    next_sequence_ = sequence;
  }
  return outcome;
}

Result<SegmentReader::Outcome> SegmentReader::Next(Record* record) {
  if (offset_ == 0) {
    FODC_ASSIGN_OR_RETURN(const Outcome outcome, ReadHeader());
    if (outcome != Outcome::kRecord) return outcome;
  }
  if (offset_ >= size_) return Outcome::kEnd;
  FODC_ASSIGN_OR_RETURN(std::string_view bytes,
                        Bytes(offset_, kRecordHeaderBytes));
  const std::optional<RecordHeader> header = DecodeRecordHeader(bytes);
  if (!header) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t data_end, DataEnd());
    if (data_end <= offset_) return Outcome::kEnd;
    if (data_end < offset_ + kRecordHeaderBytes) {
      return Torn(StrCat("record header: ", kNeverFinished));
    }
    return Corrupt("record header: wrong checksum with data behind it");
  }
  if (header->salt != salt_) {
    return Corrupt("record header: salt of another segment");
  }
  if (header->sequence != next_sequence_) {
    return Corrupt(StrCat("record header: sequence ", header->sequence,
                          " where ", next_sequence_, " was due"));
  }
  if (header->flags != 0 || header->length_bytes > kMaxPayloadBytes) {
    return Corrupt("record header: flags or length out of range");
  }
  const std::uint64_t total = kRecordOverheadBytes + header->length_bytes;
  const std::uint64_t end = offset_ + total;
  if (end > size_) return Torn(StrCat("record: ", kNeverFinished));
  FODC_ASSIGN_OR_RETURN(bytes, Bytes(offset_, total));
  if (bytes.size() < total) return Torn(StrCat("record: ", kNeverFinished));
  const std::string_view payload =
      bytes.substr(kRecordHeaderBytes, header->length_bytes);
  const std::string_view trailer =
      bytes.substr(bytes.size() - kRecordTrailerBytes);
  const bool fits = TrailerFits(header->checksum, payload, trailer);
  if (!fits || trailer.back() != kEndMark) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t data_end, DataEnd());
    if (data_end < end) return Torn(StrCat("record: ", kNeverFinished));
    if (!fits) return Corrupt("record: wrong checksum");
    // Were it accepted, a cut behind it would make it a torn one.
    if (trailer.back() == '\0') return Corrupt("record: no end mark");
    ++flipped_end_marks_;
  }
  record->sequence = header->sequence;
  record->kind = header->kind;
  record->payload = payload;
  record->segment_first_sequence = first_sequence_;
  record->offset = offset_;
  offset_ = end;
  ++next_sequence_;
  return Outcome::kRecord;
}

Result<bool> SegmentReader::IsGoodRecord(std::uint64_t offset,
                                         std::uint64_t min_sequence,
                                         std::uint64_t* cost_bytes) {
  FODC_ASSIGN_OR_RETURN(std::string_view bytes,
                        Bytes(offset, kRecordHeaderBytes));
  const std::optional<RecordHeader> header = DecodeRecordHeader(bytes);
  // Each record between here and the damage takes some bytes.
  const std::uint64_t max_skipped = (offset - offset_) / kRecordOverheadBytes;
  if (!header || (salt_ && header->salt != salt_) || header->flags != 0 ||
      header->sequence < min_sequence ||
      header->sequence - min_sequence > max_skipped ||
      header->length_bytes > kMaxPayloadBytes) {
    return false;
  }
  const std::uint64_t total = kRecordOverheadBytes + header->length_bytes;
  if (offset + total > size_) return false;
  *cost_bytes += total;
  FODC_ASSIGN_OR_RETURN(bytes, Bytes(offset, total));
  if (bytes.size() < total ||
      !TrailerFits(header->checksum,
                   bytes.substr(kRecordHeaderBytes, header->length_bytes),
                   bytes.substr(bytes.size() - kRecordTrailerBytes))) {
    return false;
  }
  salt_ = header->salt;
  next_sequence_ = header->sequence;
  return true;
}

Result<bool> SegmentReader::Resync() {
  FODC_ASSIGN_OR_RETURN(const std::uint64_t data_end, DataEnd());
  // Bounds the work on bytes that were made to look like headers.
  std::uint64_t cost_bytes = 0;
  const std::uint64_t max_cost_bytes = 4 * size_ + kReadAheadBytes;
  // A damaged segment header says nothing of where records begin.
  for (std::uint64_t at = offset_ + 1;
       at + kRecordOverheadBytes <= data_end + 1 &&
       cost_bytes <= max_cost_bytes;
       ++at) {
    FODC_ASSIGN_OR_RETURN(const bool good,
                          IsGoodRecord(at, next_sequence_, &cost_bytes));
    if (good) {
      offset_ = at;
      return true;
    }
  }
  return false;
}

}  // namespace fodc::wal
