// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/wal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/format.h"
#include "fodc/wal/repair.h"
#include "fodc/wal/scan.h"
#include "fodc/wal/segment_writer.h"

namespace fodc::wal {
namespace {

constexpr std::string_view kLockName = "LOCK";
constexpr std::string_view kNewSuffix = ".wal.new";

Result<UniqueFd> LockDirectory(const std::string& directory) {
  const std::string path = StrCat(directory, "/", kLockName);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Unavailable(directory + " is in use by another log");
    }
    return ErrnoStatus(errno, "lock " + path);
  }
  return fd;
}

// Segments that a crash left before they were named.
Status RemoveUnfinishedSegments(const std::string& directory) {
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(kNewSuffix)) continue;
    const std::string path = StrCat(directory, "/", name);
    if (::unlink(path.c_str()) != 0)
      return ErrnoStatus(errno, "remove " + path);
  }
  return OkStatus();
}

void LogRepair(const RepairEvent& e) {
  LogWarn("WAL tail truncated, repairing",
          {{"phase", e.phase},
           {"dir", e.directory},
           {"error", e.error},
           {"segment", e.segment},
           {"kept_bytes", e.kept_bytes},
           {"dropped_bytes", e.dropped_bytes},
           {"copy", e.copy},
           {"last_sequence", e.last_sequence}});
}

}  // namespace

class Log::Impl {
 public:
  Impl(std::string directory, const Options& options, const Clock& clock,
       UniqueFd lock, std::vector<SegmentInfo> segments)
      : directory_(std::move(directory)),
        options_(options),
        clock_(clock),
        lock_(std::move(lock)),
        segments_(std::move(segments)),
        next_sequence_(options.first_sequence) {}

  Result<ReadSummary> Read(const RecordSink& sink, const ReadOptions& options);
  Status Append(std::span<const NewRecord> batch);
  Status Sync();
  Status Roll();
  Result<std::size_t> DropFront(std::size_t count);
  Result<std::size_t> SetDamagedAside();

  std::size_t SegmentsBefore(std::uint64_t sequence) const {
    std::size_t n = 0;
    while (n + 1 < segments_.size() &&
           segments_[n + 1].first_sequence <= sequence) {
      ++n;
    }
    return n;
  }
  std::uint64_t SizeBytes() const {
    std::uint64_t sum = 0;
    for (const SegmentInfo& s : segments_) sum += s.size_bytes;
    return sum;
  }

  std::uint64_t next_sequence() const { return next_sequence_; }
  const std::vector<SegmentInfo>& segments() const { return segments_; }
  const Counters& counters() const { return counters_; }
  const std::string& directory() const { return directory_; }

 private:
  Status Repair(const ScanResult& torn, const ReadOptions& options);
  // Goes on where the read ended.
  Status Adopt(const ScanResult& scan);
  Status CheckWritable() const;
  // Makes writer_ able to take a record of `total_bytes`.
  Status EnsureRoom(std::uint64_t total_bytes);
  Status BeginSegment();
  Result<SegmentWriter::NewSegment> Named(std::uint64_t first_sequence) const;
  // Puts an empty segment in the place of `*segment`, which is kept as `aside`.
  Status Replace(SegmentInfo* segment, const std::string& aside);
  // Writes a front part of `batch` and says how many records.
  Result<std::size_t> WriteRun(std::span<const NewRecord> batch);

  const std::string directory_;
  const Options options_;
  const Clock& clock_;
  const UniqueFd lock_;
  std::vector<SegmentInfo> segments_;
  Counters counters_;
  bool repair_used_ = false;
  bool is_read_ = false;
  bool sync_failed_ = false;
  std::uint64_t next_sequence_;
  SegmentWriter writer_;
};

