// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/repair.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/format.h"

namespace fodc::wal {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

bool IsTaken(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

Status CopyRange(int from, const std::string& from_path, std::uint64_t begin,
                 std::uint64_t end, int to, const std::string& to_path) {
  std::string piece;
  while (begin < end) {
    piece.resize(static_cast<std::size_t>(
        std::min<std::uint64_t>(kPieceBytes, end - begin)));
    const ssize_t n =
        ::pread(from, piece.data(), piece.size(), static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read " + from_path);
    if (n == 0) return DataLoss(from_path + " became shorter meanwhile");
    piece.resize(static_cast<std::size_t>(n));
    FODC_RETURN_IF_ERROR(WriteAll(to, piece, to_path));
    begin += static_cast<std::uint64_t>(n);
  }
  if (::fsync(to) != 0) return ErrnoStatus(errno, "fsync " + to_path);
  return OkStatus();
}

// The stamp of "x.wal.torn-<stamp>", to order by age whatever the segment.
std::string_view StampIn(std::string_view name, std::string_view infix) {
  return name.substr(name.find(infix) + infix.size());
}

Status CheckUnchanged(const std::string& path, const FileStamp& stamp) {
  FODC_ASSIGN_OR_RETURN(const FileStamp now, StampOf(path));
  if (now == stamp) return OkStatus();
  return DataLoss(path + " was written to by somebody else meanwhile");
}

}  // namespace

std::string UnusedName(const std::string& path, std::string_view what,
                       UnixTime now) {
  std::string stamp;
  for (const char c : FormatRfc3339(now, 9)) {
    if (c != '-' && c != ':') stamp += c;
  }
  const std::string base = StrCat(path, ".", what, "-", stamp);
  std::string name = base;
  for (int i = 2; IsTaken(name); ++i) name = StrCat(base, "-", i);
  return name;
}

Status CutTail(const Cut& cut) {
  const UniqueFd segment(::open(cut.segment.c_str(), O_RDWR | O_CLOEXEC));
  if (!segment.ok()) return ErrnoStatus(errno, "open " + cut.segment);
  FODC_RETURN_IF_ERROR(CheckUnchanged(cut.segment, cut.stamp));
  if (cut.keep_bytes < cut.data_end) {
    UniqueFd copy(::open(cut.copy.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                         cut.file_mode));
    if (!copy.ok()) return ErrnoStatus(errno, "create " + cut.copy);
    Status status = CopyRange(segment.get(), cut.segment, cut.keep_bytes,
                              cut.data_end, copy.get(), cut.copy);
    if (status.ok()) status = SyncDirectory(cut.directory);
    if (!status.ok()) {
      (void)::unlink(cut.copy.c_str());  // half a copy is no evidence
      return status;
    }
  }
  if (::ftruncate(segment.get(), static_cast<off_t>(cut.keep_bytes)) != 0) {
    return ErrnoStatus(errno, "truncate " + cut.segment);
  }
  if (::fsync(segment.get()) != 0) {
    return ErrnoStatus(errno, "fsync " + cut.segment);
  }
  return SyncDirectory(cut.directory);
}

Status CheckCut(const std::vector<SegmentInfo>& segments,
                const ScanResult& torn) {
  using Outcome = SegmentReader::Outcome;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (torn.stamps[i]) {
      FODC_RETURN_IF_ERROR(CheckUnchanged(segments[i].path, *torn.stamps[i]));
    }
  }
  const SegmentInfo& last = segments.back();
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<SegmentReader> reader,
                        SegmentReader::Open(last.path, last.first_sequence));
  if (reader->size_bytes() != torn.good_bytes) {
    return DataLoss(StrCat(last.path, ": ", reader->size_bytes(),
                           " bytes where ", torn.good_bytes, " were due"));
  }
  Outcome outcome = Outcome::kEnd;
  if (torn.last_record_offset > 0) {
    FODC_ASSIGN_OR_RETURN(outcome, reader->GoTo(torn.last_record_offset,
                                                torn.last_record_sequence));
    Record record;
    for (int i = 0; i < 2 && outcome == Outcome::kRecord; ++i) {
      FODC_ASSIGN_OR_RETURN(outcome, reader->Next(&record));
    }
  } else if (torn.has_header) {
    FODC_ASSIGN_OR_RETURN(
        outcome, reader->GoTo(kSegmentHeaderBytes, last.first_sequence));
    if (outcome == Outcome::kRecord) outcome = Outcome::kEnd;
  }
  if (outcome == Outcome::kEnd && reader->offset() == torn.good_bytes) {
    return OkStatus();
  }
  return DataLoss(StrCat(last.path, ": bad at offset ", reader->offset(), ": ",
                         reader->reason()));
}

Status RemoveOldCopies(const std::string& directory, std::string_view what,
                       std::size_t max_files) {
  const std::string infix = StrCat(".wal.", what, "-");
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(directory));
  std::vector<std::string> copies;
  for (const std::string& name : names) {
    if (name.find(infix) != std::string::npos) copies.push_back(name);
  }
  if (copies.size() <= max_files) return OkStatus();
  std::sort(copies.begin(), copies.end(),
            [&infix](const std::string& a, const std::string& b) {
              return std::pair(StampIn(a, infix), std::string_view(a)) <
                     std::pair(StampIn(b, infix), std::string_view(b));
            });
  copies.resize(copies.size() - max_files);
  for (const std::string& name : copies) {
    const std::string path = StrCat(directory, "/", name);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, "remove " + path);
    }
  }
  return SyncDirectory(directory);
}

}  // namespace fodc::wal
