// SPDX-License-Identifier: Apache-2.0
// The bookkeeping of a recording: lives, chunks, and the budget.
#include "fodc/recorder/recording_impl.h"

#include <algorithm>

#include "fodc/recorder/chunk_format.h"

namespace fodc::recorder {

std::size_t SourceState::bytes() const {
  std::size_t n =
      sizeof *this + 48 + slots.bytes() + line_slots.capacity() * sizeof(Slot) +
      slot_lines.capacity() * sizeof(std::uint16_t) +
      pending.capacity() * sizeof(SeriesId) + touched.capacity() * sizeof(Slot);
  if (stored != nullptr) n += sizeof *stored + stored->bytes();
  if (layout != nullptr) n += layout->capacity() * sizeof(SeriesRef);
  return n;
}

Recording::Impl::Impl(Incarnation incarnation, RecordingOptions o)
    : options(std::move(o)), own(incarnation) {
  if (options.pool == nullptr) {
    options.pool = std::make_shared<SeriesPool>();
    owns_pool = true;
  }
  options.stretch_rows = std::clamp<std::uint32_t>(
      options.stretch_rows, 1, static_cast<std::uint32_t>(kMaxStretchRows));
}

Life* Recording::Impl::FindLife(Incarnation incarnation) {
  for (auto life = lives.rbegin(); life != lives.rend(); ++life) {
    if (life->incarnation == incarnation) return &*life;
  }
  return nullptr;
}

Life& Recording::Impl::BeginLife(Incarnation incarnation) {
  SealOpen(false);
  for (auto& [id, state] : states) RefreshLayout(&state);
  // A life of which nothing is held leaves nothing behind.
  std::erase_if(lives, [](const Life& l) { return l.chunks.empty(); });
  Life& life = lives.emplace_back();
  life.incarnation = incarnation;
  wire_stretch = 0;
  sealed_tail.Clear();
  index = SeriesIndex();
  newest_monotonic_ms = INT64_MIN;
  // `states` stay for Latest until this life has a frame. If they are of this
  // very life, which left the window and comes again, they name what is gone.
  if (states_of == incarnation) {
    states.clear();
    states_of = 0;
  }
  return life;
}

Life& Recording::Impl::OwnLife() {
  if (!appending) {
    BeginLife(own);
    states.clear();
    states_of = own;
    appending = true;
  }
  return lives.back();
}

void Recording::Impl::Touch(Life* life, SeriesId id) {
  const std::size_t at = life->table->Find(id);
  if (at != SeriesTable::kNone) life->last_used[at] = open_ordinal;
}

std::size_t Recording::Impl::IndexBytes() const {
  std::size_t n = sizeof *this + index.bytes();
  for (const Life& life : lives) {
    n += sizeof life + Life::kOverheadBytes + life.table->bytes() +
         (life.last_used.capacity() + life.made_bytes.capacity()) *
             sizeof(std::uint32_t) +
         life.chunks.size() * sizeof(HeldChunk);
    for (const auto& [id, s] : *life.sources) {
      n += sizeof s + 48 + s.name.capacity() + s.container_name.capacity();
    }
  }
  for (const auto& [id, s] : states) n += s.bytes();
  n += row.added.capacity() * sizeof(SeriesId) +
       (row.returned.capacity() + row.gone.capacity()) * sizeof(Slot) +
       row.changes.capacity() * sizeof(RowChange) +
       scratch_values.capacity() * sizeof(double) + scratch_payload.capacity();
  if (owns_pool) n += options.pool->bytes();
  return n;
}

std::size_t Recording::Impl::MemoryBytes() const {
  // Text in a shared pool is its owner's to count. But a recording that fills
  // the pool with text that no other had pays for it.
  return sealed_bytes + open.memory_bytes() + sealed_tail.memory_bytes() +
         IndexBytes() + PoolTextBytes();
}

std::size_t Recording::Impl::PoolTextBytes() const {
  std::size_t made = 0;
  for (const Life& life : lives) made += life.all_made_bytes;
  return made -
         std::min({made, options.budget_bytes / 2, options.free_text_bytes});
}

void Recording::Impl::ClaimPoolText(
    const std::function<bool(const void* text)>& first) {
  constexpr std::size_t kOverheadBytes = 64;
  for (Life& life : lives) {
    life.made_bytes.assign(life.table->series.size(), 0);
    life.all_made_bytes = 0;
    for (std::size_t i = 0; i < life.made_bytes.size(); ++i) {
      const Series& s = *life.table->series[i];
      std::size_t bytes = 0;
      if (first(&s)) bytes += s.labels().size() + kOverheadBytes;
      if (first(s.name().data())) {  // one for all series of the name
        bytes += s.name().size() + s.family().size() + s.help().size() +
                 s.unit().size() + kOverheadBytes;
      }
      life.made_bytes[i] = static_cast<std::uint32_t>(bytes);
      life.all_made_bytes += bytes;
    }
  }
}

std::size_t Recording::Impl::CellsWith(const SourceState& state,
                                       std::size_t slots) const {
  std::size_t cells =
      (state.rows + std::size_t{1}) * std::max<std::size_t>(slots, 1);
  for (const auto& [id, s] : states) {
    if (&s != &state) cells += s.rows * s.slots.size();
  }
  return cells;
}

bool Recording::Impl::IsTooMuch() const {
  return reading_bytes / kMaxReadingPerBudget > options.budget_bytes ||
         MemoryBytes() > options.budget_bytes;
}

void Recording::Impl::Trim() {
  while (IsTooMuch()) {
    if (EvictOldest()) continue;
    if (!sealed_tail.empty()) {
      sealed_tail.Clear();
      continue;
    }
    if (open.empty()) return;
    SealOpen(!appending);
  }
}

bool Recording::Impl::EvictOldest() {
  for (auto life = lives.begin(); life != lives.end(); ++life) {
    if (life->chunks.empty()) continue;
    const HeldChunk held = life->chunks.front();
    life->chunks.pop_front();
    SubtractChunk(*held.chunk);
    evicted_samples += held.chunk->samples();
    // Its rows refer to series that may go now.
    if (life->chunks.empty() && &*life == &lives.back()) sealed_tail.Clear();
    if (life->chunks.empty() && &*life != &lives.back()) {
      lives.erase(life);
    } else {
      Forget(&*life, held.ordinal);
    }
    return true;
  }
  return false;
}

void Recording::Impl::Forget(Life* life, std::uint32_t ordinal) {
  std::vector<bool> keep(life->last_used.size());
  std::size_t n = 0;
  for (std::size_t i = 0; i < keep.size(); ++i) {
    keep[i] = life->last_used[i] > ordinal;
    n += keep[i] ? 1 : 0;
  }
  if (n == keep.size()) return;
  auto table = std::make_shared<SeriesTable>();
  std::vector<std::uint32_t> used;
  std::vector<std::uint32_t> made;
  table->ids.reserve(n);
  table->series.reserve(n);
  used.reserve(n);
  if (!life->made_bytes.empty()) made.reserve(n);
  for (std::size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) {
      if (!life->made_bytes.empty())
        life->all_made_bytes -= life->made_bytes[i];
      continue;
    }
    if (i < life->table->first_run) ++table->first_run;
    table->ids.push_back(life->table->ids[i]);
    table->series.push_back(life->table->series[i]);
    used.push_back(life->last_used[i]);
    if (!life->made_bytes.empty()) made.push_back(life->made_bytes[i]);
  }
  life->table = std::move(table);
  life->table_shared = false;
  life->last_used = std::move(used);
  life->made_bytes = std::move(made);
  if (appending && life == &lives.back()) index.Rebuild(*life->table, keep);
}