Result<ReadSummary> Log::Impl::Read(const RecordSink& sink,
                                    const ReadOptions& options) {
  const bool had_writer = writer_.is_open();
  FODC_ASSIGN_OR_RETURN(ScanResult scan,
                        Scan(&segments_, sink, options, false));
  const bool cuts_corrupt = options_.mode == Mode::kPointInTime &&
                            scan.tail == Tail::kCorrupt && scan.can_cut;
  if (scan.tail == Tail::kCorrupt && !cuts_corrupt) {
    return DataLoss(std::move(scan.error));
  }
  if (scan.tail != Tail::kEnd) {
    if (options_.mode == Mode::kStrict) {
      return DataLoss(scan.error + " (mode strict: nothing is repaired)");
    }
    FODC_RETURN_IF_ERROR(Repair(scan, options));
    const Status good = CheckCut(segments_, scan);
    if (!good.ok()) {
      ++counters_.unrepairable_after_repair;
      return DataLoss("WAL unrepairable after repair: " + good.message());
    }
    ++counters_.repaired;
    counters_.dropped_bytes += scan.data_end - scan.good_bytes;
    scan.summary.repaired = true;
    scan.summary.tail = Tail::kEnd;
    segments_.back().size_bytes = scan.good_bytes;
  }
  if (had_writer) {
    segments_.back().size_bytes = writer_.end_bytes();
  } else {
    FODC_RETURN_IF_ERROR(Adopt(scan));
  }
  is_read_ = true;
  return scan.summary;
}

Status Log::Impl::Repair(const ScanResult& torn, const ReadOptions& options) {
  if (repair_used_ || writer_.is_open()) {
    ++counters_.unrepairable_after_repair;
    return DataLoss("WAL unrepairable after repair: " + torn.error);
  }
  repair_used_ = true;
  Cut cut;
  cut.directory = directory_;
  cut.segment = torn.path;
  cut.keep_bytes = torn.good_bytes;
  cut.data_end = torn.data_end;
  cut.copy = UnusedName(torn.path, "torn", clock_.Unix());
  cut.file_mode = options_.file_mode;
  cut.stamp = torn.stamps.back().value_or(FileStamp());

  RepairEvent event;
  event.phase = options.phase;
  event.directory = directory_;
  event.error = torn.error;
  event.segment = torn.path;
  event.kept_bytes = cut.keep_bytes;
  event.dropped_bytes = cut.data_end - cut.keep_bytes;
  event.copy = cut.copy;
  event.last_sequence = torn.summary.last_sequence;
  if (options_.on_repair) {
    options_.on_repair(event);
  } else {
    LogRepair(event);
  }

  const Status status = CutTail(cut);
  if (!status.ok()) {
    ++counters_.unrepairable;
    return DataLoss(
        StrCat("WAL unrepairable: ", torn.error, ": ", status.message()));
  }
  // Too many copies are no reason to refuse a start.
  RemoveOldCopies(directory_, "torn", kMaxTornCopies).IgnoreError();
  return OkStatus();
}

Status Log::Impl::Adopt(const ScanResult& scan) {
  if (segments_.empty()) return OkStatus();
  next_sequence_ = scan.next_sequence;
  SegmentInfo& last = segments_.back();
  if (last.is_damaged || last.is_set_aside || !scan.has_header) {
    return OkStatus();
  }
  FODC_RETURN_IF_ERROR(writer_.Continue(last.path, scan.good_bytes, scan.salt));
  last.size_bytes = scan.good_bytes;
  // What was read may still be in the page cache only, left by a process that
  // died before its sync; who reads it will rely on it.
  Status status = writer_.Sync();
  if (!status.ok()) sync_failed_ = true;
  return status;
}

Status Log::Impl::CheckWritable() const {
  if (!is_read_) {
    return FailedPrecondition(directory_ + ": the log must be read first");
  }
  if (sync_failed_) {
    return FailedPrecondition(directory_ +
                              ": a sync failed; the log must be reopened");
  }
  return OkStatus();
}

Result<SegmentWriter::NewSegment> Log::Impl::Named(
    std::uint64_t first_sequence) const {
  SegmentWriter::NewSegment segment;
  segment.directory = directory_;
  segment.first_sequence = first_sequence;
  segment.file_mode = options_.file_mode;
  if (::getrandom(&segment.salt, sizeof segment.salt, 0) !=
      static_cast<ssize_t>(sizeof segment.salt)) {
    return ErrnoStatus(errno, "getrandom");
  }
  return segment;
}

Status Log::Impl::BeginSegment() {
  FODC_ASSIGN_OR_RETURN(SegmentWriter::NewSegment segment,
                        Named(next_sequence_));
  if (options_.preallocate) segment.reserve_bytes = options_.segment_bytes;
  FODC_RETURN_IF_ERROR(writer_.Begin(segment));
  // The name may be that of a last segment without a header: replaced.
  if (!segments_.empty() && segments_.back().first_sequence == next_sequence_) {
    segments_.pop_back();
  }
  SegmentInfo info;
  info.first_sequence = next_sequence_;
  info.path = writer_.path();
  info.size_bytes = writer_.end_bytes();
  segments_.push_back(std::move(info));
  return OkStatus();
}

