// SPDX-License-Identifier: Apache-2.0
// The appending owner's half of a recording.
#include <algorithm>

#include "fodc/recorder/bytes.h"
#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {

using exposition::LineEdit;

namespace {

// What a series costs in all, about.
constexpr std::size_t kSeriesBytesGuess = 256;
// How often it is asked whether there is still room.
constexpr std::size_t kLinesPerLook = 64;

// What of a page's words a recording takes: a unit that is none, and the end
// of a help text beyond all measure, are left out.
exposition::SeriesDesc Bounded(exposition::SeriesDesc desc) {
  if (desc.help.size() > kMaxHelpBytes) {
    std::size_t n = kMaxHelpBytes;
    while ((static_cast<unsigned char>(desc.help[n]) & 0xc0) == 0x80) --n;
    desc.help = desc.help.substr(0, n);
  }
  if (desc.unit.size() > kMaxUnitBytes || !exposition::IsUnit(desc.unit)) {
    desc.unit = {};
  }
  return desc;
}

}  // namespace

SourceId Recording::Impl::OpenSource(std::string_view name,
                                     std::string_view container,
                                     Admission admission) {
  Life& life = OwnLife();
  SourceId next = 0;
  for (const auto& [id, info] : *life.sources) {
    if (info.name == name) {
      if (info.container_name != container) {
        SourceInfo& mine = (*life.MutableSources())[id];
        mine.container_name = container;
        ++mine.version;
      }
      return id;
    }
    next = static_cast<SourceId>(id + 1);
  }
  (*life.MutableSources())[next] = {.name = std::string(name),
                                    .container_name = std::string(container),
                                    .version = 1};
  states[next].admission = admission;
  return next;
}

// Half of the budget at most is for what series are. Before one is refused,
// older chunks go, and with them the series that only they know; then the open
// stretch, if much of what it knows is on no page any more. Where too few would
// leave, the window is worth more. Whether there is room now.
bool Recording::Impl::MakeRoom() {
  constexpr std::size_t kWorthAnEviction = 8;  // 1/8 of the series
  while (IndexBytes() > options.budget_bytes / 2) {
    const std::size_t known = lives.back().table->ids.size();
    if (lives.size() == 1 &&
        (known - ActiveSeries()) * kWorthAnEviction < known) {
      return false;
    }
    if (EvictOldest()) continue;
    if (open.empty()) return false;
    SealOpen(false);
  }
  return true;
}

// Over all sources, without those that are always let in.
std::size_t Recording::Impl::BoundedSeries() const {
  std::size_t n = 0;
  for (const auto& [id, s] : states) {
    if (s.admission == Admission::kBounded) n += s.active;
  }
  return n;
}

std::size_t Recording::Impl::ActiveSeries() const {
  std::size_t n = 0;
  for (const auto& [id, s] : states) n += s.active;
  return n;
}

std::size_t Recording::Impl::AllSlots() const {
  std::size_t n = 0;
  for (const auto& [id, s] : states) n += s.slot_lines.size();
  return n;
}

// The slot for a line that comes, which is counted as one of its lines; or
// kNoSlot if there is no room for its series.
Slot Recording::Impl::AdmitLine(SourceId source, SourceState* state,
                                const exposition::SeriesDesc& desc) {
  Life& life = lives.back();
  SeriesRef series = options.pool->Intern(Bounded(desc));
  std::size_t at = index.Find(*life.table, source, series.get());
  Slot slot = at == SeriesIndex::kNone ? kNoSlot : index.slot(at);
  if (slot == kNoSlot || state->slot_lines[slot] == 0) {
    if (AllSlots() >= kMaxSlots || (state->admission == Admission::kBounded &&
                                    BoundedSeries() >= options.max_series)) {
      return kNoSlot;
    }
    ++state->active;
  } else if (state->slot_lines[slot] == UINT16_MAX) {
    return kNoSlot;
  }
  if (at == SeriesIndex::kNone) {
    SeriesTable* table = life.MutableTable();
    table->ids.push_back(next_series_id++);
    table->series.push_back(std::move(series));
    life.last_used.push_back(open_ordinal);
    index.Add(*table, source);
    at = table->ids.size() - 1;
  }
  life.last_used[at] = open_ordinal;
  if (slot == kNoSlot) {
    slot = static_cast<Slot>(state->slot_lines.size());
    index.set_slot(at, slot);
    state->slot_lines.push_back(0);
    state->pending.push_back(life.table->ids[at]);
  }
  ++state->slot_lines[slot];
  state->touched.push_back(slot);
  return slot;
}

void Recording::Impl::DropLine(SourceState* state, Slot slot) {
  if (slot == kNoSlot) {
    --state->refused_lines;
    return;
  }
  if (--state->slot_lines[slot] == 0) --state->active;
  state->touched.push_back(slot);
}

