// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/series_reader.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {

namespace {

// Of series of one pool, by name and labels.
struct TextHash {
  std::size_t operator()(const Series* s) const { return s->hash(); }
};
struct SameText {
  bool operator()(const Series* a, const Series* b) const {
    return a == b || (a->name() == b->name() && a->labels() == b->labels());
  }
};

}  // namespace

struct Snapshot::SeriesReader::Impl {
  static constexpr std::uint32_t kRefused = UINT32_MAX - 1;

  // A series that the filter took, in order of first appearance.
  struct Key {
    SeriesView view;
    std::uint32_t first_place = 0;
    std::uint32_t places = 0;
    std::uint64_t rows = 0;  // of all its places
    std::uint32_t last_window = UINT32_MAX;
  };
  // One section of one chunk.
  struct Window {
    std::shared_ptr<const Chunk> chunk;
    std::uint32_t index = 0;
    std::unique_ptr<const Section> open;  // null: opened when it is read
    ColumnDecoder::Cache cache;
  };
  // One section's column of a series.
  struct Place {
    std::uint32_t window = 0;
    Slot slot = 0;
  };
  struct Points {
    std::vector<std::int64_t> unix_ms;
    std::vector<double> values;
  };

  std::shared_ptr<const State> state;
  TimeRange range;
  std::vector<Window> windows;
  bool all_open = true;
  std::size_t open_bytes = 0;
  std::size_t all_bytes = 0;  // of all windows, were they open
  std::vector<Key> keys;
  std::vector<Place> places;  // by key, then in the order of the log
  std::size_t next = 0;
  int damaged = 0;
  Work work;
  // Whether the log is in the order of the wall clock, so that nothing need be
  // sorted.
  bool in_order = true;
  std::map<std::string_view, std::int64_t> newest_unix_ms;  // by source
  Points points;
  std::vector<double> column;
  // Series that were read together, where not all windows are open.
  std::unordered_map<std::uint32_t, Points> ahead;  // by key
  // Keys in the order of their families, and where each one is in it.
  std::vector<std::uint32_t> by_family;
  std::vector<std::uint32_t> rank;

  void Collect(const SeriesFilter& filter);
  void PlaceKeys(const std::vector<std::uint32_t>& key_of,
                 const std::vector<std::size_t>& first_slot);
  void LookAtOrder(std::string_view source, const Section& section);
  void ReadPlace(const Section& section, Slot slot, ColumnDecoder::Cache* cache,
                 Points* out);
  void SortByTime(Points* read) const;
  const Points& ReadKey(std::uint32_t key, bool sequential);
  void ReadAhead(std::uint32_t key, bool sequential);
  void OrderByFamily();
};

void Snapshot::SeriesReader::Impl::Collect(const SeriesFilter& filter) {
  constexpr std::uint32_t kUnseen = UINT32_MAX;
  std::vector<std::uint32_t> key_of;    // of each slot of each window
  std::vector<std::size_t> first_slot;  // of each window, in key_of
  // A series of one source is one series in all lives, and whatever its help
  // text was.
  std::map<std::string_view,
           std::unordered_map<const Series*, std::uint32_t, TextHash, SameText>>
      by_source;
  // The same by source and index in the table of the life at hand.
  std::map<SourceId, std::vector<std::uint32_t>> by_index;
  const State::LifeView* life = nullptr;
  for (const State::Part& part : state->Parts(range)) {
    if (part.life != life) {
      life = part.life;
      by_index.clear();
    }
    bool bad = false;
    for (std::size_t i = 0; i < part.chunk->sections().size(); ++i) {
      auto opened = part.chunk->Open(i);
      ++work.sections_opened;
      if (!opened.ok()) {
        bad = true;
        continue;
      }
      const Section& section = **opened;
      const SourceInfo& source = State::Source(*life, section.source());
      LookAtOrder(source.name, section);
      auto& keys_of_source = by_source[source.name];
      auto& keys_here = by_index[section.source()];
      keys_here.resize(life->table->ids.size(), kUnseen);
      first_slot.push_back(key_of.size());
      const auto here = static_cast<std::uint32_t>(windows.size());
      for (Slot s = 0; s < section.slots(); ++s) {
        const std::size_t at = life->table->Find(section.ids()[s]);
        std::uint32_t& key = key_of.emplace_back(kRefused);
        if (at == SeriesTable::kNone) continue;
        std::uint32_t& known = keys_here[at];
        if (known == kUnseen) {
          const Series* series = life->table->series[at].get();
          const auto [it, fresh] = keys_of_source.try_emplace(series, kRefused);
          if (fresh) {
            const SeriesView view{.series = series,
                                  .source_name = source.name,
                                  .container_name = source.container_name};
            if (filter == nullptr || filter(view)) {
              it->second = static_cast<std::uint32_t>(keys.size());
              keys.push_back({.view = view});
            }
          }
          known = it->second;
        }
        key = known;
        if (key == kRefused) continue;
        Key& k = keys[key];
        k.view.series = life->table->series[at].get();  // the newest one
        ++k.places;
        k.rows += section.rows();
        // One of two texts in a part of the rows each, in any order.
        in_order &= std::exchange(k.last_window, here) != here;
      }
      Window& window = windows.emplace_back();
      window.chunk = part.chunk;
      window.index = static_cast<std::uint32_t>(i);
      const std::size_t bytes = section.memory_bytes();
      all_bytes += bytes;
      work.peak_bytes = std::max(work.peak_bytes, open_bytes + bytes);
      if (open_bytes + bytes <= kMostOpenBytes) {
        open_bytes += bytes;
        window.open = *std::move(opened);
      } else {
        all_open = false;
      }
    }
    damaged += bad ? 1 : 0;
  }
  PlaceKeys(key_of, first_slot);
}

