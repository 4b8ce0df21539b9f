// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/gate.h"

namespace fodc::detect {
namespace {

// NaN compares as not slow.
bool IsSlow(double value, double usual, const Options& options) {
  return value >= usual * options.factor &&
         value - usual >= options.min_increase_seconds;
}

// The disk that lets no five reads through is not to be missed. Half: one
// thread that does nothing but wait takes all of the time, and a bucket is a
// factor of two wide.
bool TookHalfOfTheTime(const Window& window) {
  const auto ms = static_cast<double>(window.to_ms - window.from_ms);
  return window.reads * window.p50 >= ms / 1e3 / 2;
}

}  // namespace

Judgement Judge(const Window& window, const Window& typical,
                const Options& options) {
  if (window.reads < options.min_reads) {
    const bool says_something =
        window.reads >= options.min_reads / 10 || TookHalfOfTheTime(window);
    return says_something && IsSlow(window.p50, typical.p50, options)
               ? Judgement::kDegraded
               : Judgement::kFewReads;
  }
  const bool has_p99 = window.reads >= 5 * options.min_reads;
  return IsSlow(window.p95, typical.p95, options) ||
                 (has_p99 && IsSlow(window.p99, typical.p99, options))
             ? Judgement::kDegraded
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
