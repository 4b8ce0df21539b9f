// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/line_cache.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fodc/exposition/names.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::api {
namespace {

// Of a line and its place in the table, text not included: what the allocator
// and the containers add, rounded up.
constexpr std::size_t kLineOverheadBytes = sizeof(Line) + 96;

// Legal, so that names which are shown as one are one family.
std::string FamilyOf(const recorder::Series& s) {
  return exposition::ToMetricName(
      exposition::FamilyInText(s.name(), s.family(), s.type()).name);
}

bool SameSeries(const std::vector<recorder::SeriesRef>& a,
                const std::vector<recorder::SeriesRef>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

std::uint64_t HashOf(const std::vector<recorder::SeriesRef>& series,
                     std::uint32_t shape) {
  std::uint64_t h = series.size() * 0x9e3779b97f4a7c15u + shape;
  for (const recorder::SeriesRef& s : series) {
    h ^= reinterpret_cast<std::uintptr_t>(s.get());
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

std::size_t LayoutBytes(const Layout& l) {
  return sizeof(Layout) + l.lines.size() * sizeof(l.lines[0]) +
         l.runs.size() * sizeof(Layout::Run);
}

std::size_t LineBytes(const Line& line) {
  return kLineOverheadBytes + line.text_bytes + exposition::kCopySlack +
         line.pieces.size() * sizeof(Line::Piece);
}

}  // namespace

LineCache::LineCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}
LineCache::~LineCache() { slots_.clear(); }

void LineCache::Build(const recorder::Series& series,
                      const exposition::Identity& identity,
                      exposition::LabelMerger* merger, Line* line) {
  std::string text;
  std::size_t piece_begin = 0;
  line->pieces.clear();
  text.append(exposition::ToMetricName(series.name()));
  const auto& labels = merger->Merge(series.labels(), identity);
  const auto& inserted = identity.labels();
  std::size_t next = 0;  // identity label that has not come yet
  bool first = true;
  for (const exposition::Label& label : labels) {
    if (first) text.push_back('{');
    if (next < inserted.size() && label == inserted[next]) {
      const auto n = static_cast<std::uint16_t>(next++);
      if (!line->pieces.empty() && line->pieces.back().last_label == n &&
          piece_begin == text.size() && !first) {
        ++line->pieces.back().last_label;
        continue;
      }
      line->pieces.push_back(
          {static_cast<std::uint32_t>(text.size() - piece_begin), n,
           static_cast<std::uint16_t>(n + 1),
           static_cast<std::uint8_t>(first ? 1 : 0)});
      piece_begin = text.size();
    } else {
      if (!first) text.push_back(',');
      text.append(label.name).append("=\"");
      exposition::AppendEscapedLabelValue(&text, label.value);
      text.push_back('"');
    }
    first = false;
  }
  text.append(first ? " " : "} ");
  line->pieces.push_back(
      {static_cast<std::uint32_t>(text.size() - piece_begin), 0, 0, 0});
  line->text_bytes = static_cast<std::uint32_t>(text.size());
  text.append(exposition::kCopySlack, '\0');
  line->text = std::make_unique_for_overwrite<char[]>(text.size());
  std::memcpy(line->text.get(), text.data(), text.size());
}

Line* LineCache::FindLine(const recorder::SeriesRef& series,
                          std::uint32_t shape,
                          const exposition::Identity& identity) {
  const Key key{series.get(), shape};
  if (const auto it = lines_.find(key); it != lines_.end()) {
    return it->second.get();
  }
  if (line_bytes_ >= max_bytes_) {
    ++uncached_;
    return nullptr;
  }
  auto line = std::make_unique<Line>();
  Build(*series, identity, &merger_, line.get());
  line->series = series;
  line->family = InternFamily(FamilyOf(*series));
  ++line->family->users;
  line_bytes_ += LineBytes(*line);
  return lines_.emplace(key, std::move(line)).first->second.get();
}

Family* LineCache::FindFamily(std::string_view name) const {
  const auto it = families_.find(name);
  return it == families_.end() ? nullptr : it->second.get();
}

Family* LineCache::InternFamily(std::string_view name) {
  if (Family* f = FindFamily(name)) return f;
  families_sorted_ = false;
  auto family = std::make_unique<Family>();
  family->name = name;
  return families_.emplace(std::string(name), std::move(family))
      .first->second.get();
}

void LineCache::SortFamilies() {
  if (families_sorted_) return;
  std::uint32_t rank = 0;
  for (const auto& [name, family] : families_) family->rank = rank++;
  families_sorted_ = true;
}

LayoutRef LineCache::Find(std::string_view slot_name,
                          const Layout::SeriesList& series,
                          const exposition::Identity& identity) {
  auto shape_it = shapes_.find(identity.shape());
  if (shape_it == shapes_.end()) {
    shape_it = shapes_.emplace(identity.shape(), next_shape_++).first;
  }
  const std::uint32_t shape = shape_it->second;
  auto it = slots_.find(slot_name);
  if (it == slots_.end()) {
    it = slots_.emplace(std::string(slot_name), Slot()).first;
  }
  Slot& slot = it->second;
  slot.used = true;
  const bool same_shape = slot.layout && slot.layout->shape == shape;
  if (same_shape && slot.list == series) return slot.layout;
  if (!same_shape || !SameSeries(*slot.layout->series, *series)) {
    slot.layout =
        Make(same_shape ? slot.layout.get() : nullptr, series, shape, identity);
  }
  slot.list = series;
  return slot.layout;
}

LayoutRef LineCache::Make(const Layout* like, const Layout::SeriesList& series,
                          std::uint32_t shape,
                          const exposition::Identity& identity) {
  const std::uint64_t hash = HashOf(*series, shape);
  const auto [begin, end] = by_content_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (it->second->shape == shape &&
        SameSeries(*it->second->series, *series)) {
      // The deleter takes it out of by_content_ first, so it is alive.
      return it->second->shared_from_this();
    }
  }
  ++built_;
  auto layout = std::make_unique<Layout>();
  layout->series = series;
  layout->shape = shape;
  layout->hash = hash;
  const auto& now = *series;
  layout->lines.resize(now.size());
  std::size_t front = 0;
  std::size_t back = 0;
  if (like != nullptr) {
    const auto& old = *like->series;
    const std::size_t common = std::min(old.size(), now.size());
    while (front < common && old[front] == now[front]) {
      layout->lines[front] = like->lines[front];
      ++front;
    }
    while (back < common - front &&
           old[old.size() - 1 - back] == now[now.size() - 1 - back]) {
      layout->lines[now.size() - 1 - back] = like->lines[old.size() - 1 - back];
      ++back;
    }
  }
  for (std::size_t i = front; i < now.size() - back; ++i) {
    layout->lines[i] = FindLine(now[i], shape, identity);
  }
  for (std::size_t i = 0; i < now.size(); ++i) {
    Line* line = layout->lines[i];
    if (line != nullptr) {
      ++line->users;
    } else {
      layout->is_whole = false;
    }
    Family* family =
        line != nullptr ? line->family : InternFamily(FamilyOf(*now[i]));
    const auto at = static_cast<std::uint32_t>(i);
    if (layout->runs.empty() || layout->runs.back().family != family) {
      layout->runs.push_back({family, at, at});
      ++family->users;
    }
    layout->runs.back().end = at + 1;
  }
  layout_bytes_ += LayoutBytes(*layout);
  Layout* raw = layout.release();
  by_content_.emplace(hash, raw);
  return std::shared_ptr<Layout>(raw, [this](Layout* l) { Drop(l); });
}

void LineCache::Drop(Layout* layout) {
  const std::unique_ptr<Layout> owned(layout);
  for (Line* line : layout->lines) {
    if (line != nullptr) --line->users;
  }
  for (const Layout::Run& run : layout->runs) --run.family->users;
  layout_bytes_ -= LayoutBytes(*layout);
  const auto [begin, end] = by_content_.equal_range(layout->hash);
  for (auto it = begin; it != end; ++it) {
    if (it->second == layout) {
      by_content_.erase(it);
      break;
    }
  }
}

void LineCache::Sweep() {
  for (auto it = slots_.begin(); it != slots_.end();) {
    it = std::exchange(it->second.used, false) ? std::next(it)
                                               : slots_.erase(it);
  }
  std::erase_if(lines_, [this](const auto& entry) {
    const Line& line = *entry.second;
    if (line.users != 0) return false;
    line_bytes_ -= LineBytes(line);
    --line.family->users;
    return true;
  });
  // What was made when the cache was full is made again once there is room.
  if (line_bytes_ < max_bytes_ / 2) {
    std::erase_if(slots_, [](const auto& entry) {
      return !entry.second.layout->is_whole;
    });
  }
  // No line has a shape that no layout has.
  std::set<std::uint32_t> shapes;
  for (const auto& [hash, layout] : by_content_) shapes.insert(layout->shape);
  std::erase_if(shapes_, [&](const auto& entry) {
    return !shapes.contains(entry.second);
  });
  std::erase_if(families_,
                [](const auto& entry) { return entry.second->users == 0; });
}

LineCacheStats LineCache::stats() const {
  LineCacheStats s;
  s.lines = lines_.size();
  s.layouts = by_content_.size();
  s.families = families_.size();
  s.shapes = shapes_.size();
  s.bytes = line_bytes_ + layout_bytes_;
  s.built = built_;
  s.uncached = uncached_;
  return s;
}

}  // namespace fodc::api
