// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/segment_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/wal/format.h"

namespace fodc::wal {
namespace {

// Below this a copy is cheaper than a piece of its own.
constexpr std::size_t kCopiedPayloadBytes = 2048;
constexpr std::size_t kKeptScratchBytes = 1 << 20;

}  // namespace

Status SegmentWriter::Begin(const NewSegment& segment) {
  const std::string path =
      StrCat(segment.directory, "/", SegmentName(segment.first_sequence));
  const std::string unfinished = path + ".new";
  UniqueFd fd(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                     segment.file_mode));
  if (!fd.ok()) return ErrnoStatus(errno, "create " + unfinished);
  const auto make = [&]() -> Status {
    if (segment.reserve_bytes > 0 &&
        ::fallocate(fd.get(), 0, 0,
                    static_cast<off_t>(segment.reserve_bytes)) != 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS) {
      return ErrnoStatus(errno, "reserve " + unfinished);
    }
    SegmentHeader header;
    header.salt = segment.salt;
    header.flags = segment.flags;
    header.first_sequence = segment.first_sequence;
    const auto bytes = EncodeSegmentHeader(header);
    FODC_RETURN_IF_ERROR(
        WriteAll(fd.get(), {bytes.data(), bytes.size()}, unfinished));
    if (::fsync(fd.get()) != 0) {
      return ErrnoStatus(errno, "fsync " + unfinished);
    }
    if (::rename(unfinished.c_str(), path.c_str()) != 0) {
      return ErrnoStatus(errno, "rename " + unfinished);
    }
    return OkStatus();
  };
  Status status = make();
  if (!status.ok()) {
    (void)::unlink(unfinished.c_str());
    return status;
  }
  FODC_RETURN_IF_ERROR(SyncDirectory(segment.directory));
  fd_ = std::move(fd);
  path_ = path;
  end_ = kSegmentHeaderBytes;
  salt_ = segment.salt;
  must_cut_back_ = false;
  has_reserve_ = segment.reserve_bytes > 0;
  return OkStatus();
}

Status SegmentWriter::Continue(const std::string& path, std::uint64_t end_bytes,
                               std::uint32_t salt) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  fd_ = std::move(fd);
  path_ = path;
  end_ = end_bytes;
  salt_ = salt;
  must_cut_back_ = false;
  has_reserve_ = true;  // perhaps
  return OkStatus();
}

void SegmentWriter::BuildPieces(std::span<const NewRecord> batch,
                                std::uint64_t sequence) {
  // Pieces inside frames_ are offsets until it has stopped growing.
  frames_.clear();
  pieces_.clear();
  std::size_t begun = 0;
  const auto end_frame_piece = [&] {
    if (frames_.size() == begun) return;
    pieces_.push_back({nullptr, frames_.size() - begun});
    begun = frames_.size();
  };
  for (const NewRecord& r : batch) {
    RecordHeader header;
    header.length_bytes = static_cast<std::uint32_t>(r.payload.size());
    header.kind = r.kind;
    header.sequence = sequence++;
    header.salt = salt_;
    const auto head = EncodeRecordHeader(&header);
    const auto tail = EncodeRecordTrailer(header.checksum, r.payload);
    frames_.append(head.data(), head.size());
    if (r.payload.size() <= kCopiedPayloadBytes) {
      frames_.append(r.payload);
    } else {
      end_frame_piece();
      pieces_.push_back(
          {const_cast<char*>(r.payload.data()), r.payload.size()});
    }
    frames_.append(tail.data(), tail.size());
  }
  end_frame_piece();
  char* at = frames_.data();
  for (iovec& p : pieces_) {
    if (p.iov_base != nullptr) continue;
    p.iov_base = at;
    at += p.iov_len;
  }
}

Status SegmentWriter::WritePieces(std::uint64_t offset) {
  std::span<iovec> rest = pieces_;
  while (!rest.empty()) {
    const auto count =
        static_cast<int>(std::min<std::size_t>(rest.size(), IOV_MAX));
    const ssize_t n =
        ::pwritev(fd_.get(), rest.data(), count, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write " + path_);
    if (n == 0) return Internal(StrCat("write ", path_, ": nothing written"));
    offset += static_cast<std::uint64_t>(n);
    auto done = static_cast<std::size_t>(n);
    while (!rest.empty() && done >= rest[0].iov_len) {
      done -= rest[0].iov_len;
      rest = rest.subspan(1);
    }
    if (done > 0) {
      rest[0].iov_base = static_cast<char*>(rest[0].iov_base) + done;
      rest[0].iov_len -= done;
    }
  }
  return OkStatus();
}

Status SegmentWriter::CutBack() {
  if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) {
    must_cut_back_ = true;
    return ErrnoStatus(errno, "truncate " + path_);
  }
  must_cut_back_ = false;
  return OkStatus();
}

Status SegmentWriter::Write(std::span<const NewRecord> batch,
                            std::uint64_t sequence) {
  if (must_cut_back_) FODC_RETURN_IF_ERROR(CutBack());
  BuildPieces(batch, sequence);
  std::uint64_t total = 0;
  for (const iovec& p : pieces_) total += p.iov_len;
  const Status status = WritePieces(end_);
  if (frames_.capacity() > kKeptScratchBytes) std::string().swap(frames_);
  if (!status.ok()) {
    const Status cut = CutBack();
    return cut.ok() ? status
                    : Status(status.code(),
                             StrCat(status.message(), "; ", cut.message()));
  }
  end_ += total;
  return OkStatus();
}

Status SegmentWriter::Sync() {
  if (must_cut_back_) FODC_RETURN_IF_ERROR(CutBack());
  if (::fdatasync(fd_.get()) != 0) return ErrnoStatus(errno, "sync " + path_);
  return OkStatus();
}

Status SegmentWriter::Finish() {
  const auto finish = [this]() -> Status {
    if (has_reserve_) FODC_RETURN_IF_ERROR(CutBack());
    return Sync();
  };
  Status status = finish();
  fd_.reset();
  return status;
}

}  // namespace fodc::wal
