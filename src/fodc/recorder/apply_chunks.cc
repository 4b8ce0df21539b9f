// SPDX-License-Identifier: Apache-2.0
// The mirroring owner's half of a recording: chunks. Untrusted.
#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {

Result<Recording::Impl::Sections> Recording::Impl::OpenChunk(
    const Life& life, const Chunk& chunk) {
  Sections sections;
  std::vector<bool> seen(life.table->ids.size());
  std::size_t active = 0;
  for (std::size_t i = 0; i < chunk.sections().size(); ++i) {
    const SourceId source = chunk.sections()[i].source;
    if (life.sources->find(source) == life.sources->end()) {
      return InvalidArgument(StrCat("unknown source ", source));
    }
    FODC_ASSIGN_OR_RETURN(auto section, chunk.Open(i));
    for (const SeriesId id : section->ids()) {
      const std::size_t at = life.table->Find(id);
      if (at == SeriesTable::kNone) return UnknownSeries(life, "chunk", id);
      if (seen[at]) return DataLoss(StrCat("chunk has series ", id, " twice"));
      seen[at] = true;
    }
    for (const SeriesId id : section->ids()) seen[life.table->Find(id)] = false;
    active += section->active();
    sections.push_back(std::move(section));
  }
  std::size_t before = 0;
  for (const auto& [id, s] : states) {
    if (states_of != life.incarnation) break;
    before += s.slots.active;
    const bool goes_on = std::none_of(
        sections.begin(), sections.end(),
        [id = id](const auto& section) { return section->source() == id; });
    if (goes_on) active += s.slots.active;
  }
  if (active > options.max_series && active > before) {
    return ResourceExhausted(
        StrCat("more than ", options.max_series, " active series"));
  }
  if (!IsSane({chunk.from_monotonic_ms(), chunk.min_unix_ms()}) ||
      !IsSane({chunk.to_monotonic_ms(), chunk.max_unix_ms()})) {
    return InvalidArgument("time out of range");
  }
  return sections;
}

Status Recording::Impl::ApplyChunk(const ChunkEntry& entry) {
  FODC_ASSIGN_OR_RETURN(Life * life, KnownLife(entry.incarnation));
  if (entry.last <= life->last && entry.last != 0) return OkStatus();
  FODC_ASSIGN_OR_RETURN(const std::shared_ptr<const Chunk> chunk,
                        Chunk::Parse(entry.bytes));
  if (chunk->incarnation() != entry.incarnation ||
      chunk->first() != entry.first || chunk->last() != entry.last) {
    return DataLoss("chunk is not the one that its entry names");
  }
  // It may begin with frames that are held.
  FODC_RETURN_IF_ERROR(
      CheckOrder(*life, std::max(chunk->first(), life->last + 1)));
  FODC_ASSIGN_OR_RETURN(const Sections sections, OpenChunk(*life, *chunk));

  // What the chunk covers goes: rows, and chunks sealed here meanwhile. What
  // only reaches into it cannot be cut, so the chunk is refused.
  const bool opens_before = !open.empty() && open.first() < chunk->first();
  Sequence held = opens_before ? open.last() : 0;
  for (const HeldChunk& c : life->chunks) {
    if (c.chunk->first() < chunk->first()) {
      held = std::max(held, c.chunk->last());
    }
  }
  if (held >= chunk->first()) {
    return DataLoss(StrCat("chunk from ", chunk->first(),
                           " overlaps frames held until ", held));
  }

  // Nothing fails from here on.
  if (opens_before) SealOpen(false);
  while (!life->chunks.empty() &&
         life->chunks.back().chunk->first() >= chunk->first()) {
    const HeldChunk old = life->chunks.back();
    life->chunks.pop_back();
    SubtractChunk(*old.chunk);
    appended_samples -= old.chunk->samples();
  }
  appended_samples -= open_samples;
  open.Clear();
  open_samples = 0;
  const std::uint32_t ordinal = open_ordinal++;
  // The newest frames are in the chunk now; Latest needs their values.
  if (states_of != life->incarnation) {
    states.clear();
    states_of = life->incarnation;
  }
  for (auto& [id, s] : states) {
    s.rows = 0;
    s.in_stretch = false;
    s.stored.reset();
    for (std::size_t i = 0; i < s.slots.size(); ++i) {
      if (s.slots.present[i] != 0) Touch(life, s.slots.ids[i]);
    }
  }
  wire_stretch = 0;
  for (const auto& section : sections) AdoptNewest(life, *section, ordinal);
  life->last = chunk->last();
  newest_monotonic_ms = chunk->to_monotonic_ms();
  appended_samples += chunk->samples();
  AddChunk(life, chunk, ordinal);
  Trim();
  return OkStatus();
}

// Takes the newest row of a section as the newest frame of its source.
void Recording::Impl::AdoptNewest(Life* life, const Section& section,
                                  std::uint32_t ordinal) {
  SourceState& state = states[section.source()];
  const std::size_t row_at = section.rows() - 1;
  state.newest = {life->incarnation, section.sequences()[row_at]};
  state.time = section.times()[row_at];
  SlotState slots;
  std::vector<double> column(section.rows());
  ColumnDecoder::Cache cache;
  for (Slot s = 0; s < section.slots(); ++s) {
    const SeriesId id = section.ids()[s];
    const std::size_t at = life->table->Find(id);
    life->last_used[at] = std::max(life->last_used[at], ordinal);
    Section::Range whole;
    const auto presence = section.Presence(s, &whole);
    if (presence.back().to != section.rows()) continue;
    section.Decode(s, column.data(), &cache);
    slots.ids.push_back(id);
    slots.values.push_back(column[row_at]);
    // In use by what is newest, until the next row says otherwise.
    life->last_used[at] = open_ordinal;
  }
  slots.exponents.assign(slots.ids.size(), 0);
  slots.present.assign(slots.ids.size(), 1);
  slots.active = slots.ids.size();
  const bool same = state.layout != nullptr && slots.ids == state.slots.ids &&
                    state.slots.active == slots.active;
  if (!same) state.layout.reset();
  state.slots = std::move(slots);
}

}  // namespace fodc::recorder
