// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/spill.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/log_applier.h"
#include "fodc/wal/wal.h"

namespace fodc::recorder {
namespace {

constexpr std::uint16_t kChunkRecord = 1;
constexpr std::uint16_t kTailRecord = 2;

// Whether nothing up to `last` is held any more.
bool IsGone(const LogPosition& last, const std::vector<HeldRange>& held) {
  for (const HeldRange& h : held) {
    if (h.incarnation == last.incarnation) return h.first > last.sequence;
  }
  return true;
}

}  // namespace

struct Spill::Logs {
  std::unique_ptr<wal::Log> chunks;
  std::unique_ptr<wal::Log> tail;
  // The newest chunk of each segment of chunks, by its first record.
  std::map<std::uint64_t, LogPosition> newest;
  std::atomic<std::uint64_t> disk_bytes{0};
  // Of the batch written last.
  std::atomic<std::uint64_t> written_chunk_bytes{0};
  std::atomic<std::uint64_t> written_tail_bytes{0};
  bool reopen = false;
  // Damage was read: its segments are set aside before the next write, not
  // before, so that a second Load finds what the first one found.
  bool set_aside = false;
  // Good chunks went aside with damaged ones; the memory may have them.
  std::atomic<bool> lost{false};
  // Where the segments begin that hold everything on their own, if those that
  // are written now do.
  std::uint64_t whole_from = 0;

  Status Open(const Options& options, const Clock& clock) {
    chunks.reset();
    tail.reset();
    wal::Options o;
    o.segment_bytes = std::uint64_t{1} << 40;  // Roll decides
    FODC_ASSIGN_OR_RETURN(
        chunks, wal::Log::Open(options.directory + "/chunks", o, clock));
    FODC_ASSIGN_OR_RETURN(
        tail, wal::Log::Open(options.directory + "/tail", o, clock));
    return OkStatus();
  }

  // After a failed sync a log must be read before it takes more.
  Status Reopen(const Options& options, const Clock& clock) {
    FODC_RETURN_IF_ERROR(Open(options, clock));
    for (wal::Log* log : {chunks.get(), tail.get()}) {
      wal::ReadOptions read;
      read.phase = "spill reopened";
      read.on_damage = [](const wal::Damage&) {};
      FODC_ASSIGN_OR_RETURN(
          const wal::ReadSummary summary,
          log->Read([](const wal::Record&) { return OkStatus(); }, read));
      set_aside = set_aside || summary.damaged_regions > 0;
    }
    reopen = false;
    return OkStatus();
  }

