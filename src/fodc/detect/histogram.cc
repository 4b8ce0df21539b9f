// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace fodc::detect {
namespace {

// Beyond, doubles do not count by one.
constexpr double kMostEvents = 9007199254740992.0;

bool HasBounds(const std::vector<HistogramTrack::Column>& columns) {
  if (columns.empty() || columns.size() > HistogramTrack::kMaxBuckets)
    return false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0 && columns[i].bound == columns[i - 1].bound) return false;
  }
  return columns.back().bound == std::numeric_limits<double>::infinity();
}

}  // namespace

double Buckets::total() const {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

std::optional<double> Buckets::Quantile(double q) const {
  const double all = total();
  if (!(all > 0)) return std::nullopt;
  const double rank = q * all;
  double below = 0;
  double lower = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const bool is_last = i + 1 == counts.size();
    if (is_last || below + counts[i] >= rank) {
      if (is_last) return lower;
      if (!(counts[i] > 0)) return bounds[i];
      return lower + (bounds[i] - lower) * ((rank - below) / counts[i]);
    }
    below += counts[i];
    lower = bounds[i];
  }
  return lower;
}

void HistogramTrack::SetColumns(std::vector<Column> columns) {
  const bool has_nan =
      std::any_of(columns.begin(), columns.end(),
                  [](const Column& c) { return std::isnan(c.bound); });
  if (has_nan) columns.clear();
  std::sort(columns.begin(), columns.end(),
            [](const Column& a, const Column& b) { return a.bound < b.bound; });
  if (!HasBounds(columns)) columns.clear();
  const bool same = std::equal(
      columns.begin(), columns.end(), columns_.begin(), columns_.end(),
      [](const Column& a, const Column& b) { return a.bound == b.bound; });
  columns_ = std::move(columns);
  if (same) return;
  previous_.clear();
  counted_.assign(columns_.size(), 0);
  has_counted_ = false;
}

HistogramTrack::Step HistogramTrack::Read(std::span<const double> values) {
  if (columns_.empty()) return Step::kNothing;
  current_.clear();
  double most = 0;
  for (const Column& c : columns_) {
    const double v = values[c.line];
    if (!(v >= 0 && v <= kMostEvents)) {
      previous_.clear();
      return Step::kNothing;
    }
    // Buckets of one frame may be read while they are counted.
    most = std::max(most, v);
    current_.push_back(most);
  }
  const bool is_first = previous_.empty();
  const bool went_back =
      !is_first && !std::equal(current_.begin(), current_.end(),
                               previous_.begin(), std::greater_equal<>());
  if (!is_first && !went_back) {
    for (std::size_t i = 0; i < current_.size(); ++i)
      counted_[i] += current_[i] - previous_[i];
    has_counted_ = true;
  }
  previous_.swap(current_);
  if (went_back) return Step::kReset;
  return is_first ? Step::kNothing : Step::kCounted;
}

Buckets HistogramTrack::Take() {
  Buckets out;
  double below = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out.bounds.push_back(columns_[i].bound);
    out.counts.push_back(std::max(0.0, counted_[i] - below));
    below = std::max(below, counted_[i]);
  }
  std::fill(counted_.begin(), counted_.end(), 0);
  has_counted_ = false;
  return out;
}

}  // namespace fodc::detect
