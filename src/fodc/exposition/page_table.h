// SPDX-License-Identifier: Apache-2.0
// The layout of one page: where its lines are and what they are. Internal to
// the room. Plain memory with its growth out of line, because the scanners
// that fill it are compiled once per instruction set.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "fodc/exposition/line_parser.h"

namespace fodc::exposition {

// One line of a page, or several comments and blank lines in a row. It ends
// where the next one starts.
struct Row {
  std::uint32_t start = 0;     // offset of the line in the page
  std::uint32_t value_at = 0;  // offset of the value; `start` if it has none
  std::uint32_t index = 0;     // accepted samples above this line
  LineKind kind = LineKind::kComment;
  std::uint8_t flags = 0;
  LineProblem problem = LineProblem::kBadName;
  std::uint8_t unused = 0;
};
static_assert(sizeof(Row) == 16);
// PageScanner writes the members as two words.
static_assert(std::endian::native == std::endian::little);
static_assert(offsetof(Row, value_at) == 4 && offsetof(Row, index) == 8 &&
              offsetof(Row, kind) == 12);

// Invariants: rows are in the order of the page and cover it; rows[row_count]
// is a sentinel that starts at the end of the page; samples are the rows of
// kind kSample, in order.
struct PageTable {
  PageTable() = default;
  ~PageTable();
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  void Clear();
  // Room for at least this many, what is there is kept.
  void ReserveRows(std::size_t count);
  void ReserveSamples(std::size_t count);
  void Swap(PageTable* other);
  // The row of sample `index`, which exists.
  std::size_t RowOfSample(std::uint32_t index) const;
  std::size_t memory_bytes() const;

  Row* rows = nullptr;
  std::size_t row_count = 0;  // without the sentinel, for which there is room
  std::size_t row_capacity = 0;
  double* values = nullptr;
  std::uint64_t* hashes = nullptr;
  std::size_t sample_count = 0;
  std::size_t sample_capacity = 0;
  std::uint32_t rest_lines = 0;  // behind max_lines: one row, not looked at
};

// The hashes of all samples of a page: open addressing, at most half full.
struct SeriesSet {
  // A slot holds the hash without its lowest bits, in which the number of the
  // sample stands; 0 is free. One word for both: where the next hash belongs
  // cannot be foretold, and two arrays would miss the cache twice.
  static constexpr unsigned kSampleBits = 26;

  SeriesSet() = default;
  ~SeriesSet();
  SeriesSet(const SeriesSet&) = delete;
  SeriesSet& operator=(const SeriesSet&) = delete;

  // Empties it and makes room for `count` hashes.
  void Reset(std::size_t count);
  void Grow();
  void Swap(SeriesSet* other);
  void Insert(std::uint64_t hash, std::uint32_t sample);
  bool Contains(std::uint64_t hash) const;
  // Removes one entry of this hash, which is there.
  void Erase(std::uint64_t hash);
  std::size_t memory_bytes() const;

  std::uint64_t* slots = nullptr;  // samples: true until the layout changes
  std::size_t mask = 0;            // slots - 1; 0: nothing allocated
  std::size_t size = 0;
};

// Of hashes and slots. Static: they are compiled once per instruction set.

static inline std::uint64_t MakeSlot(std::uint64_t hash, std::uint32_t sample) {
  return hash >> SeriesSet::kSampleBits << SeriesSet::kSampleBits | sample;
}
static inline std::uint32_t SampleOfSlot(std::uint64_t slot) {
  return static_cast<std::uint32_t>(slot) &
         ((std::uint32_t{1} << SeriesSet::kSampleBits) - 1);
}
static inline bool HasHash(std::uint64_t slot, std::uint64_t hash) {
  return (slot ^ hash) >> SeriesSet::kSampleBits == 0;
}
// Where the search for it begins.
static inline std::size_t HomeSlot(std::uint64_t hash, std::size_t mask) {
  return hash >> SeriesSet::kSampleBits & mask;
}

}  // namespace fodc::exposition
