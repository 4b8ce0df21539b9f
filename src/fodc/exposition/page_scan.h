// SPDX-License-Identifier: Apache-2.0
// The two loops over pages, compiled once per instruction set. Internal to the
// room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/exposition/line_edit.h"
#include "fodc/exposition/page_table.h"

namespace fodc::exposition {

// A page as the scanners want it: the last byte is a line feed, and
// PageBuffer::kSlackBytes zeros follow.
struct PageText {
  const char* bytes = nullptr;
  std::size_t size = 0;
  bool unterminated = false;  // the last line feed is not the page's own
};

// Reads a whole page into an empty table and an empty set.
struct FullScan {
  Format format = Format::kText;
  PageText page;
  std::size_t max_lines = 0;
  PageTable* table = nullptr;
  SeriesSet* set = nullptr;
};

// Reads a page by its differences from the one before.
struct SteadyScan {
  Format format = Format::kText;
  PageText before;
  PageText page;
  std::size_t max_lines = 0;
  PageTable* table = nullptr;  // of the page before; updated in place ...
  PageTable* spare = nullptr;  // ... or rebuilt here, if `rebuilt`
  SeriesSet* set = nullptr;
  bool has_duplicates = false;  // the page before has
  // First row behind "# EOF"; beyond all rows if there is none.
  std::size_t rows_to_eof = 0;

  // Results.
  bool rebuilt = false;
  bool recount = false;              // kinds or flags of rows have changed
  std::uint32_t* changed = nullptr;  // room for every sample of `table`
  std::size_t changed_count = 0;
  std::vector<LineEdit>* edits = nullptr;
  std::vector<std::uint64_t>* inserted = nullptr;  // hashes
  std::vector<std::uint64_t>* removed = nullptr;
};

struct ScanFunctions {
  // Whether there are rows besides plain samples, HELP and TYPE.
  bool (*read_page)(const FullScan& scan);
  // False if the difference is beyond what can be followed; `table`, `spare`
  // and `set` then hold rubbish.
  bool (*follow_page)(SteadyScan* scan);
};

const ScanFunctions& PortableScan();
// Needs AVX2, BMI1 and BMI2; nullptr where the compiler cannot make it or this
// machine cannot run it.
const ScanFunctions* WideScan();

// Out of line for the scanners: growth and rare events.
namespace page_scan {
void AddEdit(std::vector<LineEdit>* edits, LineEdit::Kind kind,
             std::size_t count);
void AddHash(std::vector<std::uint64_t>* hashes, std::uint64_t hash);
// ParseLine of the line from `start` to the line feed at `end`.
ParsedLine ParseLineAt(const PageText& page, Format format, std::size_t start,
                       std::size_t end);
ParsedLine ParseTailAt(const PageText& page, Format format, std::size_t value,
                       std::size_t end);
bool IsSameSeriesAt(const PageText& page, const Row& a, const Row& b,
                    std::size_t b_end);
bool FinishSteady(SteadyScan* scan);
}  // namespace page_scan

}  // namespace fodc::exposition