void Recording::Impl::StoreRow(SourceState* state, SourceId source,
                               const FrameName& name, FrameTime time,
                               std::string_view payload) {
  if (open.empty()) {
    open_from_monotonic_ms = time.monotonic_ms;
    open_min_unix_ms = open_max_unix_ms = time.unix_ms;
  }
  open_min_unix_ms = std::min(open_min_unix_ms, time.unix_ms);
  open_max_unix_ms = std::max(open_max_unix_ms, time.unix_ms);
  open.Append({.source = source,
               .sequence = name.sequence,
               .time = time,
               .payload = payload});
  ++state->rows;
  state->newest = name;
  state->time = time;
  open_samples += state->slots.active;
  appended_samples += state->slots.active;
  newest_monotonic_ms = time.monotonic_ms;
  lives.back().last = name.sequence;
}

void Recording::Impl::SealOpen(bool keep_slots) {
  if (open.empty()) return;
  Life& life = lives.back();
  const std::shared_ptr<const Chunk> chunk = ChunkOf(life.incarnation, open);
  // Rows come from peers and pages: what cannot be sealed goes.
  if (chunk == nullptr) evicted_samples += open_samples;
  // A reader that is only a few rows behind gets these, not the whole chunk.
  constexpr std::size_t kTailBytes = 16 * 1024;
  sealed_tail.Clear();
  if (appending) {
    sealed_tail = open;
    sealed_tail.DropFront(kTailBytes);
  }
  open.Clear();
  open_samples = 0;
  const std::uint32_t ordinal = open_ordinal++;
  for (auto& [id, state] : states) {
    if (keep_slots && state.rows > 0 && state.stored == nullptr) {
      state.stored = std::make_unique<SlotState>();
    }
    state.rows = 0;
    // What goes on is used by the next stretch, too.
    const std::size_t known = state.slots.size();
    if (appending) {
      bool left = false;
      for (std::size_t i = 0; i < state.slot_lines.size(); ++i) {
        if (state.slot_lines[i] > 0) {
          Touch(&life,
                i < known ? state.slots.ids[i] : state.pending[i - known]);
        } else {
          left |= i < known && state.slots.present[i] != 0;
        }
      }
      // Series of the newest frame that are on the page no more may go.
      if (left) RefreshLayout(&state);
      continue;
    }
    for (std::size_t i = 0; i < known; ++i) {
      if (keep_slots || state.slots.present[i] != 0) {
        Touch(&life, state.slots.ids[i]);
      }
    }
  }
  if (chunk != nullptr) AddChunk(&life, chunk, ordinal);
}

