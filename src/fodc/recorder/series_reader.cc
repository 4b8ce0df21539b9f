// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/series_reader.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {

struct Snapshot::SeriesReader::Impl {
  // A series that the filter took, in order of first appearance.
  struct Key {
    SeriesView view;
    std::uint32_t first_place = 0;
    std::uint32_t places = 0;
  };
  // One section's column of a series.
  struct Place {
    std::uint32_t section = 0;
    Slot slot = 0;
  };

  std::shared_ptr<const State> state;
  TimeRange range;
  std::vector<std::unique_ptr<const Section>> sections;
  std::vector<ColumnDecoder::Cache> caches;
  std::vector<Key> keys;
  std::vector<Place> places;  // by key, then in the order of the log
  std::size_t next = 0;
  int damaged = 0;
  // Whether the log is in the order of the wall clock, so that nothing need be
  // sorted.
  bool in_order = true;
  std::map<std::string_view, std::int64_t> newest_unix_ms;  // by source
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<double> column;

  void Collect(const SeriesFilter& filter);
  void LookAtOrder(std::string_view source, const Section& section);
  void ReadPlace(const Place& place);
  void SortByTime();
};

void Snapshot::SeriesReader::Impl::Collect(const SeriesFilter& filter) {
  constexpr std::uint32_t kUnseen = UINT32_MAX;
  constexpr std::uint32_t kRefused = UINT32_MAX - 1;
  struct Found {
    std::uint32_t key;
    Place place;
  };
  std::vector<Found> found;
  // A series of one source is one series in all lives.
  std::map<std::string_view, std::unordered_map<const Series*, std::uint32_t>>
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
      const auto section_at = static_cast<std::uint32_t>(sections.size());
      for (Slot s = 0; s < section.slots(); ++s) {
        const std::size_t at = life->table->Find(section.ids()[s]);
        if (at == SeriesTable::kNone) continue;
        std::uint32_t& key = keys_here[at];
        if (key == kUnseen) {
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
          key = it->second;
        }
        if (key == kRefused) continue;
        found.push_back({key, {section_at, s}});
        ++keys[key].places;
      }
      sections.push_back(*std::move(opened));
    }
    damaged += bad ? 1 : 0;
  }
  caches.resize(sections.size());
  std::uint32_t at = 0;
  for (Key& k : keys) {
    k.first_place = at;
    at += k.places;
    k.places = 0;
  }
  places.resize(found.size());
  for (const Found& f : found) {
    Key& k = keys[f.key];
    places[k.first_place + k.places++] = f.place;
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
void Snapshot::SeriesReader::Impl::SortByTime() {
  if (in_order || std::is_sorted(times.begin(), times.end())) return;
  std::vector<std::pair<std::int64_t, double>> points;
  points.reserve(times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    points.emplace_back(times[i], values[i]);
  }
  std::stable_sort(
      points.begin(), points.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::tie(times[i], values[i]) = points[i];
  }
}

void Snapshot::SeriesReader::Impl::ReadPlace(const Place& place) {
  const Section& section = *sections[place.section];
  column.resize(section.rows());
  section.Decode(place.slot, column.data(), &caches[place.section]);
  Section::Range whole;
  for (const Section::Range& r : section.Presence(place.slot, &whole)) {
    for (std::uint32_t row = r.from; row < r.to; ++row) {
      const std::int64_t t = section.times()[row].unix_ms;
      if (t < range.from_unix_ms || t > range.to_unix_ms) continue;
      times.push_back(t);
      values.push_back(column[row]);
    }
  }
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
  Impl& s = *impl_;
  const Impl::Key& key = s.keys[i];
  s.times.clear();
  s.values.clear();
  for (std::uint32_t p = 0; p < key.places; ++p) {
    s.ReadPlace(s.places[key.first_place + p]);
  }
  s.SortByTime();
  *unix_ms = s.times;
  *values = s.values;
}

bool Snapshot::SeriesReader::Next(SeriesView* series,
                                  std::span<const std::int64_t>* unix_ms,
                                  std::span<const double>* values) {
  Impl& s = *impl_;
  while (s.next < s.keys.size()) {
    const std::size_t i = s.next++;
    Read(i, unix_ms, values);
    if (values->empty()) continue;
    *series = s.keys[i].view;
    return true;
  }
  return false;
}

int Snapshot::SeriesReader::damaged() const { return impl_->damaged; }

std::unique_ptr<Snapshot::SeriesReader> Snapshot::OpenSeriesReader(
    TimeRange range, SeriesFilter filter) const {
  auto impl = std::make_unique<SeriesReader::Impl>();
  impl->state = state_;
  impl->range = range;
  impl->Collect(filter);
  return std::unique_ptr<SeriesReader>(new SeriesReader(std::move(impl)));
}

}  // namespace fodc::recorder
