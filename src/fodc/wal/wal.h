// SPDX-License-Identifier: Apache-2.0
// An append-only log of framed, checksummed records in segment files, with
// torn-tail repair. The bytes, and what counts as torn and what as corrupt,
// are specified in docs/formats/wal.md.
//
// A start:  Log::Open, then Log::Read (once or more often), then Append, Sync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::wal {

// Of one record; also the largest that a reader accepts.
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{1} << 30;

// What a record costs beside its payload.
inline constexpr std::size_t kRecordOverheadBytes = 29;

// A record as it was read. `payload` lives until the sink returns.
struct Record {
  std::uint64_t sequence = 0;
  std::uint16_t kind = 0;  // the user's; any value
  std::string_view payload;
  std::uint64_t segment_first_sequence = 0;
  std::uint64_t offset = 0;  // of its header in the segment, in bytes
};

// A record to write. `payload` is only read during Append.
struct NewRecord {
  std::uint16_t kind = 0;
  std::string_view payload;
};

// What a reader does about an end that is not clean.
enum class Mode : std::uint8_t {
  kTail,         // a torn record at the very end is cut off; the default
  kStrict,       // nothing is repaired
  kPointInTime,  // the last segment is cut at its first bad record, even if
                 // good ones follow; loud, for users who ask for it
};

// How the bytes of the log end.
enum class Tail : std::uint8_t {
  kEnd,      // exactly after a record, or with zeros only
  kTorn,     // inside a record that was never complete
  kCorrupt,  // anything else
};

// Bytes that a reader of metrics passed over. `length_bytes` may be 0: records
// are missing between two segments.
struct Damage {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
  std::string reason;
};

// One repair, as it was begun; for the host's log.
struct RepairEvent {
  std::string_view phase;  // as given to Read
  std::string directory;
  std::string error;                // of the first read
  std::string segment;              // path
  std::uint64_t kept_bytes = 0;     // the segment's new size
  std::uint64_t dropped_bytes = 0;  // up to the last byte that is not zero
  std::string copy;                 // path of the bytes cut off
  std::uint64_t last_sequence = 0;  // the last good one; 0 if none is left
};

struct Options {
  // A new segment is begun rather than grow one beyond this; only a record
  // that is larger by itself makes a larger one.
  std::uint64_t segment_bytes = 16u << 20;
  // Reserve the segment's whole size with zeros when it is begun.
  bool preallocate = false;
  Mode mode = Mode::kTail;
  // The sequence number of the first record of a new log; at least 1.
  std::uint64_t first_sequence = 1;
  unsigned file_mode = 0640;
  // A directory without a segment is an error, not a new log: for those who
  // know that there was one.
  bool must_exist = false;
  // Called once per repair, before the file is touched. None: one WARN line.
  std::function<void(const RepairEvent&)> on_repair;
};

struct ReadOptions {
  // Who reads, for the log line of a repair: "snapshot scan", "read all".
  std::string_view phase = "read";
  // Records before this one are checked but not given to the sink, and
  // segments that end before it are passed over unread.
  std::uint64_t from_sequence = 0;
  // For metrics only, never for a database's log. If set, what is corrupt is
  // told here, and the read goes on at the next good record or segment.
  std::function<void(const Damage&)> on_damage;
};

// Gets each good record, in order, once. A failure ends the read and is
// returned as it is; it is never taken for a fault of the log.
using RecordSink = std::function<Status(const Record&)>;

struct ReadSummary {
  std::uint64_t records = 0;        // given to the sink
  std::uint64_t last_sequence = 0;  // the last good record; 0 if there is none
  std::uint64_t payload_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t damaged_regions = 0;  // passed over (on_damage)
  // Records taken although the last byte of their trailer had changed.
  std::uint64_t flipped_end_marks = 0;
  // Only ReadOnly leaves kTorn here.
  Tail tail = Tail::kEnd;
  std::uint64_t torn_bytes = 0;
  bool repaired = false;
};

struct SegmentInfo {
  std::uint64_t first_sequence = 0;
  std::uint64_t size_bytes = 0;
  std::string path;
  bool is_damaged = false;    // as far as this Log has read it
  bool is_set_aside = false;  // stands, empty, where a damaged one was
};

