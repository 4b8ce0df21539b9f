// SPDX-License-Identifier: Apache-2.0
// The recording on disk, so that it survives the process: sealed chunks, and
// the rows of the open stretch since the last time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording.h"

namespace fodc::recorder {

// Two logs of room wal: <directory>/chunks holds what is sealed, each segment
// with the series that it needs; <directory>/tail the rows that are not.
//
// Use: Open, Load (before the recording appends), then every interval Collect
// on the thread that owns the recording, Write on any one thread (it blocks on
// the disk: tens of milliseconds for an fsync, seconds when the disk is ill),
// Finish on the owner's thread again before the next Collect.
class Spill {
 public:
  struct Options {
    std::string directory;
    // Of both logs. Oldest segments of chunks go beyond this. Besides, a
    // segment goes when the recording no longer holds any of it.
    std::uint64_t max_bytes = 64u << 20;
    std::uint64_t segment_bytes = 1u << 20;
    // Of entries, unpacked: a batch's chunks end with the one that reaches
    // this, and its rows likewise. Packing so much takes some 10 ms.
    std::size_t max_batch_bytes = 4u << 20;
  };

  struct LoadReport {
    std::uint64_t entries = 0;
    std::uint64_t refused = 0;  // good bytes that fit nothing held
    bool torn_tail = false;     // the last write was cut: repaired
    // Damaged regions, read around: "<path> at byte N: why". Their segments
    // are set aside by the next Write, and what was read is spilled again.
    std::vector<std::string> damage;
  };

  // What one interval adds. Owns its bytes.
  struct Batch {
    std::string chunks;  // packed entries; may be empty
    bool roll_chunks = false;
    // First and last of the batches that bring everything held anew.
    bool begins_whole = false;
    bool ends_whole = false;
    std::string tail;  // likewise
    bool restart_tail = false;
    LogPosition chunk_position;
    LogPosition tail_position;
    std::vector<HeldRange> held;
    bool chunks_left = false;  // for the next batch, and the rows with them
    bool is_last = false;      // nothing is left
    bool empty() const { return chunks.empty() && tail.empty(); }
  };

  struct Counters {
    std::uint64_t written_bytes = 0;
    std::uint64_t writes = 0;
    std::uint64_t failures = 0;
    std::uint64_t disk_bytes = 0;
  };

  // Errors: as wal::Log::Open.
  static Result<std::unique_ptr<Spill>> Open(const Options& options,
                                             const Clock& clock);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  // Applies what the disk holds. Never fails over damage; errors of the disk
  // itself are told in the report's damage, too. May be called again, for
  // another recording, as long as nothing was written.
  LoadReport Load(Recording* recording);

  // What is new since the batch before, or the first part of that: see is_last.
  // Packed while it is read: not packed it would be several times larger.
  Batch Collect(const Recording& recording);

  // Writes and syncs. After a failure the disk may hold a part; the next batch
  // brings everything again. Errors: as wal::Log::Append and Sync.
  Status Write(const Batch& batch);

  // Takes the outcome of Write. True if the state changed: works again, or
  // fails now. Log it then.
  bool Finish(const Batch& batch, const Status& written);
  const Status& status() const { return status_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Logs;
  Spill(const Options& options, const Clock& clock);
  void CollectChunks(const Recording& recording, Batch* batch);
  void CollectRows(const Recording& recording, Batch* batch);

  Options options_;
  const Clock& clock_;

  // Owner's thread.
  Recording::Defined chunk_defined_;
  Recording::Defined tail_defined_;
  LogPosition chunk_position_;  // all chunks until here are on disk
  LogPosition tail_position_;
  std::uint64_t collected_bytes_ = 0;  // in the current segment of chunks
  bool rewrite_ = true;                // begin a new segment of chunks
  bool restart_tail_ = true;
  bool begin_whole_ = true;  // nothing of what is on disk is needed
  Status status_;
  Counters counters_;

  // Writer's thread.
  std::unique_ptr<Logs> logs_;
};

}  // namespace fodc::recorder