Status Log::Impl::EnsureRoom(std::uint64_t total_bytes) {
  if (writer_.is_open() &&
      (writer_.end_bytes() + total_bytes <= options_.segment_bytes ||
       writer_.end_bytes() == kSegmentHeaderBytes)) {
    return OkStatus();
  }
  // Only the last segment may ever be found torn.
  if (writer_.is_open()) FODC_RETURN_IF_ERROR(Roll());
  return BeginSegment();
}

Result<std::size_t> Log::Impl::WriteRun(std::span<const NewRecord> batch) {
  FODC_RETURN_IF_ERROR(
      EnsureRoom(kRecordOverheadBytes + batch[0].payload.size()));
  const std::uint64_t begin = writer_.end_bytes();
  std::uint64_t end = begin;
  std::size_t n = 0;
  while (n < batch.size()) {
    const std::uint64_t total = kRecordOverheadBytes + batch[n].payload.size();
    if (n > 0 && end + total > options_.segment_bytes) break;
    end += total;
    ++n;
  }
  FODC_RETURN_IF_ERROR(writer_.Write(batch.first(n), next_sequence_));
  next_sequence_ += n;
  counters_.appended_records += n;
  counters_.appended_bytes += end - begin;
  segments_.back().size_bytes = end;
  return n;
}

Status Log::Impl::Append(std::span<const NewRecord> batch) {
  FODC_RETURN_IF_ERROR(CheckWritable());
  for (const NewRecord& r : batch) {
    if (r.payload.size() > kMaxPayloadBytes) {
      return InvalidArgument(StrCat("a record of ", r.payload.size(),
                                    " bytes is beyond the limit of ",
                                    kMaxPayloadBytes));
    }
  }
  while (!batch.empty()) {
    const Result<std::size_t> n = WriteRun(batch);
    if (!n.ok()) {
      ++counters_.append_errors;
      return n.status();
    }
    batch = batch.subspan(*n);
  }
  return OkStatus();
}

Status Log::Impl::Sync() {
  FODC_RETURN_IF_ERROR(CheckWritable());
  if (!writer_.is_open()) return OkStatus();
  Status status = writer_.Sync();
  ++counters_.syncs;
  if (!status.ok()) sync_failed_ = true;
  return status;
}

Status Log::Impl::Roll() {
  FODC_RETURN_IF_ERROR(CheckWritable());
  if (!writer_.is_open()) return OkStatus();
  if (writer_.end_bytes() == kSegmentHeaderBytes) return OkStatus();
  Status status = writer_.Finish();
  ++counters_.syncs;
  if (!status.ok()) sync_failed_ = true;
  return status;
}

Result<std::size_t> Log::Impl::DropFront(std::size_t count) {
  std::size_t done = 0;
  Status status;
  for (; done < count; ++done) {
    const std::string& path = segments_[done].path;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      status = ErrnoStatus(errno, "remove " + path);
      break;
    }
  }
  segments_.erase(segments_.begin(),
                  segments_.begin() + static_cast<std::ptrdiff_t>(done));
  counters_.segments_dropped += done;
  if (done > 0 && status.ok()) status = SyncDirectory(directory_);
  FODC_RETURN_IF_ERROR(status);
  return done;
}

Status Log::Impl::Replace(SegmentInfo* segment, const std::string& aside) {
  FODC_ASSIGN_OR_RETURN(SegmentWriter::NewSegment empty,
                        Named(segment->first_sequence));
  empty.flags = kSetAside;
  // A second name, so that there is no moment without a segment; where there
  // is no such thing, a crash in between leaves a gap that is told.
  if (::link(segment->path.c_str(), aside.c_str()) != 0 &&
      ::rename(segment->path.c_str(), aside.c_str()) != 0) {
    return ErrnoStatus(errno, "rename " + segment->path);
  }
  SegmentWriter writer;
  Status status = writer.Begin(empty);
  if (!status.ok()) {
    // As it was: whoever tries again and again must not leave a copy each time.
    // (Renaming one of two names of one file to the other changes nothing.)
    if (::rename(aside.c_str(), segment->path.c_str()) == 0) {
      (void)::unlink(aside.c_str());
    }
    return status;
  }
  segment->is_damaged = false;
  segment->is_set_aside = true;
  segment->size_bytes = writer.end_bytes();
  return OkStatus();
}

