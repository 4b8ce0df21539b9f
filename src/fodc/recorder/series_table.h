// SPDX-License-Identifier: Apache-2.0
// The series of one life by their ids. For this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fodc/recorder/log_entry.h"
#include "fodc/recorder/row_codec.h"
#include "fodc/recorder/series.h"

namespace fodc::recorder {

// What defines a series in a log.
SeriesEntry EntryOf(Incarnation incarnation, SeriesId id, const Series& series);

// Ids and their series: two runs of ascending ids, of which no id of one is in
// the other. Shared with snapshots: copied before it is changed while one is
// alive.
struct SeriesTable {
  static constexpr std::size_t kNone = SIZE_MAX;

  std::vector<SeriesId> ids;
  std::vector<SeriesRef> series;
  std::size_t first_run = 0;  // its size; all others are the second

  std::size_t Find(SeriesId id) const;  // index, or kNone
  const Series* Get(SeriesId id) const;
  void Reserve(std::size_t n);
  std::size_t bytes() const;
};

// For the appending owner: from a series of a source to its id and its slot in
// the open stretch. Refers to a table by index, so it is rebuilt when series
// are forgotten.
class SeriesIndex {
 public:
  static constexpr std::size_t kNone = SIZE_MAX;

  // Index into `table`, or kNone.
  std::size_t Find(const SeriesTable& table, SourceId source,
                   const Series* series) const;
  // The series appended to `table` last.
  void Add(const SeriesTable& table, SourceId source);
  Slot slot(std::size_t index) const { return slots_[index]; }
  void set_slot(std::size_t index, Slot slot) { slots_[index] = slot; }
  // `keep`: which entries of the table before are in `table` now.
  void Rebuild(const SeriesTable& table, const std::vector<bool>& keep);
  void Reserve(std::size_t n);
  std::size_t bytes() const;

 private:
  static std::uint64_t Hash(SourceId source, const Series* series);
  void Rehash(const SeriesTable& table, std::size_t capacity);

  std::vector<SourceId> sources_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> places_;  // 1 + index, or 0
  std::size_t mask_ = 0;
};

// Grows by an eighth instead of doubling: what is held is counted.
template <typename T>
void ReserveFrugally(std::vector<T>* v, std::size_t n) {
  if (n > v->capacity()) v->reserve(n + n / 8 + 8);
}

// Unlike `*v = {}`, gives the memory back.
template <typename T>
void Release(std::vector<T>* v) {
  *v = std::vector<T>();
}

}  // namespace fodc::recorder
