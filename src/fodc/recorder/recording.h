// SPDX-License-Identifier: Apache-2.0
// The recording: a bounded, compressed log of frames, each the samples of one
// source at one instant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/exposition/line_edit.h"
#include "fodc/exposition/metric.h"
#include "fodc/recorder/log_entry.h"
#include "fodc/recorder/series.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::recorder {

// Where in the log a reader stands: after the frame `name`.
struct LogPosition {
  Incarnation incarnation = 0;  // 0: before everything
  Sequence sequence = 0;
};

// The frames that a log holds of one life, without holes between them unless
// `missing` says so. first > last: it had frames up to `last`, and holds none.
struct HeldRange {
  Incarnation incarnation = 0;
  Sequence first = 0;
  Sequence last = 0;
  Sequence missing = 0;  // frames inside the range that are not held
};

struct RecordingStats {
  std::size_t bytes = 0;  // everything held, index and open rows included
  std::size_t sealed_bytes = 0;     // chunks
  std::size_t reading_bytes = 0;    // the same, decompressed; not held
  std::size_t open_bytes = 0;       // rows of the open stretch
  std::size_t index_bytes = 0;      // series, slots, sources, chunk directory
  std::uint64_t series = 0;         // distinct, of everything held
  std::uint64_t active_series = 0;  // in the newest frame of each source
  std::uint64_t samples = 0;        // held now
  std::uint64_t frames = 0;         // held now
  std::uint64_t chunks = 0;
  std::uint64_t appended_samples = 0;  // ever
  // Ever: oldest chunks that went, and stretches that made no chunk.
  std::uint64_t evicted_samples = 0;
  std::uint64_t refused_series = 0;  // lines, ever, when they came
  std::uint64_t refused_lines = 0;   // now
  // The least and the greatest wall-clock time of what is held. The clock may
  // have been set meanwhile: their difference says nothing of the window.
  std::int64_t from_unix_ms = 0;
  std::int64_t to_unix_ms = 0;
  // How long what is held took to happen, by the monotonic clock: each life
  // from its oldest frame to its newest, without what lies between lives.
  std::int64_t window_ms = 0;
  // How far the window will reach once the budget is full, at the rate of
  // bytes of what is held now. 0 until anything is sealed.
  std::int64_t expected_window_ms = 0;
};

struct RecordingOptions {
  // Of everything held. Besides, chunks go when all of them decompressed are
  // more than 32 times that: whoever reads them must be able to.
  std::size_t budget_bytes = 10u << 20;
  std::size_t max_series = 50'000;  // active series of bounded sources
  // A stretch is sealed when it has this many rows of one source, ...
  std::uint32_t stretch_rows = 120;
  // ... or this many bytes.
  std::size_t stretch_bytes = 256u << 10;
  // Where series are interned. Null: a pool of its own, whose bytes count in
  // the budget. A shared pool's bytes do not: its owner counts them once.
  std::shared_ptr<SeriesPool> pool = nullptr;
  // Of the text that it alone added to a shared pool, so much is not counted,
  // nor is what fits into half of the budget.
  std::size_t free_text_bytes = SIZE_MAX;
};

// Whether a source's series may be refused.
enum class Admission : std::uint8_t {
  kBounded,  // beyond max_series and half of the budget
  kAlways,   // few, and known beforehand: the owner's own readings
};

// What a recording holds at one moment. Immutable: cheap to take (chunks are
// shared, and so are the rows of the open stretch), safe to read on another
// thread while the recording goes on.
class Snapshot;
struct SourceFrame;

// Not thread-safe: one owner. Two kinds of owners: one that appends samples
// (the agent), one that applies the entries of another's log (the proxy, a
// restart, a file).
class Recording {
 public:
  // `incarnation` is the life that Append writes; any, if only entries are
  // applied.
  Recording(Incarnation incarnation, RecordingOptions options);
  ~Recording();
  Recording(Recording&&) noexcept;
  Recording& operator=(Recording&&) noexcept;

  // --- The appending owner.

  // Opens a source, or finds the one of this name again.
  SourceId OpenSource(std::string_view name, std::string_view container_name,
                      Admission admission = Admission::kBounded);

