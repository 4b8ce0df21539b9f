// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/series_table.h"

#include <algorithm>
#include <bit>

namespace fodc::recorder {

SeriesEntry EntryOf(Incarnation incarnation, SeriesId id,
                    const Series& series) {
  return {.incarnation = incarnation,
          .id = id,
          .name = std::string(series.name()),
          .labels = std::string(series.labels()),
          .family = std::string(series.family()),
          .type = series.type(),
          .help = std::string(series.help()),
          .unit = std::string(series.unit())};
}

std::size_t SeriesTable::Find(SeriesId id) const {
  const auto second = ids.begin() + static_cast<std::ptrdiff_t>(first_run);
  // Ids mostly come in ascending order: then one run is behind the other.
  auto at = std::lower_bound(second, ids.end(), id);
  if (at != ids.end() && *at == id) {
    return static_cast<std::size_t>(at - ids.begin());
  }
  at = std::lower_bound(ids.begin(), second, id);
  if (at == second || *at != id) return kNone;
  return static_cast<std::size_t>(at - ids.begin());
}

const Series* SeriesTable::Get(SeriesId id) const {
  const std::size_t i = Find(id);
  return i == kNone ? nullptr : series[i].get();
}

void SeriesTable::Reserve(std::size_t n) {
  ReserveFrugally(&ids, n);
  ReserveFrugally(&series, n);
}

std::size_t SeriesTable::bytes() const {
  return sizeof *this + ids.capacity() * sizeof(SeriesId) +
         series.capacity() * sizeof(SeriesRef);
}

std::uint64_t SeriesIndex::Hash(SourceId source, const Series* series) {
  return series->hash() + source * std::uint64_t{0x9e3779b97f4a7c15};
}

std::size_t SeriesIndex::Find(const SeriesTable& table, SourceId source,
                              const Series* series) const {
  if (places_.empty()) return kNone;
  for (std::size_t i = Hash(source, series) & mask_; places_[i] != 0;
       i = (i + 1) & mask_) {
    const std::size_t at = places_[i] - 1;
    if (table.series[at].get() == series && sources_[at] == source) return at;
  }
  return kNone;
}

void SeriesIndex::Add(const SeriesTable& table, SourceId source) {
  sources_.push_back(source);
  slots_.push_back(kNoSlot);
  if (sources_.size() * 5 > places_.size() * 4) {
    return Rehash(table, std::max<std::size_t>(16, places_.size() * 2));
  }
  const std::size_t at = sources_.size() - 1;
  std::size_t i = Hash(source, table.series[at].get()) & mask_;
  while (places_[i] != 0) i = (i + 1) & mask_;
  places_[i] = static_cast<std::uint32_t>(at + 1);
}

void SeriesIndex::Rehash(const SeriesTable& table, std::size_t capacity) {
  places_ = std::vector<std::uint32_t>(capacity);
  mask_ = capacity - 1;
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    std::size_t i = Hash(sources_[at], table.series[at].get()) & mask_;
    while (places_[i] != 0) i = (i + 1) & mask_;
    places_[i] = static_cast<std::uint32_t>(at + 1);
  }
}

void SeriesIndex::Rebuild(const SeriesTable& table,
                          const std::vector<bool>& keep) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) continue;
    sources_[n] = sources_[i];
    slots_[n++] = slots_[i];
  }
  sources_.resize(n);
  slots_.resize(n);
  sources_.shrink_to_fit();
  slots_.shrink_to_fit();
  Rehash(table, std::bit_ceil(std::max<std::size_t>(16, n * 5 / 4 + 1)));
}

void SeriesIndex::Reserve(std::size_t n) {
  ReserveFrugally(&sources_, n);
  ReserveFrugally(&slots_, n);
}

std::size_t SeriesIndex::bytes() const {
  return sources_.capacity() * sizeof(SourceId) +
         slots_.capacity() * sizeof(Slot) +
         places_.capacity() * sizeof(std::uint32_t);
}

}  // namespace fodc::recorder
