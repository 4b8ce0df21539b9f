// SPDX-License-Identifier: Apache-2.0
// The mirroring owner's half of a recording: what defines, and rows. The
// entries come from the network or a disk: untrusted.
#include <algorithm>
#include <optional>
#include <variant>

#include "fodc/base/strings.h"
#include "fodc/exposition/names.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/chunk_format.h"
#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {
namespace {

constexpr std::size_t kMaxSources = 1024;
// Series that came and went within a stretch keep their slots.
constexpr std::size_t kSpareSlots = 65'536;
// Of one in a life's table, its name and labels not included.
constexpr std::size_t kSeriesBytes =
    sizeof(SeriesId) + sizeof(SeriesRef) + 2 * sizeof(std::uint32_t);
// Rows of one stretch, of any budget: their chunk can be read again.
constexpr std::size_t kMaxOpenBytes = kMaxChunkBytes / 4;

// Whether `added` names a series twice or one that has a slot already.
bool AddsTwice(std::vector<SeriesId> added,
               const std::vector<SeriesId>& slots) {
  if (added.empty()) return false;
  if (!std::is_sorted(added.begin(), added.end())) {
    std::sort(added.begin(), added.end());
  }
  if (std::adjacent_find(added.begin(), added.end()) != added.end()) {
    return true;
  }
  // New ids are mostly beyond all others.
  return std::any_of(slots.begin(), slots.end(), [&](SeriesId id) {
    return id >= added.front() && id <= added.back() &&
           std::binary_search(added.begin(), added.end(), id);
  });
}

}  // namespace

bool IsSane(FrameTime t) {
  constexpr std::int64_t kMaxTimeMs = std::int64_t{1} << 52;
  return t.unix_ms > -kMaxTimeMs && t.unix_ms < kMaxTimeMs &&
         t.monotonic_ms > -kMaxTimeMs && t.monotonic_ms < kMaxTimeMs;
}

Status UnknownSeries(const Life& life, std::string_view what, SeriesId id) {
  std::string text = StrCat(what, " refers to unknown series ", id);
  return life.refused_series ? ResourceExhausted(std::move(text))
                             : InvalidArgument(std::move(text));
}

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
    SubtractChunk(*c.chunk);
    evicted_samples += c.chunk->samples();
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

// Frames refer to a source of their life, so they never begin one.
Result<Life*> Recording::Impl::KnownLife(Incarnation incarnation) {
  if (incarnation != 0 && !appending && FindLife(incarnation) == nullptr) {
    if (incarnation == current) {
      return InvalidArgument("frames came before any source");
    }
    return OutOfRange(StrCat("frames of unknown incarnation ", incarnation));
  }
  return LifeFor(incarnation);
}

Status Recording::Impl::ApplySource(const SourceEntry& entry) {
  if (entry.name.size() > kMaxSourceTextBytes ||
      entry.container_name.size() > kMaxSourceTextBytes) {
    return InvalidArgument("name of a source is too long");
  }
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.incarnation));
  const auto found = life->sources->find(entry.source);
  if (found != life->sources->end() && found->second.name == entry.name &&
      found->second.container_name == entry.container_name) {
    return OkStatus();
  }
  if (found == life->sources->end() && life->sources->size() >= kMaxSources) {
    return ResourceExhausted(StrCat("more than ", kMaxSources, " sources"));
  }
  const std::optional<SourceInfo> before = found == life->sources->end()
                                               ? std::nullopt
                                               : std::optional(found->second);
  SourceInfo& info = (*life->MutableSources())[entry.source];
  info.name = entry.name;
  info.container_name = entry.container_name;
  ++info.version;
  Trim();
  life = FindLife(entry.incarnation);
  if (life != nullptr && MemoryBytes() > options.budget_bytes) {
    SourceMap* sources = life->MutableSources();
    if (before.has_value()) {
      (*sources)[entry.source] = *before;
    } else {
      sources->erase(entry.source);
    }
    return ResourceExhausted("no room for more sources");
  }
  return OkStatus();
}

