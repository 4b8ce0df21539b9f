// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/baseline.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fodc::detect {
namespace {

// Of the numbers that are known; NaN if they are fewer than `least`. Of an even
// number the upper one of the two in the middle.
double Median(std::vector<double>* values, std::size_t least) {
  std::erase_if(*values, [](double v) { return std::isnan(v); });
  if (values->empty() || values->size() < least)
    return std::numeric_limits<double>::quiet_NaN();
  const auto middle =
      values->begin() + static_cast<std::ptrdiff_t>(values->size() / 2);
  std::nth_element(values->begin(), middle, values->end());
  return *middle;
}

}  // namespace

bool Baseline::is_ready() const {
  return static_cast<double>(ring_.size()) >= options_.min_history_windows;
}

void Baseline::Learn(const Window& calm) {
  const auto most = static_cast<std::size_t>(options_.history_windows);
  if (ring_.size() < most) {
    ring_.push_back(calm);
  } else {
    ring_[next_] = calm;
    next_ = (next_ + 1) % most;
  }
  std::vector<double> values;
  const auto median = [&](std::size_t least, const auto& get) {
    values.clear();
    for (const Window& w : ring_) values.push_back(get(w));
    return Median(&values, least);
  };
  const auto least = static_cast<std::size_t>(options_.min_history_windows);
  typical_.reads = median(1, [](const Window& w) { return w.reads; });
  typical_.p50 = median(least, [](const Window& w) { return w.p50; });
  typical_.p95 = median(least, [](const Window& w) { return w.p95; });
  typical_.p99 = median(least, [this](const Window& w) {
    return w.reads < 5 * options_.min_reads
               ? std::numeric_limits<double>::quiet_NaN()
               : w.p99;
  });
  for (const FactDesc& d : AllFacts()) {
    typical_.facts[d.fact] =
        median(1, [&d](const Window& w) { return w.facts[d.fact]; });
  }
}

void Baseline::Clear() {
  ring_.clear();
  next_ = 0;
  typical_ = {};
}

}  // namespace fodc::detect
