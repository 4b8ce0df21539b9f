// SPDX-License-Identifier: Apache-2.0
// Reads series after series out of a snapshot, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

// Keeps the snapshot alive. One thread at a time. Holds the sections of the
// range open as far as they are kMostOpenBytes together. If they are more, it
// opens the others one by one, and reads as many series ahead each time as fit
// into kAheadSamples, or into an eighth of what the sections take if that is
// more: so the time that it takes stays in proportion to them.
class Snapshot::SeriesReader {
 public:
  ~SeriesReader();
  static constexpr std::size_t kMostOpenBytes = std::size_t{32} << 20;
  static constexpr std::size_t kAheadSamples = 1'000'000;

  SeriesReader(const SeriesReader&) = delete;
  SeriesReader& operator=(const SeriesReader&) = delete;

  // The next series with samples in the range, and its samples in the order of
  // the wall clock, whatever steps it made. The spans are valid until the next
  // call, the view's strings as long as the reader. False at the end.
  bool Next(SeriesView* series, std::span<const std::int64_t>* unix_ms,
            std::span<const double>* values);

  // The same in any order, cheapest family by family (in the order of their
  // names): what the filter took, by number. A series may turn out to have no
  // samples in the range: the spans are empty then.
  std::size_t size() const;
  SeriesView series(std::size_t i) const;
  void Read(std::size_t i, std::span<const std::int64_t>* unix_ms,
            std::span<const double>* values);

  // Damaged chunks passed over so far.
  int damaged() const;

  // What it took so far.
  struct Work {
    std::uint64_t sections_opened = 0;
    std::uint64_t columns_decoded = 0;
    // The most that opened sections and samples read ahead took at a time.
    std::size_t peak_bytes = 0;
  };
  const Work& work() const;

 private:
  friend class Snapshot;
  struct Impl;
  explicit SeriesReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::recorder
