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

SeriesSet::~SeriesSet() {
  delete[] hashes;
  delete[] samples;
}

void SeriesSet::Reset(std::size_t count) {
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(count, 32) * 2);
  if (slots - 1 != mask) {
    delete[] hashes;
    delete[] samples;
    hashes = new std::uint64_t[slots];
    samples = new std::uint32_t[slots];
    mask = slots - 1;
  }
  std::memset(hashes, 0, slots * sizeof *hashes);
  size = 0;
}

void SeriesSet::Grow() {
  SeriesSet grown;
  grown.Reset(mask + 1);
  for (std::size_t i = 0; mask != 0 && i <= mask; ++i) {
    if (hashes[i] != 0) grown.Insert(hashes[i], samples[i]);
  }
  Swap(&grown);
}

void SeriesSet::Swap(SeriesSet* other) {
  std::swap(hashes, other->hashes);
  std::swap(samples, other->samples);
  std::swap(mask, other->mask);
  std::swap(size, other->size);
}

void SeriesSet::Insert(std::uint64_t hash, std::uint32_t sample) {
  if (mask == 0 || (size + 1) * 2 > mask + 1) Grow();
  std::size_t at = hash & mask;
  while (hashes[at] != 0) at = (at + 1) & mask;
  hashes[at] = hash;
  samples[at] = sample;
  ++size;
}

bool SeriesSet::Contains(std::uint64_t hash) const {
  if (mask == 0) return false;
  std::size_t at = hash & mask;
  while (hashes[at] != 0) {
    if (hashes[at] == hash) return true;
    at = (at + 1) & mask;
  }
  return false;
}

void SeriesSet::Erase(std::uint64_t hash) {
  std::size_t hole = hash & mask;
  while (hashes[hole] != hash) hole = (hole + 1) & mask;
  // Entries behind the hole move up, unless that is before their own place.
  for (std::size_t at = (hole + 1) & mask; hashes[at] != 0;
       at = (at + 1) & mask) {
    const std::size_t home = hashes[at] & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      hashes[hole] = hashes[at];
      samples[hole] = samples[at];
      hole = at;
    }
  }
  hashes[hole] = 0;
  --size;
}

std::size_t SeriesSet::memory_bytes() const {
  return mask == 0
             ? 0
             : (mask + 1) * (sizeof(std::uint64_t) + sizeof(std::uint32_t));
}

}  // namespace fodc::exposition
