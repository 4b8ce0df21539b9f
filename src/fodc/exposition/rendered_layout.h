// SPDX-License-Identifier: Apache-2.0
// The text of series, rendered once: everything of a line but its value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/exposition/metric.h"

namespace fodc::exposition {

// A list of series as PageWriter writes them: grouped by family, families by
// name, and within a family by label set, then buckets and quantiles by
// number. Immutable: may be shared between threads, and between all agents that
// expose the same series and carry identity labels of the same names.
//
// A family gets a type only if that format allows it for the names of its
// series. In text 0.0.4 that is: counters under their full name; info and
// stateset as gauges; gauge histograms and `_created` without a type. In
// OpenMetrics: a counter whose name lacks `_total` is of type unknown.
class RenderedLayout {
 public:
  // Bytes that may be read behind text().
  static constexpr std::size_t kSlackBytes = 32;

  struct Line {
    std::uint32_t at = 0;         // in text
    std::uint32_t size = 0;       // up to the identity labels or the value
    std::uint32_t series = 0;     // index of the value
    std::uint32_t name_size = 0;  // the line starts with the series' name
  };
  // Strings are offsets into the text of the layout.
  struct Family {
    std::string_view name;
    MetricType type = MetricType::kUnknown;
    std::string_view help;  // escaped
    std::string_view unit;  // empty unless it may be written
    std::uint32_t first_line = 0;
    std::uint32_t line_count = 0;
  };

  // `identity_names`: the labels that RenderIdentity will give, in any order. A
  // label of a series with one of these names becomes `exported_<name>`, with
  // as many `exported_` as it takes to be free.
  static std::shared_ptr<const RenderedLayout> Build(
      Format format, std::span<const SeriesDesc> series,
      std::span<const std::string_view> identity_names = {});

  Format format() const { return format_; }
  bool has_identity() const { return has_identity_; }
  std::size_t series_count() const { return lines_.size(); }
  std::span<const Family> families() const { return families_; }
  std::span<const Line> lines() const { return lines_; }
  std::string_view text() const {
    return {text_.data(), text_.size() - kSlackBytes};
  }
  std::size_t memory_bytes() const;

 private:
  RenderedLayout() = default;

  Format format_ = Format::kText;
  bool has_identity_ = false;
  std::vector<char> text_;
  std::vector<Line> lines_;
  std::vector<Family> families_;
};

// The identity labels of one agent or endpoint, as its lines carry them behind
// the labels of the series. Empty for no labels.
std::string RenderIdentity(std::span<const Label> identity);

}  // namespace fodc::exposition
