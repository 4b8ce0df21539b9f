// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/readings.h"

#include "fodc/base/strings.h"

namespace fodc::collect {

Readings::Readings(recorder::Recording& recording, std::string_view source_name,
                   std::string_view container_name)
    : recording_(recording),
      source_(recording.OpenSource(source_name, container_name,
                                   recorder::Admission::kAlways)) {}

Readings::Index Readings::Add(
    const ReadingDesc& desc,
    std::vector<std::pair<std::string, std::string>> labels,
    std::string_view suffix) {
  series_.push_back(
      {.desc = desc,
       .labels = std::move(labels),
       .name = suffix.empty() ? std::string() : StrCat(desc.name, suffix)});
  values_.reserve(series_.size());
  return series_.size() - 1;
}

void Readings::Set(Index index, double value) {
  series_[index].value = value;
  series_[index].is_set = true;
}

void Readings::MoveLayout() {
  // Walks the lines of the new layout; equal neighbours stay as they are.
  std::size_t line = 0;
  std::vector<exposition::Label> labels;
  for (OwnSeries& s : series_) {
    if (s.is_set == s.was_set) {
      line += s.is_set ? 1 : 0;
      continue;
    }
    if (s.was_set) {
      recording_.SpliceLines(source_, line, 1, {});
    } else {
      labels.clear();
      for (const auto& [name, value] : s.labels)
        labels.push_back({.name = name, .value = value});
      const exposition::SeriesDesc inserted{
          .name = s.name.empty() ? s.desc.name : s.name,
          .labels = labels,
          .family = s.desc.name,
          .type = s.desc.type,
          .help = s.desc.help,
          .unit = {}};
      recording_.SpliceLines(source_, line, 0, {&inserted, 1});
      ++line;
    }
    s.was_set = s.is_set;
  }
}

recorder::FrameName Readings::Commit(recorder::FrameTime time) {
  bool moved = false;
  values_.clear();
  for (const OwnSeries& s : series_) {
    moved |= s.is_set != s.was_set;
    if (s.is_set) values_.push_back(s.value);
  }
  if (moved) MoveLayout();
  for (OwnSeries& s : series_) s.is_set = false;
  return recording_.Append(source_, time, values_, std::nullopt);
}

}  // namespace fodc::collect