Status Recording::Impl::ApplySeries(const SeriesEntry& entry) {
  if (entry.name.size() > kMaxNameBytes ||
      entry.labels.size() > kMaxLabelsBytes ||
      entry.family.size() > kMaxNameBytes ||
      entry.help.size() > kMaxHelpBytes || entry.unit.size() > kMaxUnitBytes) {
    return InvalidArgument(StrCat("text of series ", entry.id, " is too long"));
  }
  // Pages are written from this text as it is.
  if (!exposition::IsMetricName(entry.name) ||
      !exposition::IsMetricName(entry.family) ||
      !exposition::IsCanonicalLabels(entry.labels) ||
      !exposition::IsUnit(entry.unit) || !IsValidUtf8(entry.help)) {
    return InvalidArgument(
        StrCat("series ", entry.id, " has an illegal name, label or unit"));
  }
  if (entry.type > exposition::MetricType::kStateSet) {
    return InvalidArgument(StrCat("series ", entry.id, " is of unknown type"));
  }
  FODC_ASSIGN_OR_RETURN(Life * life, LifeFor(entry.incarnation));
  std::size_t made_bytes = 0;
  SeriesRef series = options.pool->Intern(entry, &made_bytes);
  const std::size_t known = life->table->Find(entry.id);
  if (known != SeriesTable::kNone) {
    if (life->table->series[known] != series) {
      return InvalidArgument(
          StrCat("series ", entry.id, " was another series before"));
    }
    life->last_used[known] = open_ordinal;
    return OkStatus();
  }
  // Once some were refused, no more is tried than surely fits: trying is dear.
  const std::size_t growth = (life->table->ids.size() / 4 + 64) * kSeriesBytes;
  if (life->refused_series && MemoryBytes() + growth > options.budget_bytes) {
    return ResourceExhausted("no room for more series");
  }
  life->AddSeries(entry.id, std::move(series), open_ordinal,
                  owns_pool ? 0 : made_bytes);
  Trim();
  // An older life may have gone with its last chunk, and its series with it.
  life = FindLife(entry.incarnation);
  if (life != nullptr && MemoryBytes() > options.budget_bytes) {
    life->DropSeries(entry.id);
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
  FODC_ASSIGN_OR_RETURN(Life * life, KnownLife(entry.name.incarnation));
  if (sequence == 0 || sequence > kMaxSequence || entry.stretch == 0 ||
      entry.stretch > sequence) {
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
  std::size_t active = row.added.size() + row.returned.size() - row.gone.size();
  std::size_t all_slots = slots;
  for (const auto& [id, s] : states) {
    if (new_states) break;  // of the life before
    if (id != entry.source || continues) active += s.slots.active;
    if (id != entry.source && !new_stretch) all_slots += s.slots.size();
  }
  // Refused only when it grows: what came before may be more.
  if (!row.added.empty() &&
      all_slots > std::min(kMaxSlots, options.max_series * 2 + kSpareSlots)) {
    return ResourceExhausted(
        StrCat("more than ", options.max_series, " series in a stretch"));
  }
  if (!row.added.empty() && active > options.max_series) {
    return ResourceExhausted(
        StrCat("more than ", options.max_series, " active series"));
  }
  for (const SeriesId id : row.added) {
    if (life->table->Find(id) == SeriesTable::kNone) {
      return UnknownSeries(*life, StrCat("frame ", sequence), id);
    }
  }
  if (AddsTwice(row.added, continues ? found->second.slots.ids
                                     : std::vector<SeriesId>())) {
    return DataLoss(StrCat("frame ", sequence, " adds a series twice"));
  }

  // Nothing fails from here on.
  if (new_stretch || gap) {
    SealOpen(!new_stretch);
    for (auto& [id, s] : states) {
      s.in_stretch = false;
      s.stored.reset();
    }
  }
  if (new_states) {
    states.clear();
    states_of = life->incarnation;
  }
  wire_stretch = entry.stretch;
  SourceState& state = states[entry.source];
  // The sender decides where a stretch ends, but what it leaves open is bound
  // by what one chunk can take, whatever the budget.
  const std::size_t most_bytes = std::min(
      {options.budget_bytes / 4, options.stretch_bytes * 16, kMaxOpenBytes});
  if (state.rows >= kMaxStretchRows ||
      CellsWith(state, slots) > kMaxStretchCells ||
      open.payload_bytes() + entry.payload.size() > most_bytes) {
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

}  // namespace fodc::recorder