void Snapshot::SeriesReader::Impl::PlaceKeys(
    const std::vector<std::uint32_t>& key_of,
    const std::vector<std::size_t>& first_slot) {
  std::uint32_t at = 0;
  for (Key& k : keys) {
    k.first_place = at;
    at += k.places;
    k.places = 0;
  }
  places.resize(at);
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const std::size_t end =
        w + 1 < windows.size() ? first_slot[w + 1] : key_of.size();
    for (std::size_t i = first_slot[w]; i < end; ++i) {
      if (key_of[i] == kRefused) continue;
      Key& k = keys[key_of[i]];
      places[k.first_place + k.places++] = {
          static_cast<std::uint32_t>(w), static_cast<Slot>(i - first_slot[w])};
    }
  }
}

void Snapshot::SeriesReader::Impl::LookAtOrder(std::string_view source,
                                               const Section& section) {
  if (!in_order) return;
  std::int64_t& newest =
      newest_unix_ms.try_emplace(source, INT64_MIN).first->second;
  for (const FrameTime& t : section.times()) {
    in_order &= t.unix_ms >= newest;
    newest = t.unix_ms;
  }
}

// What was read at one and the same instant stays in the order of the log.
void Snapshot::SeriesReader::Impl::SortByTime(Points* read) const {
  std::vector<std::int64_t>& times = read->unix_ms;
  if (in_order || std::is_sorted(times.begin(), times.end())) return;
  std::vector<std::pair<std::int64_t, double>> pairs;
  pairs.reserve(times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    pairs.emplace_back(times[i], read->values[i]);
  }
  std::stable_sort(
      pairs.begin(), pairs.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::tie(times[i], read->values[i]) = pairs[i];
  }
}

void Snapshot::SeriesReader::Impl::ReadPlace(const Section& section, Slot slot,
                                             ColumnDecoder::Cache* cache,
                                             Points* out) {
  column.resize(section.rows());
  section.Decode(slot, column.data(), cache);
  ++work.columns_decoded;
  Section::Range whole;
  for (const Section::Range& r : section.Presence(slot, &whole)) {
    for (std::uint32_t row = r.from; row < r.to; ++row) {
      const std::int64_t t = section.times()[row].unix_ms;
      if (t < range.from_unix_ms || t > range.to_unix_ms) continue;
      out->unix_ms.push_back(t);
      out->values.push_back(column[row]);
    }
  }
}

const Snapshot::SeriesReader::Impl::Points&
Snapshot::SeriesReader::Impl::ReadKey(std::uint32_t key, bool sequential) {
  if (all_open) {
    points.unix_ms.clear();
    points.values.clear();
    const Key& k = keys[key];
    for (std::uint32_t p = 0; p < k.places; ++p) {
      const Place& place = places[k.first_place + p];
      Window& window = windows[place.window];
      ReadPlace(*window.open, place.slot, &window.cache, &points);
    }
    SortByTime(&points);
    return points;
  }
  auto found = ahead.find(key);
  if (found == ahead.end()) {
    ReadAhead(key, sequential);
    found = ahead.find(key);
  }
  return found->second;
}

