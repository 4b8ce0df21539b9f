// SPDX-License-Identifier: Apache-2.0
// The part of each exposition line that comes before the value, rendered once
// and shared by every agent that exposes the series; and, for each set of
// series that a frame has, the lines in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fodc/exposition/identity.h"
#include "fodc/exposition/metric.h"
#include "fodc/recorder/series.h"

namespace fodc::api {

// A family of text pages, known by its name to every series of it.
struct Family {
  std::string name;
  std::uint32_t rank = 0;   // in the order of names; see SortFamilies
  std::uint32_t users = 0;  // lines and runs
};

// `name{a="x"` <gap> `,le="1"` <gap> `} `: the gaps are filled with stretches
// of an Identity's text. Immutable but for its use count.
struct Line {
  struct Piece {
    std::uint32_t text_bytes = 0;
    std::uint16_t first_label = 0;  // identity labels [first, last) follow
    std::uint16_t last_label = 0;
    std::uint8_t skip = 0;  // 1: without the comma
  };

  static_assert(exposition::kMaxShownNodeLabels + 3 <= UINT16_MAX);

  recorder::SeriesRef series;
  Family* family = nullptr;
  std::uint32_t text_bytes = 0;  // of all pieces
  std::uint32_t users = 0;       // layouts
  std::vector<Piece> pieces;
  std::unique_ptr<char[]> text;  // kCopySlack readable bytes follow
};

// Copies `n` bytes in moves of 32: up to 31 bytes beyond either end are
// touched.
inline char* CopyWide(char* out, const char* from, std::size_t n) {
  std::memcpy(out, from, 32);
  for (std::size_t done = 32; done < n; done += 32) {
    std::memcpy(out + done, from + done, 32);
  }
  return out + n;
}

// Writes the line up to its value. `out` has line.text_bytes +
// identity.text_bytes() + kCopySlack of room; offsets and text are those of an
// identity of the shape that the line was made for.
inline char* AppendLine(char* out, const Line& line,
                        const std::uint32_t* offsets, const char* identity) {
  const char* text = line.text.get();
  for (const Line::Piece& piece : line.pieces) {
    out = CopyWide(out, text, piece.text_bytes);
    text += piece.text_bytes;
    if (piece.first_label != piece.last_label) {
      const std::uint32_t begin = offsets[piece.first_label] + piece.skip;
      out = CopyWide(out, identity + begin, offsets[piece.last_label] - begin);
    }
  }
  return out;
}
inline char* AppendLine(char* out, const Line& line,
                        const exposition::Identity& identity) {
  return AppendLine(out, line, identity.block(), identity.text());
}

// What a frame's set of series looks like: its lines, and which stretches of
// them belong to one family. Shared by all agents whose frames have equal sets
// and whose identities have equal shapes.
struct Layout : std::enable_shared_from_this<Layout> {
  struct Run {
    Family* family = nullptr;
    std::uint32_t begin = 0;  // lines [begin, end)
    std::uint32_t end = 0;
  };
  using SeriesList = std::shared_ptr<const std::vector<recorder::SeriesRef>>;

  SeriesList series;
  std::uint32_t shape = 0;  // which identities fit
  std::uint64_t hash = 0;   // of series and shape
  // One for each series; null where the cache was full.
  std::vector<Line*> lines;
  std::vector<Run> runs;  // in the order of lines
  bool is_whole = true;   // no line is null
};
// Lines are changed by the cache only.
using LayoutRef = std::shared_ptr<const Layout>;

struct LineCacheStats {
  std::size_t lines = 0;
  std::size_t layouts = 0;
  std::size_t families = 0;
  std::size_t shapes = 0;      // of identities
  std::size_t bytes = 0;       // of lines and layouts
  std::uint64_t built = 0;     // layouts, ever
  std::uint64_t uncached = 0;  // lines that did not fit, ever
};

// Not thread-safe. Layouts must not outlive the cache.
class LineCache {
 public:
  // Beyond `max_bytes` of lines nothing more is cached: such lines are built
  // whenever they are shown, at many times the cost.
  explicit LineCache(std::size_t max_bytes = 64u << 20);
  ~LineCache();
  LineCache(const LineCache&) = delete;
  LineCache& operator=(const LineCache&) = delete;

  // The layout of these series for identities of this one's shape. `slot` names
  // whose frame it is (an agent's source): the layout asked for last stays
  // cached under it. Costs nothing if the list is the same as then, little if
  // only some series came or went, or if some other slot has equal series.
  LayoutRef Find(std::string_view slot, const Layout::SeriesList& series,
                 const exposition::Identity& identity);

  // The family of this name, which some cached line or layout has; else null.
  Family* FindFamily(std::string_view name) const;
  // Brings `rank` into the order of names.
  void SortFamilies();
  // Drops slots not asked for since the last call, and what nobody uses.
  void Sweep();

  LineCacheStats stats() const;

  // Makes the line of one series, cached nowhere; its family is not set.
  static void Build(const recorder::Series& series,
                    const exposition::Identity& identity,
                    exposition::LabelMerger* merger, Line* line);

 private:
  struct Key {
    const recorder::Series* series;
    std::uint32_t shape;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      return ((reinterpret_cast<std::uintptr_t>(k.series) >> 3) + k.shape) *
             0x9e3779b97f4a7c15u;
    }
  };
  struct Slot {
    Layout::SeriesList list;  // the one asked with: equal to the layout's
    LayoutRef layout;
    bool used = true;
  };

  Line* FindLine(const recorder::SeriesRef& series, std::uint32_t shape,
                 const exposition::Identity& identity);
  Family* InternFamily(std::string_view name);
  LayoutRef Make(const Layout* like, const Layout::SeriesList& series,
                 std::uint32_t shape, const exposition::Identity& identity);
  void Drop(Layout* layout);

  const std::size_t max_bytes_;
  std::unordered_map<Key, std::unique_ptr<Line>, KeyHash> lines_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
  std::map<std::string, std::uint32_t, std::less<>> shapes_;
  std::uint32_t next_shape_ = 0;
  std::map<std::string, Slot, std::less<>> slots_;
  std::unordered_multimap<std::uint64_t, Layout*> by_content_;
  bool families_sorted_ = true;
  std::size_t line_bytes_ = 0;
  std::size_t layout_bytes_ = 0;
  std::uint64_t built_ = 0;
  std::uint64_t uncached_ = 0;
  exposition::LabelMerger merger_;
};

}  // namespace fodc::api
