// SPDX-License-Identifier: Apache-2.0
// The mirroring owner's half of a recording. The entries come from the network
// or a disk: untrusted.
#include <algorithm>
#include <variant>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {
namespace {

constexpr std::size_t kMaxSources = 4096;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxTextBytes = 64 * 1024;
// Of one in a life's table, its name and labels not included.
constexpr std::size_t kSeriesBytes =
    sizeof(SeriesId) + sizeof(SeriesRef) + sizeof(std::uint32_t);
constexpr std::int64_t kMaxTimeMs = std::int64_t{1} << 52;

bool IsSane(FrameTime t) {
  return t.unix_ms > -kMaxTimeMs && t.unix_ms < kMaxTimeMs &&
         t.monotonic_ms > -kMaxTimeMs && t.monotonic_ms < kMaxTimeMs;
}

Status UnknownSeries(const Life& life, std::string_view what, SeriesId id) {
  std::string text = StrCat(what, " refers to unknown series ", id);
  return life.refused_series ? ResourceExhausted(std::move(text))
                             : InvalidArgument(std::move(text));
}

}  // namespace

Status Recording::Impl::Apply(const LogEntry& entry) {
  if (const auto* e = std::get_if<SourceEntry>(&entry)) return ApplySource(*e);
  if (const auto* e = std::get_if<SeriesEntry>(&entry)) return ApplySeries(*e);
  if (const auto* e = std::get_if<RowEntry>(&entry)) return ApplyRowEntry(*e);
  return ApplyChunk(std::get<ChunkEntry>(entry));
}

void Recording::Impl::Follow(Incarnation incarnation) {
  current = incarnation;
  Life* life = FindLife(incarnation);
  if (life == nullptr || life == &lives.back()) return;
  for (const HeldChunk& c : life->chunks) {
    sealed_bytes -= c.chunk->memory_bytes();
    sealed_samples -= c.chunk->samples();
    evicted_samples += c.chunk->samples();
    --chunk_count;
  }
  std::erase_if(lives,
                [=](const Life& l) { return l.incarnation == incarnation; });
}

// The life that an entry belongs to: the newest, a new one, or an older one of
// which everything is skipped.
Result<Life*> Recording::Impl::LifeFor(Incarnation incarnation) {
  if (incarnation == 0) return InvalidArgument("incarnation 0");
  if (appending) return FailedPrecondition("the recording writes its own log");
  if (Life* life = FindLife(incarnation); life != nullptr) return life;
  if (current != 0 && incarnation != current && FindLife(current) != nullptr) {
    return OutOfRange("frames of a life that has ended");
  }
  return &BeginLife(incarnation);
}

Status Recording::Impl::ApplySource(const SourceEntry& entry) {
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.incarnation));
  if (entry.name.size() > kMaxNameBytes ||
      entry.container_name.size() > kMaxNameBytes) {
    return InvalidArgument("name of a source is too long");
  }
  const auto found = life->sources->find(entry.source);
  if (found != life->sources->end() && found->second.name == entry.name &&
      found->second.container_name == entry.container_name) {
    return OkStatus();
  }
  if (found == life->sources->end() && life->sources->size() >= kMaxSources) {
    return ResourceExhausted(StrCat("more than ", kMaxSources, " sources"));
  }
  SourceInfo& info = (*life->MutableSources())[entry.source];
  info.name = entry.name;
  info.container_name = entry.container_name;
  ++info.version;
  Trim();
  return OkStatus();
}

