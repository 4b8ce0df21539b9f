// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/page.h"

#include <algorithm>

namespace fodc::collect {

using exposition::LineEdit;
using exposition::SeriesDesc;

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
      source_(recording.OpenSource(endpoint.name, endpoint.container_name)),
      reader_(options) {}

std::size_t Page::Record(exposition::PageBuffer* buffer,
                         exposition::Format format, recorder::FrameTime time) {
  reader_.Read(format, buffer);
  MoveLayout();
  // Most pages have none; what was refused comes in as soon as there is room.
  recording_.Readmit(source_, [this](std::size_t line) {
    return reader_.Describe(static_cast<std::uint32_t>(line));
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
      batch_.Add(reader_.Describe(static_cast<std::uint32_t>(at + i)));
    recording_.SpliceLines(source_, at, 0, batch_.Finish());
    batch_.Clear();
    at += take;
  }
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
