// SPDX-License-Identifier: Apache-2.0
// Rows out of columns. For this room.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "fodc/recorder/chunk.h"
#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {

// Gives the frames of one section. Both arguments must outlive it.
class SectionFrames {
 public:
  SectionFrames(const Snapshot::State::LifeView& life, const Section& section);

  // Decodes the columns once for all rows: for readers of many.
  void DecodeAll();
  // `frame->series` is the same vector as for the row read before if the
  // series are the same.
  void Read(std::size_t row, SourceFrame* frame);

 private:
  void SetLayout(std::size_t row);

  const Snapshot::State::LifeView& life_;
  const Section& section_;
  std::vector<std::uint32_t> layout_rows_;  // ascending: something comes, goes
  std::size_t layout_ = SIZE_MAX;           // which of the stretches between
  std::vector<Slot> slots_;                 // present in that layout
  std::shared_ptr<const std::vector<SeriesRef>> series_;
  std::vector<double> matrix_;  // by column
  std::vector<double> column_;
};

}  // namespace fodc::recorder
