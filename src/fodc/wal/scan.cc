// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/wal/format.h"
#include "fodc/wal/segment_reader.h"

namespace fodc::wal {
namespace {

using Outcome = SegmentReader::Outcome;

constexpr int kLooksAtAMovingEnd = 4;
constexpr std::size_t kMaxOpenAtOnce = 256;

class Scanner {
 public:
  Scanner(std::vector<SegmentInfo>* segments, const RecordSink& sink,
          const ReadOptions& options, bool may_change)
      : segments_(*segments),
        sink_(sink),
        options_(options),
        may_change_(may_change) {}

  Result<ScanResult> Run() {
    out_.stamps.resize(segments_.size());
    if (may_change_) FODC_RETURN_IF_ERROR(OpenAll());
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      if (CanPassOver(i)) {
        expected_ = segments_[i + 1].first_sequence;
        out_.summary.last_sequence = *expected_ - 1;
        continue;
      }
      FODC_ASSIGN_OR_RETURN(const bool go_on, ReadSegment(i));
      if (!go_on) break;
    }
    out_.summary.tail = out_.tail;
    return std::move(out_);
  }

 private:
  // The writer drops its oldest segments; what is open stays readable.
  Status OpenAll() {
    opened_.resize(std::min(segments_.size(), kMaxOpenAtOnce));
    for (std::size_t i = 0; i < opened_.size(); ++i) {
      auto reader =
          SegmentReader::Open(segments_[i].path, segments_[i].first_sequence);
      if (reader.ok()) {
        opened_[i] = *std::move(reader);
      } else if (reader.status().code() == Code::kNotFound) {
        // Dropped since we listed it, and so were those before it.
        for (std::size_t k = 0; k < i; ++k) opened_[k].reset();
      } else {
        return reader.status();
      }
    }
    return OkStatus();
  }

  bool CanPassOver(std::size_t i) const {
    return i + 1 < segments_.size() &&
           segments_[i + 1].first_sequence <= options_.from_sequence;
  }

  // False ends the scan.
  Result<bool> ReadSegment(std::size_t i) {
    SegmentInfo& segment = segments_[i];
    const bool is_last = i + 1 == segments_.size();
    std::unique_ptr<SegmentReader> opened;
    if (i < opened_.size()) {
      opened = std::move(opened_[i]);
      if (opened == nullptr) return true;  // dropped before we got to it
      FODC_RETURN_IF_ERROR(opened->Refresh());
    } else {
      FODC_ASSIGN_OR_RETURN(
          opened, SegmentReader::Open(segment.path, segment.first_sequence));
    }
    SegmentReader& reader = *opened;
    segment.size_bytes = reader.size_bytes();
    ++out_.summary.segments;
    out_.stamps[i] = reader.stamp();
    out_.path = segment.path;
    out_.can_cut = is_last;
    out_.last_record_offset = 0;
    // Damage at the end of a segment has been told of already.
    const bool follows_damage =
        i > 0 &&
        (segments_[i - 1].is_damaged || segments_[i - 1].is_set_aside) &&
        segment.first_sequence > expected_;
    if (expected_ && segment.first_sequence != *expected_ && !follows_damage) {
      const std::string reason =
          StrCat("first sequence ", segment.first_sequence, " where ",
                 *expected_, " was due: a segment is missing");
      if (!options_.on_damage) {
        out_.can_cut = false;  // the fault lies before it
        return Stop(reader, Tail::kCorrupt, 0, reason);
      }
      ++out_.summary.damaged_regions;
      options_.on_damage({segment.path, 0, 0, reason});
    }
    FODC_ASSIGN_OR_RETURN(const bool go_on,
                          ReadRecords(&segment, reader, is_last));
    out_.summary.flipped_end_marks += reader.flipped_end_marks();
    out_.good_bytes = reader.offset();
    out_.salt = reader.salt();
    out_.has_header = reader.has_header();
    segment.is_set_aside = reader.is_set_aside();
    expected_ = reader.next_sequence();
    // Its first record is lost, so that number must not name a segment again.
    if ((segment.is_damaged || segment.is_set_aside) &&
        *expected_ == segment.first_sequence) {
      ++*expected_;
    }
    out_.next_sequence = *expected_;
    return go_on;
  }