// Reads `key` and those after it in one pass over the windows.
void Snapshot::SeriesReader::Impl::ReadAhead(std::uint32_t key,
                                             bool sequential) {
  if (!sequential && rank.empty()) OrderByFamily();
  struct Wanted {
    Place place;
    Points* out = nullptr;
  };
  constexpr std::size_t kPointBytes = sizeof(std::int64_t) + sizeof(double);
  const std::uint64_t most_rows =
      std::max(kAheadSamples, all_bytes / 8 / kPointBytes);
  std::vector<Wanted> wanted;
  ahead.clear();
  std::uint64_t rows = 0;
  for (std::size_t at = sequential ? key : rank[key]; at < keys.size(); ++at) {
    const auto now =
        sequential ? static_cast<std::uint32_t>(at) : by_family[at];
    const Key& k = keys[now];
    if (!ahead.empty() && rows + k.rows > most_rows) break;
    rows += k.rows;
    Points& out = ahead[now];  // stays where it is
    for (std::uint32_t p = 0; p < k.places; ++p) {
      wanted.push_back({places[k.first_place + p], &out});
    }
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return std::tie(a.place.window, a.place.slot) <
           std::tie(b.place.window, b.place.slot);
  });
  std::unique_ptr<const Section> opened;
  ColumnDecoder::Cache cache;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::uint32_t at = wanted[i].place.window;
    const Window& window = windows[at];
    const bool fresh = i == 0 || wanted[i - 1].place.window != at;
    if (fresh) cache = {};
    if (fresh && window.open == nullptr) {
      opened.reset();
      auto again = window.chunk->Open(window.index);
      ++work.sections_opened;
      FODC_CHECK(again.ok());  // as it was before
      opened = *std::move(again);
      work.peak_bytes =
          std::max(work.peak_bytes,
                   open_bytes + opened->memory_bytes() + rows * kPointBytes);
    }
    ReadPlace(window.open != nullptr ? *window.open : *opened,
              wanted[i].place.slot, &cache, wanted[i].out);
  }
  for (auto& [k, read] : ahead) SortByTime(&read);
}

void Snapshot::SeriesReader::Impl::OrderByFamily() {
  by_family.resize(keys.size());
  std::iota(by_family.begin(), by_family.end(), 0u);
  std::stable_sort(by_family.begin(), by_family.end(),
                   [this](std::uint32_t a, std::uint32_t b) {
                     return keys[a].view.series->family() <
                            keys[b].view.series->family();
                   });
  rank.resize(keys.size());
  for (std::uint32_t i = 0; i < rank.size(); ++i) rank[by_family[i]] = i;
}

Snapshot::SeriesReader::SeriesReader(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
Snapshot::SeriesReader::~SeriesReader() = default;

std::size_t Snapshot::SeriesReader::size() const { return impl_->keys.size(); }

SeriesView Snapshot::SeriesReader::series(std::size_t i) const {
  return impl_->keys[i].view;
}

void Snapshot::SeriesReader::Read(std::size_t i,
                                  std::span<const std::int64_t>* unix_ms,
                                  std::span<const double>* values) {
  const Impl::Points& read =
      impl_->ReadKey(static_cast<std::uint32_t>(i), false);
  *unix_ms = read.unix_ms;
  *values = read.values;
}

bool Snapshot::SeriesReader::Next(SeriesView* series,
                                  std::span<const std::int64_t>* unix_ms,
                                  std::span<const double>* values) {
  Impl& s = *impl_;
  while (s.next < s.keys.size()) {
    const std::size_t i = s.next++;
    const Impl::Points& read = s.ReadKey(static_cast<std::uint32_t>(i), true);
    if (read.values.empty()) continue;
    *unix_ms = read.unix_ms;
    *values = read.values;
    *series = s.keys[i].view;
    return true;
  }
  return false;
}

int Snapshot::SeriesReader::damaged() const { return impl_->damaged; }

const Snapshot::SeriesReader::Work& Snapshot::SeriesReader::work() const {
  return impl_->work;
}

std::unique_ptr<Snapshot::SeriesReader> Snapshot::OpenSeriesReader(
    TimeRange range, const SeriesFilter& filter) const {
  auto impl = std::make_unique<SeriesReader::Impl>();
  impl->state = state_;
  impl->range = range;
  impl->Collect(filter);
  return std::unique_ptr<SeriesReader>(new SeriesReader(std::move(impl)));
}

}  // namespace fodc::recorder