  // Changes the lines of a source, as its page changed. Lines are the order of
  // the page; those behind the last edit stay. `describe` says what an inserted
  // line is, by its place in the new page; what it gives must hold until it is
  // called again. A series that comes back is the same series. Beyond
  // `max_series`, or when what is known of series fills half of the budget with
  // those of the newest pages, a line is refused and counted: it stays a line
  // without values, until Readmit finds room for it.
  // Costs what all lines do, however many edits there are.
  void EditLines(
      SourceId source, std::span<const exposition::LineEdit> edits,
      const std::function<exposition::SeriesDesc(std::size_t line)>& describe);
  // One edit: at line `at`, `removed` lines go and `inserted` come.
  void SpliceLines(SourceId source, std::size_t at, std::size_t removed,
                   std::span<const exposition::SeriesDesc> inserted);

  // Lets refused lines in, as far as there is room by now: because series left
  // their pages, or chunks the window. `describe` says what a line is; what it
  // gives must hold until it is called again. Cheap if none is refused.
  void Readmit(
      SourceId source,
      const std::function<exposition::SeriesDesc(std::size_t line)>& describe);
  // Of a source, now.
  std::size_t refused_lines(SourceId source) const;

  // Appends one frame. `values` has one value per line. `changed` has the
  // lines, ascending, whose value may differ in any bit from the source's
  // previous frame (inserted lines need not be among them); without it every
  // line is compared. Values are kept bit for bit.
  // A frame with no lines at all is a frame: the source was read and had
  // nothing. A read that failed appends no frame: gaps stay gaps.
  // `time.monotonic_ms` below that of the newest frame is raised to it.
  // Returns the frame's name.
  FrameName Append(SourceId source, FrameTime time,
                   std::span<const double> values,
                   std::optional<std::span<const std::uint32_t>> changed);

  // Seals the open stretch now. No effect if it is empty.
  void Seal();

  // --- The mirroring owner.

  // Applies one entry of another's log. Entries of one incarnation come in
  // order; what is held already is skipped. A chunk that covers the rows of
  // the open stretch replaces them. A new incarnation seals the one before.
  // Lives are in the order in which they came; their numbers say nothing of it.
  // Errors, each leaving the recording as it was: kInvalidArgument for an
  // unknown source or series or text that may not stand on a page, kDataLoss
  // for damaged bytes, kOutOfRange for a frame that skips (the caller decides:
  // ApplyOverGap takes it) or is of a life that is over,
  // kResourceExhausted for a series that there is no room for and for the
  // frames that refer to it.
  Status Apply(const LogEntry& entry);
  // The same, with a hole before the entry if need be: what is missing cannot
  // be waited for. kOutOfRange still for a frame that builds on what is
  // missing.
  Status ApplyOverGap(const LogEntry& entry);
  // The life that the sender writes now: the newest one. If it is held, but
  // another came after it, it is forgotten, for it comes anew. Once it is
  // there, lives that are not held are older ones and refused.
  void Follow(Incarnation incarnation);

  // --- Reading the log, for the link and the spill.

  // Hands the entries after `from`, oldest first, until nothing is left or
  // `sink` returns false: that entry was taken, too, but no more is wanted now;
  // the series and sources that a row or chunk needs come before it, unless
  // `defined` (kept by the reader, one per stream) says that they were handed
  // out. A chunk that contains `from` comes whole. Returns the new position.
  class Defined;  // what a reader has been given; see log_reader.h
  LogPosition ReadLog(LogPosition from, Defined* defined,
                      const std::function<bool(const LogEntry&)>& sink) const;
  // Newest frame; {0, 0} if none.
  FrameName newest() const;
  // Newest frame that a chunk holds; {0, 0} if none.
  FrameName newest_sealed() const;
  std::vector<HeldRange> held() const;

  // --- Reading samples: see snapshot.h.
  Snapshot Take() const;
  // As Take().Latest(), without the cost of a snapshot (a page of a thousand
  // agents asks for nothing else). Names are valid until the recording changes.
  std::vector<SourceFrame> Latest() const;
  RecordingStats stats() const;

  // Takes effect at once: oldest chunks go until everything fits. When only
  // the open stretch is left and it alone is over, it is sealed, and goes if
  // even that is too much. What is known of the newest frame of each source
  // stays.
  void set_budget_bytes(std::size_t bytes);
  std::size_t memory_bytes() const;
  // Of that, text in the shared pool.
  std::size_t pool_text_bytes() const;
  // Counts that anew: of all text in the shared pool, this recording pays for
  // what it refers to and `first` was not asked about before. For the owner of
  // the pool, who asks all recordings, when text is held by others than those
  // who added it.
  void ClaimPoolText(const std::function<bool(const void* text)>& first);
  Incarnation incarnation() const;

 private:
  friend class Snapshot;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::recorder
