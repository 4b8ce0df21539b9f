// SPDX-License-Identifier: Apache-2.0
// Reads series after series out of a snapshot, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

// Keeps the snapshot alive. One thread at a time.
class Snapshot::SeriesReader {
 public:
  ~SeriesReader();
  SeriesReader(const SeriesReader&) = delete;
  SeriesReader& operator=(const SeriesReader&) = delete;

  // The next series with samples in the range, and its samples in the order of
  // the wall clock, whatever steps it made. The spans are valid until the next
  // call, the view's strings as long as the reader. False at the end.
  bool Next(SeriesView* series, std::span<const std::int64_t>* unix_ms,
            std::span<const double>* values);

  // The same in any order: what the filter took, by number. A series may turn
  // out to have no samples in the range: the spans are empty then.
  std::size_t size() const;
  SeriesView series(std::size_t i) const;
  void Read(std::size_t i, std::span<const std::int64_t>* unix_ms,
            std::span<const double>* values);

  // Damaged chunks passed over so far.
  int damaged() const;

 private:
  friend class Snapshot;
  struct Impl;
  explicit SeriesReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::recorder