void Recording::Impl::Edit(
    SourceId source, std::span<const LineEdit> edits,
    const std::function<exposition::SeriesDesc(std::size_t)>& describe) {
  Life& life = OwnLife();
  const auto found = states.find(source);
  FODC_CHECK(found != states.end());
  SourceState& state = found->second;
  std::size_t kept = 0;
  std::size_t removed = 0;
  std::size_t inserted = 0;
  for (const LineEdit& edit : edits) {
    (edit.kind == LineEdit::Kind::kKeep     ? kept
     : edit.kind == LineEdit::Kind::kRemove ? removed
                                            : inserted) += edit.count;
  }
  if (removed == 0 && inserted == 0) return;
  const std::vector<Slot>& before = state.line_slots;
  FODC_CHECK(kept + removed <= before.size());
  if (inserted > 0) {
    // No more than will be let in, by a rough guess.
    const std::size_t more =
        std::min({inserted, options.max_series,
                  options.budget_bytes / 2 / kSeriesBytesGuess});
    const std::size_t series = life.table->ids.size() + more;
    life.MutableTable()->Reserve(series);
    ReserveFrugally(&life.last_used, series);
    index.Reserve(series);
    ReserveFrugally(&state.slot_lines, state.slot_lines.size() + more);
    ReserveFrugally(&state.pending, state.pending.size() + more);
    ReserveFrugally(&state.touched, state.touched.size() + more);
  }
  std::vector<Slot> lines;
  lines.reserve(before.size() - removed + inserted);
  auto at = before.begin();
  std::size_t tried = 0;
  bool has_room = true;
  const auto insert = [&] {
    if (tried++ % kLinesPerLook == 0) {
      Trim();
      has_room = HasRoom(state);
    }
    lines.push_back(has_room ? AdmitLine(source, &state, describe(lines.size()))
                             : kNoSlot);
    if (lines.back() == kNoSlot) {
      ++state.refused_lines;
      ++refused_series;
    }
  };
  for (const LineEdit& edit : edits) {
    switch (edit.kind) {
      case LineEdit::Kind::kKeep:
        lines.insert(lines.end(), at, at + edit.count);
        at += edit.count;
        break;
      case LineEdit::Kind::kInsert:
        for (std::uint32_t i = 0; i < edit.count; ++i) insert();
        break;
      case LineEdit::Kind::kRemove:
        for (const auto end = at + edit.count; at != end; ++at) {
          DropLine(&state, *at);
        }
        break;
    }
  }
  lines.insert(lines.end(), at, before.end());
  state.line_slots = std::move(lines);
  Trim();
}

void Recording::Impl::Splice(SourceId source, std::size_t at,
                             std::size_t removed,
                             std::span<const exposition::SeriesDesc> inserted) {
  const auto count = [](std::size_t n) {
    return static_cast<std::uint32_t>(n);
  };
  // Insert before removing: a line that only moves keeps its slot.
  const LineEdit edits[] = {
      {LineEdit::Kind::kKeep, count(at)},
      {LineEdit::Kind::kInsert, count(inserted.size())},
      {LineEdit::Kind::kRemove, count(removed)},
  };
  Edit(source, edits, [&](std::size_t line) { return inserted[line - at]; });
}

bool Recording::Impl::HasRoom(const SourceState& state) {
  return MakeRoom() || state.admission == Admission::kAlways;
}

void Recording::Impl::Readmit(
    SourceId source,
    const std::function<exposition::SeriesDesc(std::size_t)>& describe) {
  const auto found = states.find(source);
  FODC_CHECK(found != states.end());
  SourceState& state = found->second;
  if (state.refused_lines == 0) return;
  if (state.admission == Admission::kBounded &&
      BoundedSeries() >= options.max_series) {
    return;
  }
  std::size_t tried = 0;
  for (std::size_t line = 0; line < state.line_slots.size(); ++line) {
    Slot& slot = state.line_slots[line];
    if (slot != kNoSlot) continue;
    if (tried++ % kLinesPerLook == 0 && !HasRoom(state)) break;
    slot = AdmitLine(source, &state, describe(line));
    if (slot == kNoSlot) break;
    if (--state.refused_lines == 0) break;
  }
  Trim();
}

