// SPDX-License-Identifier: Apache-2.0
// What a recording is made of. For this room.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/recorder/chunk.h"
#include "fodc/recorder/open_rows.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/row_codec.h"
#include "fodc/recorder/series_table.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

struct SourceInfo {
  std::string name;
  std::string container_name;
  std::uint32_t version = 0;  // counts its changes
};
using SourceMap = std::map<SourceId, SourceInfo>;

// Chunks, and what else is known of them. Ordinals count stretches over all
// lives: a series used last by stretch n is forgotten with the chunk of n.
struct HeldChunk {
  std::shared_ptr<const Chunk> chunk;
  std::uint32_t ordinal = 0;
};

// One incarnation's part of the log, oldest first.
struct Life {
  Incarnation incarnation = 0;
  std::shared_ptr<SourceMap> sources = std::make_shared<SourceMap>();
  std::shared_ptr<SeriesTable> table = std::make_shared<SeriesTable>();
  bool table_shared = false;  // a snapshot may read it: copy before a change
  std::vector<std::uint32_t> last_used;  // ordinals, as the table's entries
  std::deque<HeldChunk> chunks;
  Sequence last = 0;            // newest frame ever of this life
  bool refused_series = false;  // mirror only: for lack of room
  // Mirror with a shared pool only: what each series added to the pool.
  std::vector<std::uint32_t> made_bytes;  // as the table's entries, or empty
  std::size_t all_made_bytes = 0;
  bool sources_shared = false;  // as table_shared

  SeriesTable* MutableTable();
  SourceMap* MutableSources();
  void AddSeries(SeriesId id, SeriesRef series, std::uint32_t ordinal,
                 std::size_t made);
  void DropSeries(SeriesId id);
  void MergeRuns();
  // What a life occupies by itself: deque, maps, reference counts.
  static constexpr std::size_t kOverheadBytes = 1024;
};

// Of entries from elsewhere.
bool IsSane(FrameTime t);
Status UnknownSeries(const Life& life, std::string_view what, SeriesId id);

// The chunk of an open stretch; null if its rows make none.
std::shared_ptr<const Chunk> ChunkOf(Incarnation incarnation,
                                     const OpenRows& rows);

// A source of the newest life.
struct SourceState {
  SlotState slots;
  // Mirror only: the state of the rows as they are stored, where it is not
  // that of the rows as they came.
  std::unique_ptr<SlotState> stored;
  std::uint32_t rows = 0;   // in the open stretch, stored
  bool in_stretch = false;  // mirror only: `slots` is of the sender's stretch
  FrameName newest;
  FrameTime time;
  std::shared_ptr<const std::vector<SeriesRef>> layout;  // of newest; lazy

  // Appending owner only.
  std::vector<Slot> line_slots;           // kNoSlot: refused
  std::vector<std::uint16_t> slot_lines;  // lines of each slot
  std::vector<SeriesId> pending;          // slots after those of `slots`
  std::vector<Slot> touched;              // by splices since the last frame
  std::size_t active = 0;                 // slots with lines
  std::size_t refused_lines = 0;          // now
  Admission admission = Admission::kBounded;

  std::size_t bytes() const;
};

struct Recording::Impl {
  Impl(Incarnation incarnation, RecordingOptions options);

  RecordingOptions options;
  const Incarnation own;
  bool owns_pool = false;
  std::deque<Life> lives;

  // The open stretch, of lives.back().
  OpenRows open;
  OpenRows sealed_tail;  // newest rows of the stretch sealed last
  std::uint64_t open_samples = 0;
  std::int64_t open_from_monotonic_ms = 0;  // of the open stretch
  std::int64_t open_min_unix_ms = 0;
  std::int64_t open_max_unix_ms = 0;
  Sequence wire_stretch = 0;  // as the sender names the open stretch
  std::uint32_t open_ordinal = 1;
  std::map<SourceId, SourceState> states;
  Incarnation states_of = 0;  // the life that `states` belongs to
  Incarnation current = 0;    // the life that the sender writes; 0: not known
  std::int64_t newest_monotonic_ms = INT64_MIN;
  bool gap_accepted = false;  // by the call at hand

