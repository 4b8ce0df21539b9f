// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/page.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::collect {

using exposition::Label;
using exposition::SeriesDesc;

namespace {

constexpr std::string_view kEndpoint = "endpoint";
constexpr std::string_view kExportedEndpoint = "exported_endpoint";

// What the agent records of endpoints and targets itself. All of those series
// are told apart by one of these labels, or begin with kOwnPrefix.
constexpr std::string_view kOwnPrefix = "fodc_";
bool IsOwnFamily(std::string_view name) {
  return name == "up" || name.starts_with("scrape_") ||
         name.starts_with(kOwnPrefix);
}
bool IsOwnLabel(std::string_view name) {
  return name == kEndpoint || name == "target";
}

}  // namespace

Page::Page(recorder::Recording& recording, const Endpoint& endpoint,
           exposition::PageReader::Options options)
    : recording_(recording),
      endpoint_label_(endpoint.is_labelled ? kEndpoint : std::string_view()),
      endpoint_name_(endpoint.name),
      source_(recording.OpenSource(endpoint.name, endpoint.container_name)),
      reader_(options) {}

std::size_t Page::Record(exposition::PageBuffer* buffer,
                         exposition::Format format, recorder::FrameTime time) {
  reader_.Read(format, buffer);
  const auto describe = [this](std::size_t line) {
    return Describe(static_cast<std::uint32_t>(line));
  };
  recording_.EditLines(source_, reader_.edits(), describe);
  // Most pages have none; what was refused comes in as soon as there is room.
  recording_.Readmit(source_, describe);
  recording_.Append(source_, time, reader_.values(), reader_.changed());
  return reader_.values().size();
}

// A page's series never pass for those of another page of the same container,
// nor for what the agent says of the endpoint. Nothing is lost: labels that are
// in the way are `exported_`, as Prometheus has it.
SeriesDesc Page::Describe(std::uint32_t line) {
  SeriesDesc desc = reader_.Describe(line);
  const bool is_own = IsOwnFamily(desc.name);
  std::string_view added = endpoint_label_;
  if (is_own && (!added.empty() || desc.name.starts_with(kOwnPrefix)))
    added = kExportedEndpoint;
  if (!is_own && added.empty()) return desc;
  labels_.assign(desc.labels.begin(), desc.labels.end());
  std::size_t renamed = 0;
  for (Label& label : labels_) {
    if (label.name != added && !(is_own && IsOwnLabel(label.name))) continue;
    std::string& name = renamed_[renamed++];
    name = StrCat("exported_", label.name);
    while (name == added ||
           std::ranges::find(labels_, name, &Label::name) != labels_.end())
      name.insert(0, "exported_");
    label.name = name;
  }
  if (!added.empty()) labels_.push_back({added, endpoint_name_});
  desc.labels = labels_;
  return desc;
}

const exposition::ProblemLine* Page::FirstBadLine(
    exposition::LineProblem problem) const {
  const auto lines = reader_.problems();
  const auto it =
      std::ranges::find(lines, problem, &exposition::ProblemLine::problem);
  return it == lines.end() ? nullptr : &*it;
}

std::size_t Page::memory_bytes() const { return reader_.memory_bytes(); }

}  // namespace fodc::collect