  Status SetDamagedAside() {
    if (!set_aside) return OkStatus();
    for (wal::Log* log : {chunks.get(), tail.get()}) {
      const std::uint64_t before = log->counters().segments_set_aside;
      const Status status = log->SetDamagedAside().status();
      // Also when it failed half way: the next try finds no damage there.
      if (log->counters().segments_set_aside != before) lost = true;
      FODC_RETURN_IF_ERROR(status);
    }
    set_aside = false;
    return OkStatus();
  }
};

Spill::Spill(const Options& options, const Clock& clock)
    : options_(options), clock_(clock), logs_(std::make_unique<Logs>()) {}
Spill::~Spill() = default;

Result<std::unique_ptr<Spill>> Spill::Open(const Options& options,
                                           const Clock& clock) {
  std::unique_ptr<Spill> spill(new Spill(options, clock));
  FODC_RETURN_IF_ERROR(spill->logs_->Open(options, clock));
  return spill;
}

Spill::LoadReport Spill::Load(Recording* recording) {
  LoadReport report;
  LogApplier applier(recording);
  bool rewrite = false;
  const auto load = [&](wal::Log* log, bool is_chunks) {
    wal::ReadOptions read;
    read.phase = "spill load";
    read.on_damage = [&](const wal::Damage& d) {
      report.damage.push_back(
          StrCat(d.path, " at byte ", d.offset, ": ", d.reason));
    };
    const std::size_t damage_before = report.damage.size();
    const auto summary = log->Read(
        [&](const wal::Record& r) {
          const Result<std::string> entries = UnpackEntries(r.payload);
          Status s = entries.ok() ? ReadEntries(*entries, std::ref(applier))
                                  : entries.status();
          if (!s.ok()) {
            report.damage.push_back(StrCat(log->directory(), " record ",
                                           r.sequence, " at byte ", r.offset,
                                           ": ", s.message()));
          }
          if (is_chunks) {
            logs_->newest[r.segment_first_sequence] = {
                recording->newest().incarnation, recording->newest().sequence};
          }
          return OkStatus();
        },
        read);
    if (!summary.ok()) {
      report.damage.push_back(summary.status().ToString());
      rewrite = true;
      logs_->reopen = true;
      return;
    }
    report.torn_tail = report.torn_tail || summary->repaired;
    if (report.damage.size() > damage_before) {
      rewrite = true;
      logs_->set_aside = true;
    }
  };
  load(logs_->chunks.get(), true);
  const FrameName newest = recording->newest();
  load(logs_->tail.get(), false);
  report.entries = applier.entries();
  report.refused = applier.refused();
  chunk_position_ = {};
  if (!rewrite) {
    chunk_position_ = {newest.incarnation, newest.sequence};
  }
  begin_whole_ = chunk_position_.incarnation == 0;
  return report;
}

Spill::Batch Spill::Collect(const Recording& recording) {
  Batch batch;
  batch.held = recording.held();
  CollectChunks(recording, &batch);
  // Chunks that are left would come as part of the tail, too.
  if (!batch.chunks_left) CollectRows(recording, &batch);
  return batch;
}

void Spill::CollectChunks(const Recording& recording, Batch* batch) {
  batch->roll_chunks = rewrite_ || collected_bytes_ > options_.segment_bytes;
  if (batch->roll_chunks) {
    chunk_defined_.Clear();
    collected_bytes_ = 0;
    rewrite_ = true;
  }
  batch->chunk_position = chunk_position_;
  batch->begins_whole = begin_whole_;
  const FrameName newest = recording.newest_sealed();
  const auto reaches_newest = [&] {
    return batch->chunk_position.incarnation == newest.incarnation &&
           batch->chunk_position.sequence == newest.sequence;
  };
  bool sealed = false;
  EntryPacker entries;
  if (!reaches_newest()) {
    // Until the first row; the series of that row come along.
    recording.ReadLog(chunk_position_, &chunk_defined_, [&](const LogEntry& e) {
      if (std::holds_alternative<RowEntry>(e)) return false;
      entries.Add(e);
      if (const auto* chunk = std::get_if<ChunkEntry>(&e)) {
        sealed = true;
        batch->chunk_position = {chunk->incarnation, chunk->last};
      }
      // A chunk comes with all that it needs, however much that is.
      return !sealed || entries.bytes() < options_.max_batch_bytes;
    });
  }
  batch->ends_whole = reaches_newest();
  batch->chunks_left = sealed && !batch->ends_whole;
  if (sealed) {
    batch->chunks = entries.Take();
  } else {
    batch->roll_chunks = false;
  }
}

// Rows since the last time, or all of the open stretch.
void Spill::CollectRows(const Recording& recording, Batch* batch) {
  batch->restart_tail = restart_tail_ || !batch->chunks.empty();
  if (batch->restart_tail) {
    tail_defined_.Clear();
    tail_position_ = batch->chunk_position;
  }
  // A row comes with all that it needs, too.
  std::size_t before_rows = SIZE_MAX;
  EntryPacker entries;
  batch->tail_position =
      recording.ReadLog(tail_position_, &tail_defined_, [&](const LogEntry& e) {
        if (std::holds_alternative<RowEntry>(e)) {
          before_rows = std::min(before_rows, entries.bytes());
        }
        entries.Add(e);
        return before_rows == SIZE_MAX ||
               entries.bytes() - before_rows < options_.max_batch_bytes;
      });
  batch->tail = entries.Take();
  const FrameName last = recording.newest();
  batch->is_last = batch->tail_position.incarnation == last.incarnation &&
                   batch->tail_position.sequence == last.sequence;
}

Status Spill::Write(const Batch& batch) {
  Logs& logs = *logs_;
  if (logs.reopen || logs.chunks == nullptr || logs.tail == nullptr) {
    FODC_RETURN_IF_ERROR(logs.Reopen(options_, clock_));
  }
  logs.written_chunk_bytes = logs.written_tail_bytes = 0;
  const auto write = [&]() -> Status {
    FODC_RETURN_IF_ERROR(logs.SetDamagedAside());
    const auto append = [](wal::Log* log, std::uint16_t kind,
                           const std::string& packed,
                           std::atomic<std::uint64_t>* written) -> Status {
      // One record, so that a full disk takes the whole batch or nothing.
      *written = packed.size();
      FODC_RETURN_IF_ERROR(log->Append(kind, packed));
      return log->Sync();
    };
    if (!batch.chunks.empty()) {
      if (batch.roll_chunks) FODC_RETURN_IF_ERROR(logs.chunks->Roll());
      FODC_RETURN_IF_ERROR(append(logs.chunks.get(), kChunkRecord, batch.chunks,
                                  &logs.written_chunk_bytes));
      const std::uint64_t segment =
          logs.chunks->segments().back().first_sequence;
      logs.newest[segment] = batch.chunk_position;
      if (batch.begins_whole) logs.whole_from = segment;
      if (batch.ends_whole && logs.whole_from != 0) {
        // What is older is there twice, and with holes it would come first.
        FODC_RETURN_IF_ERROR(logs.chunks->DropBefore(logs.whole_from).status());
        logs.newest.erase(logs.newest.begin(),
                          logs.newest.lower_bound(logs.whole_from));
        logs.whole_from = 0;
      }
    }
    if (batch.restart_tail) FODC_RETURN_IF_ERROR(logs.tail->Roll());
    const std::uint64_t first = logs.tail->next_sequence();
    if (!batch.tail.empty()) {
      FODC_RETURN_IF_ERROR(append(logs.tail.get(), kTailRecord, batch.tail,
                                  &logs.written_tail_bytes));
    }
    if (batch.restart_tail) {
      FODC_RETURN_IF_ERROR(logs.tail->DropBefore(first).status());
    }
    // Oldest segments, as they leave the window or the disk's share is full.
    while (logs.chunks->segments().size() > 1) {
      const auto& oldest = logs.chunks->segments().front();
      const auto known = logs.newest.find(oldest.first_sequence);
      const bool gone =
          known == logs.newest.end() || IsGone(known->second, batch.held);
      const std::uint64_t all =
          logs.chunks->size_bytes() + logs.tail->size_bytes();
      if (!gone && all <= options_.max_bytes) break;
      logs.newest.erase(oldest.first_sequence);
      FODC_ASSIGN_OR_RETURN(const bool dropped, logs.chunks->DropOldest());
      if (!dropped) break;
    }
    return OkStatus();
  };
  Status status = write();
  if (!status.ok()) logs.reopen = true;
  logs.disk_bytes = logs.chunks->size_bytes() + logs.tail->size_bytes();
  return status;
}

bool Spill::Finish(const Batch& batch, const Status& written) {
  const bool changed = written.ok() != status_.ok();
  status_ = written;
  counters_.disk_bytes = logs_->disk_bytes;
  if (written.ok()) {
    ++counters_.writes;
    counters_.written_bytes +=
        logs_->written_chunk_bytes + logs_->written_tail_bytes;
    collected_bytes_ += logs_->written_chunk_bytes;
    chunk_position_ = batch.chunk_position;
    if (!batch.chunks.empty()) rewrite_ = begin_whole_ = false;
    restart_tail_ = batch.chunks_left;
    if (!batch.chunks_left) tail_position_ = batch.tail_position;
  } else {
    ++counters_.failures;
    // Everything since the last success comes again, in a segment that stands
    // on its own.
    rewrite_ = true;
    restart_tail_ = true;
  }
  if (logs_->lost.exchange(false) && !batch.begins_whole) {
    chunk_position_ = {};
    rewrite_ = restart_tail_ = begin_whole_ = true;
  }
  return changed;
}

}  // namespace fodc::recorder