Status Recording::Impl::ApplySeries(const SeriesEntry& entry) {
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.incarnation));
  if (entry.name.size() > kMaxTextBytes ||
      entry.labels.size() > kMaxTextBytes ||
      entry.family.size() > kMaxTextBytes ||
      entry.help.size() > kMaxTextBytes || entry.unit.size() > kMaxNameBytes) {
    return InvalidArgument(StrCat("text of series ", entry.id, " is too long"));
  }
  if (entry.type > exposition::MetricType::kStateSet) {
    return InvalidArgument(StrCat("series ", entry.id, " is of unknown type"));
  }
  SeriesRef series = options.pool->Intern(entry);
  const std::size_t known = life->table->Find(entry.id);
  if (known != SeriesTable::kNone) {
    if (life->table->series[known] != series) {
      return InvalidArgument(
          StrCat("series ", entry.id, " was another series before"));
    }
    life->last_used[known] = open_ordinal;
    return OkStatus();
  }
  const std::size_t n = life->table->ids.size();
  // Once some were refused, no more is tried than surely fits: trying is dear.
  const std::size_t growth = (n / 4 + 64) * kSeriesBytes;
  if (life->refused_series && MemoryBytes() + growth > options.budget_bytes) {
    return ResourceExhausted("no room for more series");
  }
  SeriesTable* table = life->MutableTable();
  table->Reserve(n + 1);
  ReserveFrugally(&life->last_used, n + 1);
  // Ids come in order of first appearance, but one that was forgotten here may
  // come again.
  const auto at =
      std::lower_bound(table->ids.begin(), table->ids.end(), entry.id) -
      table->ids.begin();
  table->ids.insert(table->ids.begin() + at, entry.id);
  table->series.insert(table->series.begin() + at, std::move(series));
  life->last_used.insert(life->last_used.begin() + at, open_ordinal);
  Trim();
  // An older life may have gone with its last chunk, and its series with it.
  life = FindLife(entry.incarnation);
  if (life != nullptr && MemoryBytes() > options.budget_bytes) {
    table = life->MutableTable();
    const std::size_t mine = table->Find(entry.id);
    if (mine != SeriesTable::kNone) {
      const auto offset = static_cast<long>(mine);
      table->ids.erase(table->ids.begin() + offset);
      table->series.erase(table->series.begin() + offset);
      life->last_used.erase(life->last_used.begin() + offset);
    }
    table->ids.shrink_to_fit();
    table->series.shrink_to_fit();
    life->last_used.shrink_to_fit();
    life->refused_series = true;
    return ResourceExhausted("no room for more series");
  }
  return OkStatus();
}

Status Recording::Impl::CheckOrder(const Life& life, Sequence first) {
  if (&life != &lives.back()) {
    return OutOfRange("frames of a life that has ended");
  }
  if (life.last == 0 || first == life.last + 1 || gap_accepted) {
    return OkStatus();
  }
  return OutOfRange(StrCat("frame ", first, " follows ", life.last));
}

Status Recording::Impl::ApplyRowEntry(const RowEntry& entry) {
  Status status = TakeRow(entry);
  if (!status.ok()) row = Row();  // may be as long as the page
  return status;
}

Status Recording::Impl::TakeRow(const RowEntry& entry) {
  const Sequence sequence = entry.name.sequence;
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.name.incarnation));
  if (sequence == 0 || entry.stretch == 0 || entry.stretch > sequence) {
    return InvalidArgument(
        StrCat("frame ", sequence, " of stretch ", entry.stretch));
  }
  if (sequence <= life->last) return OkStatus();  // held already
  FODC_RETURN_IF_ERROR(CheckOrder(*life, sequence));
  if (life->sources->find(entry.source) == life->sources->end()) {
    return InvalidArgument(StrCat("unknown source ", entry.source));
  }
  if (!IsSane(entry.time)) return InvalidArgument("time out of range");

  const bool new_states = states_of != life->incarnation;
  const bool new_stretch = new_states || entry.stretch != wire_stretch;
  const auto found = states.find(entry.source);
  static const SlotState kNothing;
  const bool continues =
      !new_stretch && found != states.end() && found->second.in_stretch;
  const bool gap = life->last != 0 && sequence != life->last + 1;
  if (!continues || gap) {
    // Without the frames that it builds on it cannot even be read.
    FODC_RETURN_IF_ERROR(DecodeRowSeries(entry.payload, &row)
                             .WithContext(StrCat("frame ", sequence)));
    if (!row.complete) {
      return OutOfRange(
          StrCat("frame ", sequence, " builds on a frame that is not held"));
    }
  }
  FODC_RETURN_IF_ERROR(
      DecodeRow(entry.payload, continues ? found->second.slots : kNothing, &row)
          .WithContext(StrCat("frame ", sequence)));
  if (row.complete && continues) {
    return DataLoss(StrCat("frame ", sequence, " is complete again"));
  }
  const std::size_t slots =
      row.added.size() + (continues ? found->second.slots.size() : 0);
  if (slots > kMaxSlots) return ResourceExhausted("too many series");
  std::size_t active = row.added.size() + row.returned.size() - row.gone.size();
  for (const auto& [id, s] : states) {
    if (id != entry.source || continues) active += s.slots.active;
  }
  // Refused only when it grows: what came before may be more.
  if (!new_states && !row.added.empty() && active > options.max_series) {
    return ResourceExhausted(
        StrCat("more than ", options.max_series, " active series"));
  }
  for (const SeriesId id : row.added) {
    if (life->table->Find(id) == SeriesTable::kNone) {
      return UnknownSeries(*life, StrCat("frame ", sequence), id);
    }
  }

  // Nothing fails from here on.
  if (new_stretch || gap) {
    SealOpen(!new_stretch);
    for (auto& [id, s] : states) {
      s.in_stretch = false;
      s.stored.reset();
    }
  }
  gap_accepted = false;
  if (new_states) {
    states.clear();
    states_of = life->incarnation;
  }
  wire_stretch = entry.stretch;
  SourceState& state = states[entry.source];
  const std::size_t cells =
      (state.rows + std::size_t{1}) * std::max<std::size_t>(slots, 1);
  if (state.rows >= kMaxStretchRows || cells > kMaxStretchCells ||
      open.payload_bytes() >= options.budget_bytes / 4) {
    SealOpen(true);
  }
  const bool layout_changed = row.complete || !row.added.empty() ||
                              !row.returned.empty() || !row.gone.empty();
  if (layout_changed && state.layout != nullptr) {
    std::vector<SeriesId> before;
    for (std::size_t i = 0; row.complete && i < state.slots.size(); ++i) {
      if (state.slots.present[i] != 0) before.push_back(state.slots.ids[i]);
    }
    if (!row.complete || !row.gone.empty() || before != row.added) {
      state.layout.reset();
    }
  }
  for (const SeriesId id : row.added) Touch(life, id);
  if (row.complete) {
    state.slots = SlotState();
    state.slots.ids.reserve(row.added.size());
    state.slots.values.reserve(row.added.size());
    state.slots.exponents.reserve(row.added.size());
    state.slots.present.reserve(row.added.size());
  }
  ApplyRow(row, &state.slots);
  state.in_stretch = true;
  FrameTime time = entry.time;
  time.monotonic_ms = std::max(time.monotonic_ms, newest_monotonic_ms);
  std::string_view payload = entry.payload;
  if (state.stored != nullptr) {
    // Sealed here in the middle of the sender's stretch: the row is stored on
    // top of what this stretch has.
    if (state.rows == 0) {
      row.Clear();
      row.complete = true;
      row.added = state.slots.ids;
      for (Slot s = 0; s < state.slots.size(); ++s) {
        if (state.slots.present[s] == 0) row.gone.push_back(s);
        if (BitsOf(state.slots.values[s]) != 0) {
          row.changes.push_back(
              {s, state.slots.exponents[s], state.slots.values[s]});
        }
      }
    }
    scratch_payload.clear();
    EncodeRow(row, state.stored.get(), &scratch_payload);
    payload = scratch_payload;
  }
  StoreRow(&state, entry.source, entry.name, time, payload);
  if (row.complete) row = Row();  // as long as the page: not worth keeping
  Trim();
  return OkStatus();
}