  Result<bool> ReadRecords(SegmentInfo* segment, SegmentReader& reader,
                           bool is_last) {
    Record record;
    int looks = 0;
    for (;;) {
      FODC_ASSIGN_OR_RETURN(const Outcome outcome, reader.Next(&record));
      if (outcome == Outcome::kRecord) {
        FODC_RETURN_IF_ERROR(Deliver(record));
        continue;
      }
      if (outcome == Outcome::kEnd) return true;
      // A record that its writer is just writing may be there in part.
      if (is_last && may_change_ && ++looks < kLooksAtAMovingEnd) {
        FODC_RETURN_IF_ERROR(reader.Refresh());
        continue;
      }
      const bool is_torn = outcome == Outcome::kTorn && is_last;
      if (is_torn && !segment->is_damaged) {
        return Stop(reader, Tail::kTorn, reader.offset(), reader.reason());
      }
      const std::string reason =
          outcome == Outcome::kTorn && !is_last
              ? StrCat(reader.reason(), ", but later segments exist")
              : reader.reason();
      if (!options_.on_damage) {
        return Stop(reader, Tail::kCorrupt, reader.offset(), reason);
      }
      FODC_ASSIGN_OR_RETURN(const bool go_on,
                            PassOver(segment, reader, reason));
      if (!go_on) return true;
    }
  }

  // Tells of the damage and finds the next good record of the segment.
  Result<bool> PassOver(SegmentInfo* segment, SegmentReader& reader,
                        const std::string& reason) {
    segment->is_damaged = true;
    ++out_.summary.damaged_regions;
    const std::uint64_t from = reader.offset();
    FODC_ASSIGN_OR_RETURN(const bool found, reader.Resync());
    FODC_ASSIGN_OR_RETURN(const std::uint64_t data_end, reader.DataEnd());
    const std::uint64_t to = found ? reader.offset() : data_end;
    options_.on_damage({segment->path, from, to - from, reason});
    return found;
  }

  Status Deliver(const Record& record) {
    ReadSummary& s = out_.summary;
    out_.last_record_offset = record.offset;
    out_.last_record_sequence = record.sequence;
    // Only a damaged log holds numbers twice.
    if (s.last_sequence != 0 && record.sequence <= s.last_sequence) {
      return OkStatus();
    }
    s.last_sequence = record.sequence;
    if (record.sequence < options_.from_sequence) return OkStatus();
    if (sink_) FODC_RETURN_IF_ERROR(sink_(record));
    ++s.records;
    s.payload_bytes += record.payload.size();
    return OkStatus();
  }

  Result<bool> Stop(SegmentReader& reader, Tail tail, std::uint64_t offset,
                    const std::string& reason) {
    FODC_ASSIGN_OR_RETURN(out_.data_end, reader.DataEnd());
    out_.tail = tail;
    out_.good_bytes = offset;
    if (tail == Tail::kTorn) out_.summary.torn_bytes = out_.data_end - offset;
    out_.error = StrCat(out_.path, tail == Tail::kTorn ? ": torn" : ": corrupt",
                        " at offset ", offset, ": ", reason);
    return false;
  }

  std::vector<SegmentInfo>& segments_;
  const RecordSink& sink_;
  const ReadOptions& options_;
  const bool may_change_;
  std::vector<std::unique_ptr<SegmentReader>> opened_;  // by OpenAll
  std::optional<std::uint64_t> expected_;  // of the next segment's first record
  ScanResult out_;
};

}  // namespace

Result<std::vector<SegmentInfo>> ListSegments(const std::string& directory) {
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(directory));
  std::vector<SegmentInfo> segments;
  for (const std::string& name : names) {
    const std::optional<std::uint64_t> first = ParseSegmentName(name);
    if (!first) continue;
    SegmentInfo segment;
    segment.first_sequence = *first;
    segment.path = StrCat(directory, "/", name);
    struct stat st {};
    if (::stat(segment.path.c_str(), &st) != 0) {
      if (errno == ENOENT) continue;
      return ErrnoStatus(errno, "stat " + segment.path);
    }
    segment.size_bytes = static_cast<std::uint64_t>(st.st_size);
    segments.push_back(std::move(segment));
  }
  return segments;  // the names sort as the numbers do
}

Result<ScanResult> Scan(std::vector<SegmentInfo>* segments,
                        const RecordSink& sink, const ReadOptions& options,
                        bool may_change) {
  return Scanner(segments, sink, options, may_change).Run();
}

}  // namespace fodc::wal
