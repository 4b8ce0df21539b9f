// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/page.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::collect {

using exposition::Label;
using exposition::LineEdit;
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

Page::Batch::Piece Page::Batch::Keep(std::string_view text) {
  const Piece piece{.at = text_.size(), .size = text.size()};
  text_.append(text);
  return piece;
}

std::string_view Page::Batch::View(Piece piece) const {
  return std::string_view(text_).substr(piece.at, piece.size);
}

void Page::Batch::Add(const SeriesDesc& desc) {
  Item item{.name = Keep(desc.name),
            .family = Keep(desc.family),
            .help = Keep(desc.help),
            .unit = Keep(desc.unit),
            .type = desc.type,
            .labels = desc.labels.size()};
  for (const exposition::Label& label : desc.labels) {
    pieces_.push_back(Keep(label.name));
    pieces_.push_back(Keep(label.value));
  }
  items_.push_back(item);
}

std::span<const SeriesDesc> Page::Batch::Finish() {
  labels_.clear();
  for (std::size_t i = 0; i + 1 < pieces_.size(); i += 2)
    labels_.push_back(
        {.name = View(pieces_[i]), .value = View(pieces_[i + 1])});
  series_.clear();
  std::size_t first = 0;
  for (const Item& item : items_) {
    series_.push_back({.name = View(item.name),
                       .labels = std::span(labels_).subspan(first, item.labels),
                       .family = View(item.family),
                       .type = item.type,
                       .help = View(item.help),
                       .unit = View(item.unit)});
    first += item.labels;
  }
  return series_;
}

void Page::Batch::Clear() {
  text_.clear();
  items_.clear();
  pieces_.clear();
}

std::size_t Page::Batch::memory_bytes() const {
  return text_.capacity() + items_.capacity() * sizeof(Item) +
         pieces_.capacity() * sizeof(Piece) +
         labels_.capacity() * sizeof(exposition::Label) +
         series_.capacity() * sizeof(SeriesDesc);
}

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
  MoveLayout();
  // Most pages have none; what was refused comes in as soon as there is room.
  recording_.Readmit(source_, [this](std::size_t line) {
    return Describe(static_cast<std::uint32_t>(line));
  });
  recording_.Append(source_, time, reader_.values(), reader_.changed());
  return reader_.values().size();
}

void Page::MoveLayout() {
  std::size_t line = 0;
  for (const LineEdit& edit : reader_.edits()) {
    switch (edit.kind) {
      case LineEdit::Kind::kKeep:
        line += edit.count;
        break;
      case LineEdit::Kind::kInsert:
        Insert(line, edit.count);
        line += edit.count;
        break;
      case LineEdit::Kind::kRemove:
        recording_.SpliceLines(source_, line, edit.count, {});
        break;
    }
  }
}

void Page::Insert(std::size_t at, std::size_t count) {
  for (const std::size_t end = at + count; at < end;) {
    const std::size_t take = std::min(end - at, Batch::kMaxSeries);
    for (std::size_t i = 0; i < take; ++i)
      batch_.Add(Describe(static_cast<std::uint32_t>(at + i)));
    recording_.SpliceLines(source_, at, 0, batch_.Finish());
    batch_.Clear();
    at += take;
  }
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

std::size_t Page::memory_bytes() const {
  return reader_.memory_bytes() + batch_.memory_bytes();
}

}  // namespace fodc::collect
