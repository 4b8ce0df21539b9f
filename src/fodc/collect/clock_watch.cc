// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/clock_watch.h"

namespace fodc::collect {

ClockWatch::ClockWatch(const Clock& clock)
    : clock_(clock), start_(Difference()), last_(start_) {}

std::chrono::nanoseconds ClockWatch::Difference() const {
  return clock_.Unix().time_since_epoch() -
         clock_.Monotonic().time_since_epoch();
}

std::chrono::nanoseconds ClockWatch::Look() {
  const std::chrono::nanoseconds now = Difference();
  const std::chrono::nanoseconds step = now - last_;
  last_ = now;
  if (step < kStep && step > -kStep) return {};
  ++steps_;
  return step;
}

std::chrono::milliseconds ClockWatch::offset() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(last_ - start_);
}

}  // namespace fodc::collect
