// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/latest_page.h"

#include <algorithm>
#include <unordered_map>

#include "fodc/exposition/number.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::agent {
namespace {

using exposition::MetricType;

}  // namespace

LatestPage::LatestPage(std::vector<Part> parts,
                       std::vector<program::OwnFamily> own,
                       exposition::Format format)
    : parts_(std::move(parts)),
      own_families_(std::move(own)),
      openmetrics_(format == exposition::Format::kOpenMetrics) {
  for (const program::OwnFamily& family : own_families_) {
    for (const program::OwnSample& sample : family.samples)
      own_.push_back({.family = &family, .sample = &sample});
  }
  std::size_t count = own_.size();
  for (const Part& part : parts_) count += part.frame.values.size();
  lines_.reserve(count);
  for (std::uint32_t p = 0; p < parts_.size(); ++p) {
    const auto& series = *parts_[p].frame.series;
    for (std::uint32_t i = 0; i < series.size(); ++i) {
      Line line =
          Classify(series[i]->name(), series[i]->family(), series[i]->type());
      line.part = p;
      line.index = i;
      lines_.push_back(line);
    }
  }
  for (std::uint32_t i = 0; i < own_.size(); ++i) {
    Line line = Classify(own_[i].sample->name, own_[i].family->name,
                         own_[i].family->type);
    line.part = static_cast<std::uint32_t>(parts_.size());
    line.index = i;
    lines_.push_back(line);
  }
  if (openmetrics_) SplitConflicts();
  std::ranges::stable_sort(lines_, {}, &Line::family);
}

LatestPage::Line LatestPage::Classify(std::string_view name,
                                      std::string_view family,
                                      MetricType type) const {
  const exposition::ShownFamily shown =
      openmetrics_ ? exposition::FamilyInOpenMetrics(name, family, type)
                   : exposition::FamilyInText(name, family, type);
  return {.family = shown.name, .type = shown.type, .part = 0, .index = 0};
}

void LatestPage::SplitConflicts() {
  std::unordered_map<std::string_view, MetricType> types;
  types.reserve(lines_.size() / 4);
  for (Line& line : lines_) {
    const auto [at, is_new] = types.try_emplace(line.family, line.type);
    if (is_new || at->second == line.type) continue;
    line.family = Name(line);
    line.type =
        types.try_emplace(line.family, MetricType::kUnknown).first->second;
  }
}

std::string_view LatestPage::Name(const Line& line) const {
  return line.part == parts_.size()
             ? std::string_view(own_[line.index].sample->name)
             : (*parts_[line.part].frame.series)[line.index]->name();
}

std::string_view LatestPage::Help(const Line& line) const {
  return line.part == parts_.size()
             ? std::string_view(own_[line.index].family->help)
             : (*parts_[line.part].frame.series)[line.index]->help();
}

void LatestPage::AppendHead(std::size_t begin, std::size_t end,
                            std::string* out) const {
  exposition::FamilyHead head;
  head.name = lines_[begin].family;
  for (std::size_t i = begin; i < end; ++i) {
    const Line& line = lines_[i];
    if (head.help.empty()) head.help = Help(line);
    if (head.type == MetricType::kUnknown) head.type = line.type;
    if (head.unit.empty() && line.part < parts_.size()) {
      head.unit = (*parts_[line.part].frame.series)[line.index]->unit();
    }
  }
  AppendFamilyHead(out,
                   openmetrics_ ? exposition::Format::kOpenMetrics
                                : exposition::Format::kText,
                   head);
}

void LatestPage::BeginFamily(std::string* out) {
  std::size_t end = at_ + 1;
  while (end < lines_.size() && lines_[end].family == lines_[at_].family) ++end;
  family_end_ = end;
  may_collide_ = lines_[at_].part != lines_[end - 1].part;
  shown_.clear();
  AppendHead(at_, end, out);
}

void LatestPage::AppendLine(const Line& line, std::string* out) {
  static const exposition::Identity* const kNone = new exposition::Identity();
  text_.assign(Name(line));
  double value;
  std::string own_labels;
  const std::vector<exposition::Label>* labels;
  if (line.part == parts_.size()) {
    const program::OwnSample& own = *own_[line.index].sample;
    value = own.value;
    std::vector<exposition::Label> list;
    for (const auto& [k, v] : own.labels)
      list.push_back({.name = k, .value = v});
    exposition::AppendCanonicalLabels(&own_labels, list);
    labels = &merger_.Merge(own_labels, *kNone);
  } else {
    const Part& part = parts_[line.part];
    value = part.frame.values[line.index];
    labels = &merger_.Merge((*part.frame.series)[line.index]->labels(),
                            *part.identity);
  }
  if (!labels->empty()) {
    char before = '{';
    for (const exposition::Label& label : *labels) {
      text_.push_back(before);
      before = ',';
      text_.append(label.name).append("=\"");
      exposition::AppendEscapedLabelValue(&text_, label.value);
      text_.push_back('"');
    }
    text_.push_back('}');
  }
  if (may_collide_ && !shown_.insert(text_).second) return;
  text_.push_back(' ');
  exposition::AppendNumber(&text_, value);
  text_.push_back('\n');
  out->append(text_);
}

Result<net::BodyStep> LatestPage::Next(std::string* piece,
                                       std::size_t max_bytes) {
  while (at_ < lines_.size() && piece->size() < max_bytes) {
    if (at_ == family_end_) BeginFamily(piece);
    AppendLine(lines_[at_++], piece);
  }
  if (at_ < lines_.size()) return net::BodyStep::kMore;
  if (openmetrics_ && !ended_) piece->append("# EOF\n");
  ended_ = true;
  return net::BodyStep::kDone;
}

}  // namespace fodc::agent