Result<std::size_t> Log::Impl::SetDamagedAside() {
  std::size_t done = 0;
  for (std::size_t i = 0; i < segments_.size();) {
    if (!segments_[i].is_damaged) {
      ++i;
      continue;
    }
    const std::string& path = segments_[i].path;
    if (writer_.is_open() && writer_.path() == path) {
      const Status finished = writer_.Finish();
      if (!finished.ok()) {
        sync_failed_ = true;
        return finished;
      }
    }
    const std::string aside = UnusedName(path, "damaged", clock_.Unix());
    if (i > 0) {
      FODC_RETURN_IF_ERROR(Replace(&segments_[i++], aside));
    } else {
      // Nothing is missing before the oldest one.
      if (::rename(path.c_str(), aside.c_str()) != 0) {
        return ErrnoStatus(errno, "rename " + path);
      }
      segments_.erase(segments_.begin());
    }
    ++counters_.segments_set_aside;
    ++done;
  }
  if (done == 0) return done;
  FODC_RETURN_IF_ERROR(SyncDirectory(directory_));
  RemoveOldCopies(directory_, "damaged", kMaxDamagedSegments).IgnoreError();
  return done;
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::Open(const std::string& directory,
                                       const Options& options,
                                       const Clock& clock) {
  if (options.first_sequence == 0 || options.segment_bytes == 0) {
    return InvalidArgument(
        "first sequence and segment size of a log must be positive");
  }
  if (options.must_exist) {
    FODC_ASSIGN_OR_RETURN(const bool exists, Exists(directory));
    if (!exists) return NotFound(directory + " holds no segment of a log");
  }
  FODC_RETURN_IF_ERROR(MakeDirectories(directory));
  FODC_ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(directory));
  FODC_RETURN_IF_ERROR(RemoveUnfinishedSegments(directory));
  FODC_ASSIGN_OR_RETURN(std::vector<SegmentInfo> segments,
                        ListSegments(directory));
  return std::unique_ptr<Log>(new Log(std::make_unique<Impl>(
      directory, options, clock, std::move(lock), std::move(segments))));
}

Result<ReadSummary> Log::Read(const RecordSink& sink,
                              const ReadOptions& options) {
  return impl_->Read(sink, options);
}

Status Log::Append(std::span<const NewRecord> batch) {
  return impl_->Append(batch);
}

Status Log::Append(std::uint16_t kind, std::string_view payload) {
  const NewRecord record{kind, payload};
  return impl_->Append({&record, 1});
}

Status Log::Sync() { return impl_->Sync(); }
Status Log::Roll() { return impl_->Roll(); }

Result<std::size_t> Log::DropBefore(std::uint64_t sequence) {
  return impl_->DropFront(impl_->SegmentsBefore(sequence));
}

Result<bool> Log::DropOldest() {
  if (impl_->segments().size() < 2) return false;
  FODC_ASSIGN_OR_RETURN(const std::size_t n, impl_->DropFront(1));
  return n == 1;
}

Result<std::size_t> Log::SetDamagedAside() { return impl_->SetDamagedAside(); }

std::uint64_t Log::next_sequence() const { return impl_->next_sequence(); }
std::uint64_t Log::size_bytes() const { return impl_->SizeBytes(); }
const std::vector<SegmentInfo>& Log::segments() const {
  return impl_->segments();
}
const Counters& Log::counters() const { return impl_->counters(); }
const std::string& Log::directory() const { return impl_->directory(); }

Result<ReadSummary> ReadOnly(const std::string& directory,
                             const RecordSink& sink,
                             const ReadOptions& options) {
  for (int attempt = 0;; ++attempt) {
    FODC_ASSIGN_OR_RETURN(std::vector<SegmentInfo> segments,
                          ListSegments(directory));
    FODC_ASSIGN_OR_RETURN(ScanResult scan,
                          Scan(&segments, sink, options, true));
    // All that was listed may have been dropped before it was opened.
    if (!segments.empty() && scan.summary.segments == 0 && attempt < 3) {
      continue;
    }
    if (scan.tail == Tail::kCorrupt) return DataLoss(std::move(scan.error));
    return scan.summary;
  }
}

Result<bool> Exists(const std::string& directory) {
  const Result<std::vector<SegmentInfo>> segments = ListSegments(directory);
  if (segments.ok()) return !segments->empty();
  if (segments.status().code() == Code::kNotFound) return false;
  return segments.status();
}

}  // namespace fodc::wal