// Counters of one Log, all from 0.
struct Counters {
  std::uint64_t repaired = 0;
  std::uint64_t unrepairable = 0;
  std::uint64_t unrepairable_after_repair = 0;
  std::uint64_t dropped_bytes = 0;
  std::uint64_t appended_records = 0;
  std::uint64_t appended_bytes = 0;  // headers and trailers included
  std::uint64_t append_errors = 0;
  std::uint64_t syncs = 0;
  std::uint64_t segments_dropped = 0;
  std::uint64_t segments_set_aside = 0;
};

// One directory, opened by one process. Not thread-safe. After a fork only the
// parent may use it.
class Log {
 public:
  // Makes the directory if needed and locks it until the Log goes. `clock`
  // stamps the names of files kept aside and must outlive the Log.
  // Errors: kUnavailable if another Log holds the directory; kInvalidArgument
  // for impossible options; kNotFound if there is no segment and there must be;
  // else as open(2), mkdir(2), readdir(3).
  static Result<std::unique_ptr<Log>> Open(const std::string& directory,
                                           const Options& options,
                                           const Clock& clock);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Reads from the oldest record on. A torn tail is repaired as Options::mode
  // allows, at most once in the life of this Log. Then the end of the last
  // segment, all that the cut could spoil, is read again, and nothing else may
  // have changed since it was read: good records are read once.
  // Errors: kDataLoss naming file and offset, files untouched, for whatever is
  // corrupt; kDataLoss with the phrase "WAL unrepairable" if the repair failed
  // and "WAL unrepairable after repair" if the log is still not good after it
  // or a second repair would be needed; kFailedPrecondition for a format
  // version that is not known; the sink's own.
  Result<ReadSummary> Read(const RecordSink& sink,
                           const ReadOptions& options = {});

  // Appends the records, in order, with the next sequence numbers. One
  // pwritev per batch and segment (per 1024 pieces). All or nothing as long as
  // the batch fits into one segment: after an error the segment is cut back to
  // where it was, so the log stays valid and the call may be repeated. Of a
  // batch that needed a new segment, what went into the old one stays.
  // Nothing is durable before Sync. On success next_sequence() has grown by
  // the size of the batch.
  // Errors: kFailedPrecondition before Read succeeded, or after a failed Sync
  // (reopen the log); kInvalidArgument for a payload beyond kMaxPayloadBytes;
  // kResourceExhausted on a full disk.
  Status Append(std::span<const NewRecord> batch);
  Status Append(std::uint16_t kind, std::string_view payload);

  // Everything appended so far is on disk when this returns OK. After a
  // failure nothing can be said of what was appended since the last success,
  // and the Log takes no more.
  Status Sync();

  // Ends the current segment; the next record begins a new one. No effect on
  // an empty one. Syncs.
  Status Roll();

  // Removes segments whose records all come before `sequence`; never the last
  // one. Returns how many.
  Result<std::size_t> DropBefore(std::uint64_t sequence);
  // Removes the oldest segment unless it is the last one (false then).
  Result<bool> DropOldest();

  // Renames the segments that a read with on_damage found damaged to
  // "<segment>.damaged-<UTC>" (at most 4 such files are kept) and leaves empty
  // ones in their places, so that no read meets them again. Their good records
  // go with them: append what must stay. If the last one is among them, the
  // next record begins a new segment. Returns how many. After an error some may
  // have gone, which counters() tell.
  Result<std::size_t> SetDamagedAside();

  // The sequence number that the next appended record gets.
  std::uint64_t next_sequence() const;
  std::uint64_t size_bytes() const;                  // all segments
  const std::vector<SegmentInfo>& segments() const;  // oldest first
  const Counters& counters() const;
  const std::string& directory() const;

 private:
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads a log without its lock and without changing anything, even while a
// Log appends to it and drops its oldest segments (of more than 256, a slow
// reader may find one gone: kNotFound; read again). A torn tail is no error
// here: the summary tells.
// Errors: as Log::Read otherwise; kNotFound if there is no such directory.
Result<ReadSummary> ReadOnly(const std::string& directory,
                             const RecordSink& sink,
                             const ReadOptions& options = {});

// Whether the directory holds a segment.
Result<bool> Exists(const std::string& directory);

}  // namespace fodc::wal
