// SPDX-License-Identifier: Apache-2.0
// Reads the pages of one endpoint, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fodc/exposition/format.h"
#include "fodc/exposition/metric.h"
#include "fodc/exposition/page_buffer.h"
#include "fodc/exposition/page_scan.h"
#include "fodc/exposition/page_stats.h"

namespace fodc::exposition {

// Complete Prometheus text 0.0.4 and OpenMetrics 1.0. Stateful: it keeps one
// page and the layout of its lines, and reads the next page by its differences
// from that one. What it gives does not depend on that: a fresh reader gives
// the same values, series and counts for the same page.
//
// A *line* here is an accepted sample; lines are numbered from 0 in the order
// of the page. A bad or duplicated line costs itself only: it is counted in
// stats() and, up to kMaxProblems, named in problems().
//
// Rules: blanks and tabs may stand wherever either format allows any, lines
// may end in CR LF, and the last one may lack its line feed. Labels are
// compared as sets: the same labels in another order are the same series;
// an empty value is a label all the same. A HELP, TYPE or UNIT line holds for
// its family on the whole page, the first one if there are several. Text cut
// inside the number of its last line cannot be told from a whole page.
//
// Memory: one page, and per line of it about 100 bytes; constant while pages
// keep their size, and given back some pages after one out of the ordinary.
// Reading allocates nothing once the page and its layout have had that size
// before.
// Not thread-safe.
class PageReader {
 public:
  static constexpr std::size_t kMaxProblems = 16;
  static constexpr std::size_t kMaxLines = 60'000'000;

  struct Options {
    // Lines of any kind, at most kMaxLines; what is beyond is counted, not
    // read.
    std::size_t max_lines = 400'000;
    // Do without wide instructions (tests).
    bool portable = false;
  };

  PageReader();
  explicit PageReader(const Options& options);
  ~PageReader();
  PageReader(PageReader&&) noexcept;
  PageReader& operator=(PageReader&&) noexcept;

  // Reads the page in *page and takes its bytes; *page gets the memory of the
  // page before and is empty. What the accessors below give is valid until the
  // next call.
  void Read(Format format, PageBuffer* page);

  // Forgets page and layout and keeps the memory: the next page inserts all
  // its lines.
  void Forget();

  // One value per line. Every NaN has the bits of kNanBits.
  std::span<const double> values() const;
  // Kept lines whose value has other bits than on the page before, ascending.
  std::span<const std::uint32_t> changed() const;
  // What turns the lines of the page before into the lines of this one: keep
  // the next n, insert n, remove the next n. Empty if no line came or went.
  // A line whose family changed its type, help or unit is removed and inserted.
  // A line that moved is inserted in one place and removed in another, in
  // either order.
  std::span<const LineEdit> edits() const;

  // What a line is. The views are valid until the next call of Describe or
  // Read. `line` < values().size().
  SeriesDesc Describe(std::uint32_t line);

  // Whether the page was read by its differences from the one before: of lines
  // that stayed only the values, and only inserted lines were parsed.
  bool followed() const;

  const PageStats& stats() const;
  std::span<const ProblemLine> problems() const;
  std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fodc::exposition