// The first row of a source in a stretch. Slots without lines are left behind.
// Whether the series are others than those of the row before.
bool Recording::Impl::CompleteRow(Life* life, SourceState* state,
                                  std::span<const double> values) {
  bool set_changed = false;
  const std::size_t old_size = state->slots.size();
  const std::size_t all = state->slot_lines.size();
  std::vector<Slot> moved(all, kNoSlot);
  std::vector<std::int8_t> hints;
  std::vector<std::uint16_t> slot_lines;
  slot_lines.reserve(state->active);
  hints.reserve(state->active);
  row.Clear();
  row.complete = true;
  row.added.reserve(state->active);
  for (std::size_t i = 0; i < all; ++i) {
    const SeriesId id =
        i < old_size ? state->slots.ids[i] : state->pending[i - old_size];
    const bool keep = state->slot_lines[i] > 0;
    set_changed |= keep != (i < old_size && state->slots.present[i] != 0);
    const std::size_t at = life->table->Find(id);
    if (at != SeriesTable::kNone) {
      index.set_slot(at, keep ? static_cast<Slot>(row.added.size()) : kNoSlot);
      if (keep) life->last_used[at] = open_ordinal;
    }
    if (!keep) continue;
    moved[i] = static_cast<Slot>(row.added.size());
    row.added.push_back(id);
    hints.push_back(i < old_size ? state->slots.exponents[i] : std::int8_t{0});
    slot_lines.push_back(state->slot_lines[i]);
  }
  for (Slot& slot : state->line_slots) {
    if (slot != kNoSlot) slot = moved[slot];
  }
  scratch_values.assign(row.added.size(), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Slot slot = state->line_slots[i];
    if (slot != kNoSlot) scratch_values[slot] = values[i];
  }
  for (Slot s = 0; s < row.added.size(); ++s) {
    if (BitsOf(scratch_values[s]) != 0) {
      row.changes.push_back({s, hints[s], scratch_values[s]});
    }
  }
  state->slot_lines = std::move(slot_lines);
  SlotState fresh;
  fresh.ids.reserve(row.added.size());
  fresh.values.reserve(row.added.size());
  fresh.exponents.reserve(row.added.size());
  fresh.present.reserve(row.added.size());
  state->slots = std::move(fresh);
  return set_changed;
}

// Any other row.
void Recording::Impl::ChangedRow(
    SourceState* state, std::span<const double> values,
    std::optional<std::span<const std::uint32_t>> changed) {
  const auto old_size = static_cast<Slot>(state->slots.size());
  row.Clear();
  row.added = state->pending;
  if (!state->touched.empty()) {
    std::vector<Slot>& touched = state->touched;
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const Slot s : touched) {
      const bool here = state->slot_lines[s] > 0;
      const bool was = s >= old_size || state->slots.present[s] != 0;
      if (was && !here) row.gone.push_back(s);
      if (!was && here) row.returned.push_back(s);
    }
    changed.reset();  // the lines of those are not told
  }
  const auto look = [&](std::size_t line) {
    const Slot slot = state->line_slots[line];
    if (slot == kNoSlot) return;
    const double old = slot < old_size ? state->slots.values[slot] : 0.0;
    if (BitsOf(old) != BitsOf(values[line])) {
      row.changes.push_back({slot, 0, values[line]});
    }
  };
  if (changed.has_value()) {
    for (const std::uint32_t line : *changed) look(line);
  } else {
    for (std::size_t line = 0; line < values.size(); ++line) look(line);
  }
  const auto by_slot = [](const RowChange& a, const RowChange& b) {
    return a.slot < b.slot;
  };
  if (!std::is_sorted(row.changes.begin(), row.changes.end(), by_slot)) {
    std::stable_sort(row.changes.begin(), row.changes.end(), by_slot);
  }
  // Of several lines of one series the last one counts.
  const auto last = std::unique(
      row.changes.rbegin(), row.changes.rend(),
      [](const RowChange& a, const RowChange& b) { return a.slot == b.slot; });
  row.changes.erase(row.changes.begin(), last.base());
}

FrameName Recording::Impl::Append(
    SourceId source, FrameTime time, std::span<const double> values,
    std::optional<std::span<const std::uint32_t>> changed) {
  Life& life = OwnLife();
  const auto found = states.find(source);
  FODC_CHECK(found != states.end());
  SourceState& state = found->second;
  FODC_CHECK(values.size() == state.line_slots.size());
  time.monotonic_ms = std::max(time.monotonic_ms, newest_monotonic_ms);

  // Sealed before the row that opens the next stretch, not after the last one:
  // readers that keep up never see a chunk of what they have as rows.
  const std::size_t slots =
      std::max(state.slots.size() + state.pending.size(), std::size_t{1});
  if (state.rows >= options.stretch_rows ||
      CellsWith(state, slots) > kMaxStretchCells ||
      open.payload_bytes() >=
          std::min(options.stretch_bytes, options.budget_bytes / 8)) {
    SealOpen(false);
  }
  bool set_changed = false;
  if (state.rows == 0) {
    if (open.empty()) wire_stretch = life.last + 1;
    set_changed = CompleteRow(&life, &state, values);
  } else {
    ChangedRow(&state, values, changed);
    set_changed =
        !row.added.empty() || !row.returned.empty() || !row.gone.empty();
  }
  scratch_payload.clear();
  EncodeRow(row, &state.slots, &scratch_payload);
  if (row.complete) {
    // Once in a stretch as long as the page: not worth keeping.
    row = Row();
    Release(&scratch_values);
    scratch_payload.shrink_to_fit();
    Release(&state.pending);
  }
  state.pending.clear();
  if (set_changed) state.layout.reset();
  state.touched.clear();
  if (state.touched.capacity() > 1024) Release(&state.touched);
  const FrameName name{life.incarnation, life.last + 1};
  StoreRow(&state, source, name, time, scratch_payload);
  Trim();
  return name;
}

}  // namespace fodc::recorder