std::shared_ptr<const Chunk> ChunkOf(Incarnation incarnation,
                                     const OpenRows& rows) {
  Result<std::string> bytes = SealChunk(incarnation, rows.All());
  if (!bytes.ok()) return nullptr;
  Result<std::shared_ptr<const Chunk>> chunk = Chunk::Parse(*std::move(bytes));
  return chunk.ok() ? *std::move(chunk) : nullptr;
}

void Recording::Impl::SubtractChunk(const Chunk& chunk) {
  sealed_bytes -= chunk.memory_bytes();
  reading_bytes -= chunk.reading_bytes();
  sealed_samples -= chunk.samples();
  --chunk_count;
}

void Recording::Impl::AddChunk(Life* life, std::shared_ptr<const Chunk> chunk,
                               std::uint32_t ordinal) {
  sealed_bytes += chunk->memory_bytes();
  reading_bytes += chunk->reading_bytes();
  sealed_samples += chunk->samples();
  ++chunk_count;
  life->chunks.push_back({std::move(chunk), ordinal});
}

void Recording::Impl::RefreshLayout(SourceState* state) {
  if (state->layout != nullptr) return;
  const Life* life = FindLife(state->newest.incarnation);
  auto layout = std::make_shared<std::vector<SeriesRef>>();
  layout->reserve(state->slots.active);
  for (std::size_t i = 0; i < state->slots.size(); ++i) {
    if (state->slots.present[i] == 0) continue;
    layout->emplace_back(
        life == nullptr ? nullptr : life->table->Get(state->slots.ids[i]));
  }
  state->layout = std::move(layout);
}

}  // namespace fodc::recorder
