// SPDX-License-Identifier: Apache-2.0
// Own readings as a source of the recording.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/exposition/metric.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// A family of own readings, as the tables of this room name them.
struct ReadingDesc {
  std::string_view name;  // unit and _total in the name
  exposition::MetricType type;
  std::string_view help;
};

// One source made of readings that are there or not. Set what was read, then
// Commit: one frame. The layout moves only when a reading comes or goes.
// However full the recording is, there is room for them.
// Not thread-safe; after the first frames it allocates nothing.
class Readings {
 public:
  using Index = std::size_t;

  // `recording` must outlive it.
  Readings(recorder::Recording& recording, std::string_view source_name,
           std::string_view container_name);

  // Declares one series; before the first Set. `desc` must live for ever (a
  // table), `labels` are copied. `suffix` tells the series of a histogram from
  // its family: "_bucket", "_sum" or "_count".
  Index Add(const ReadingDesc& desc,
            std::vector<std::pair<std::string, std::string>> labels = {},
            std::string_view suffix = {});

  void Set(Index index, double value);
  // Appends what was set since the last Commit and forgets it.
  recorder::FrameName Commit(recorder::FrameTime time);

  std::size_t size() const { return series_.size(); }

 private:
  struct OwnSeries {
    ReadingDesc desc;
    std::vector<std::pair<std::string, std::string>> labels;
    std::string name;  // empty: the family's
    double value = 0;
    bool is_set = false;
    bool was_set = false;
  };
  void MoveLayout();

  recorder::Recording& recording_;
  recorder::SourceId source_;
  std::vector<OwnSeries> series_;
  std::vector<double> values_;
};

}  // namespace fodc::collect
