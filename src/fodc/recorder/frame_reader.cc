// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/frame_reader.h"

#include <algorithm>

namespace fodc::recorder {

SectionFrames::SectionFrames(const Snapshot::State::LifeView& life,
                             const Section& section)
    : life_(life), section_(section) {
  for (const Section::Range& r : section.partial()) {
    layout_rows_.push_back(r.from);
    layout_rows_.push_back(r.to);
  }
  std::sort(layout_rows_.begin(), layout_rows_.end());
  layout_rows_.erase(std::unique(layout_rows_.begin(), layout_rows_.end()),
                     layout_rows_.end());
}

void SectionFrames::DecodeAll() {
  const std::size_t rows = section_.rows();
  matrix_.resize(rows * section_.slots());
  ColumnDecoder::Cache cache;
  for (Slot s = 0; s < section_.slots(); ++s) {
    section_.Decode(s, &matrix_[s * rows], &cache);
  }
}

void SectionFrames::SetLayout(std::size_t row) {
  const auto layout = static_cast<std::size_t>(
      std::upper_bound(layout_rows_.begin(), layout_rows_.end(), row) -
      layout_rows_.begin());
  if (layout == layout_) return;
  layout_ = layout;
  slots_.clear();
  auto series = std::make_shared<std::vector<SeriesRef>>();
  for (Slot s = 0; s < section_.slots(); ++s) {
    Section::Range whole;
    for (const Section::Range& r : section_.Presence(s, &whole)) {
      if (row < r.from || row >= r.to) continue;
      slots_.push_back(s);
      series->emplace_back(life_.table->Get(section_.ids()[s]));
      break;
    }
  }
  series_ = std::move(series);
}

void SectionFrames::Read(std::size_t row, SourceFrame* frame) {
  SetLayout(row);
  const SourceInfo& source = Snapshot::State::Source(life_, section_.source());
  frame->source_name = source.name;
  frame->container_name = source.container_name;
  frame->name = {life_.incarnation, section_.sequences()[row]};
  frame->time = section_.times()[row];
  frame->series = series_;
  frame->values.clear();
  frame->values.reserve(slots_.size());
  const std::size_t rows = section_.rows();
  if (!matrix_.empty()) {
    for (const Slot s : slots_)
      frame->values.push_back(matrix_[s * rows + row]);
    return;
  }
  column_.resize(rows);
  ColumnDecoder::Cache cache;
  for (const Slot s : slots_) {
    section_.Decode(s, column_.data(), &cache);
    frame->values.push_back(column_[row]);
  }
}

}  // namespace fodc::recorder
