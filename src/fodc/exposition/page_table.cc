// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace fodc::exposition {
namespace {

template <typename T>
void Regrow(T** data, std::size_t used, std::size_t capacity) {
  T* grown = new T[capacity];
  if (used > 0) std::copy(*data, *data + used, grown);
  delete[] * data;
  *data = grown;
}

}  // namespace

PageTable::~PageTable() {
  delete[] rows;
  delete[] values;
  delete[] hashes;
}

void PageTable::Clear() {
  row_count = 0;
  sample_count = 0;
  rest_lines = 0;
}

void PageTable::ReserveRows(std::size_t count) {
  if (count + 1 <= row_capacity) return;
  const std::size_t capacity =
      std::max({count + 1, row_capacity + row_capacity / 2, std::size_t{64}});
  Regrow(&rows, row_count, capacity);
  row_capacity = capacity;
}

void PageTable::ReserveSamples(std::size_t count) {
  if (count <= sample_capacity) return;
  const std::size_t capacity =
      std::max({count, sample_capacity + sample_capacity / 2, std::size_t{64}});
  Regrow(&values, sample_count, capacity);
  Regrow(&hashes, sample_count, capacity);
  sample_capacity = capacity;
}

void PageTable::Swap(PageTable* other) {
  std::swap(rows, other->rows);
  std::swap(row_count, other->row_count);
  std::swap(row_capacity, other->row_capacity);
  std::swap(values, other->values);
  std::swap(hashes, other->hashes);
  std::swap(sample_count, other->sample_count);
  std::swap(sample_capacity, other->sample_capacity);
  std::swap(rest_lines, other->rest_lines);
}

std::size_t PageTable::RowOfSample(std::uint32_t index) const {
  // The last row with this index: those before it are no samples.
  const Row* above = std::upper_bound(
      rows, rows + row_count, index,
      [](std::uint32_t i, const Row& row) { return i < row.index; });
  const Row* row = above - 1;
  while (row->kind != LineKind::kSample) --row;
  return static_cast<std::size_t>(row - rows);
}

std::size_t PageTable::memory_bytes() const {
  return row_capacity * sizeof(Row) +
         sample_capacity * (sizeof(double) + sizeof(std::uint64_t));
}

SeriesSet::~SeriesSet() { delete[] slots; }

void SeriesSet::Reset(std::size_t count) {
  const std::size_t wanted =
      std::bit_ceil(std::max<std::size_t>(count, 32) * 2);
  if (wanted - 1 != mask) {
    delete[] slots;
    slots = new std::uint64_t[wanted];
    mask = wanted - 1;
  }
  std::memset(slots, 0, wanted * sizeof *slots);
  size = 0;
}

void SeriesSet::Grow() {
  SeriesSet grown;
  grown.Reset(mask + 1);
  for (std::size_t i = 0; mask != 0 && i <= mask; ++i) {
    if (slots[i] != 0) grown.Insert(slots[i], SampleOfSlot(slots[i]));
  }
  Swap(&grown);
}

void SeriesSet::Swap(SeriesSet* other) {
  std::swap(slots, other->slots);
  std::swap(mask, other->mask);
  std::swap(size, other->size);
}

void SeriesSet::Insert(std::uint64_t hash, std::uint32_t sample) {
  if (mask == 0 || (size + 1) * 2 > mask + 1) Grow();
  std::size_t at = HomeSlot(hash, mask);
  while (slots[at] != 0) at = (at + 1) & mask;
  slots[at] = MakeSlot(hash, sample);
  ++size;
}

bool SeriesSet::Contains(std::uint64_t hash) const {
  if (mask == 0) return false;
  for (std::size_t at = HomeSlot(hash, mask); slots[at] != 0;
       at = (at + 1) & mask) {
    if (HasHash(slots[at], hash)) return true;
  }
  return false;
}

void SeriesSet::Erase(std::uint64_t hash) {
  std::size_t hole = HomeSlot(hash, mask);
  while (!HasHash(slots[hole], hash)) hole = (hole + 1) & mask;
  // Entries behind the hole move up, unless that is before their own place.
  for (std::size_t at = (hole + 1) & mask; slots[at] != 0;
       at = (at + 1) & mask) {
    const std::size_t home = HomeSlot(slots[at], mask);
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      slots[hole] = slots[at];
      hole = at;
    }
  }
  slots[hole] = 0;
  --size;
}

std::size_t SeriesSet::memory_bytes() const {
  return mask == 0 ? 0 : (mask + 1) * sizeof *slots;
}

}  // namespace fodc::exposition
