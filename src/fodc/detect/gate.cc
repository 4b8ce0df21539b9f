// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/gate.h"

#include <algorithm>

namespace fodc::detect {
namespace {

// NaN compares as not slow.
bool IsSlow(double value, double usual, const Options& options) {
  return value >= usual * options.factor &&
         value - usual >= options.min_increase_seconds;
}

}  // namespace

Judgement Judge(const Window& window, const Window& typical, bool held,
                const Options& options) {
  const double least =
      held ? std::max(1.0, options.min_reads / 10) : options.min_reads;
  if (window.reads < least) return Judgement::kFewReads;
  if (IsSlow(window.p95, typical.p95, options)) return Judgement::kDegraded;
  if (window.reads >= 5 * least && IsSlow(window.p99, typical.p99, options))
    return Judgement::kDegraded;
  return window.reads < options.min_reads ? Judgement::kFewReads
                                          : Judgement::kNormal;
}

Gate::Change Gate::OnWindow(Judgement judgement) {
  if (judgement == Judgement::kDegraded) {
    others_ = 0;
    if (!is_open_ && ++degraded_ >= options_.start_windows) {
      is_open_ = true;
      return Change::kOpened;
    }
    return Change::kNone;
  }
  degraded_ = 0;
  if (is_open_ && ++others_ >= options_.end_windows) {
    Close();
    return Change::kClosed;
  }
  return Change::kNone;
}

void Gate::Close() {
  is_open_ = false;
  degraded_ = 0;
  others_ = 0;
}

}  // namespace fodc::detect