  // Appending owner only.
  SeriesIndex index;
  bool appending = false;
  Row row;  // scratch
  std::vector<double> scratch_values;
  std::string scratch_payload;  // both roles
  SeriesId next_series_id = 1;

  std::size_t sealed_bytes = 0;
  std::size_t reading_bytes = 0;  // of the same chunks
  std::uint64_t sealed_samples = 0;
  std::uint64_t chunk_count = 0;
  std::uint64_t appended_samples = 0;
  std::uint64_t evicted_samples = 0;
  std::uint64_t refused_series = 0;

  // recording_impl.cc
  Life* FindLife(Incarnation incarnation);
  Life& BeginLife(Incarnation incarnation);
  Life& OwnLife();
  void Touch(Life* life, SeriesId id);
  std::size_t IndexBytes() const;
  std::size_t MemoryBytes() const;
  std::size_t PoolTextBytes() const;
  bool IsTooMuch() const;
  void ClaimPoolText(const std::function<bool(const void* text)>& first);
  void Trim();
  bool EvictOldest();
  void Forget(Life* life, std::uint32_t ordinal);
  void StoreRow(SourceState* state, SourceId source, const FrameName& name,
                FrameTime time, std::string_view payload);
  // `keep_slots`: a mirror goes on with the sender's slots.
  void SealOpen(bool keep_slots);
  // No longer held, for whatever reason.
  void SubtractChunk(const Chunk& chunk);
  void AddChunk(Life* life, std::shared_ptr<const Chunk> chunk,
                std::uint32_t ordinal);
  void RefreshLayout(SourceState* state);
  // Slots times rows of the open stretch with one more row of `state`.
  std::size_t CellsWith(const SourceState& state, std::size_t slots) const;

  // append.cc
  SourceId OpenSource(std::string_view name, std::string_view container,
                      Admission admission);
  bool MakeRoom();
  bool HasRoom(const SourceState& state);
  std::size_t BoundedSeries() const;
  std::size_t ActiveSeries() const;
  std::size_t AllSlots() const;
  Slot AdmitLine(SourceId source, SourceState* state,
                 const exposition::SeriesDesc& desc);
  void Readmit(
      SourceId source,
      const std::function<exposition::SeriesDesc(std::size_t)>& describe);
  void DropLine(SourceState* state, Slot slot);
  void Edit(SourceId source, std::span<const exposition::LineEdit> edits,
            const std::function<exposition::SeriesDesc(std::size_t)>& describe);
  void Splice(SourceId source, std::size_t at, std::size_t removed,
              std::span<const exposition::SeriesDesc> inserted);
  FrameName Append(SourceId source, FrameTime time,
                   std::span<const double> values,
                   std::optional<std::span<const std::uint32_t>> changed);
  bool CompleteRow(Life* life, SourceState* state,
                   std::span<const double> values);
  void ChangedRow(SourceState* state, std::span<const double> values,
                  std::optional<std::span<const std::uint32_t>> changed);

  // apply_rows.cc
  void Follow(Incarnation incarnation);
  Status Apply(const LogEntry& entry);
  Status ApplySource(const SourceEntry& entry);
  Status ApplySeries(const SeriesEntry& entry);
  Status ApplyRowEntry(const RowEntry& entry);
  Status TakeRow(const RowEntry& entry);
  Result<Life*> LifeFor(Incarnation incarnation);
  Result<Life*> KnownLife(Incarnation incarnation);
  Status CheckOrder(const Life& life, Sequence first);

  // apply_chunks.cc
  Status ApplyChunk(const ChunkEntry& entry);
  using Sections = std::vector<std::unique_ptr<const Section>>;
  Result<Sections> OpenChunk(const Life& life, const Chunk& chunk);
  void AdoptNewest(Life* life, const Section& section, std::uint32_t ordinal);

  // log_reader.cc
  LogPosition Read(LogPosition from, Defined* defined,
                   const std::function<bool(const LogEntry&)>& sink) const;
  bool Define(const Life& life, SourceId source, std::span<const SeriesId> ids,
              Defined* defined,
              const std::function<bool(const LogEntry&)>& sink) const;
};

}  // namespace fodc::recorder