Status Recording::Impl::CheckChunk(const Life& life, const Chunk& chunk) {
  for (std::size_t i = 0; i < chunk.sections().size(); ++i) {
    const SourceId source = chunk.sections()[i].source;
    if (life.sources->find(source) == life.sources->end()) {
      return InvalidArgument(StrCat("unknown source ", source));
    }
    FODC_ASSIGN_OR_RETURN(const auto section, chunk.Open(i));
    for (const SeriesId id : section->ids()) {
      if (life.table->Find(id) == SeriesTable::kNone) {
        return UnknownSeries(life, "chunk", id);
      }
    }
  }
  if (!IsSane({chunk.from_monotonic_ms(), chunk.min_unix_ms()}) ||
      !IsSane({chunk.to_monotonic_ms(), chunk.max_unix_ms()})) {
    return InvalidArgument("time out of range");
  }
  return OkStatus();
}

Status Recording::Impl::ApplyChunk(const ChunkEntry& entry) {
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.incarnation));
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
  FODC_RETURN_IF_ERROR(CheckChunk(*life, *chunk));

  // What the chunk covers goes: rows, and chunks sealed here meanwhile. What
  // only reaches into it stays whole, and the chunk is taken from there on.
  if (!open.empty() && open.first() < chunk->first()) SealOpen(false);
  Sequence held = 0;
  for (const HeldChunk& c : life->chunks) {
    if (c.chunk->first() < chunk->first()) held = c.chunk->last();
  }
  if (held >= chunk->first()) {
    return DataLoss(StrCat("chunk from ", chunk->first(),
                           " overlaps frames held until ", held));
  }
  while (!life->chunks.empty() &&
         life->chunks.back().chunk->first() >= chunk->first()) {
    const HeldChunk old = life->chunks.back();
    life->chunks.pop_back();
    sealed_bytes -= old.chunk->memory_bytes();
    sealed_samples -= old.chunk->samples();
    appended_samples -= old.chunk->samples();
    --chunk_count;
  }
  appended_samples -= open_samples;
  open.Clear();
  open_samples = 0;
  gap_accepted = false;
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
  for (std::size_t i = 0; i < chunk->sections().size(); ++i) {
    const auto section = chunk->Open(i);
    FODC_CHECK(section.ok());
    AdoptNewest(life, **section, ordinal);
  }
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
  newest_unix_ms = state.time.unix_ms;
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
