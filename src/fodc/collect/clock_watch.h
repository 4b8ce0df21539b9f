// SPDX-License-Identifier: Apache-2.0
// Notices when the wall clock steps against the monotonic one.
#pragma once

#include <chrono>
#include <cstdint>

#include "fodc/base/clock.h"

namespace fodc::collect {

// Not thread-safe. A machine that slept is seen as a step forward: the
// monotonic clock stands still meanwhile. What NTP slews (at most 500 us a
// second) is no step.
class ClockWatch {
 public:
  static constexpr std::chrono::milliseconds kStep{100};

  // `clock` must outlive the watch.
  explicit ClockWatch(const Clock& clock);

  // Compares with the previous call; the size of the step, 0 if there was
  // none.
  std::chrono::nanoseconds Look();

  std::uint64_t steps() const { return steps_; }
  // The wall clock's gain since the start: steps and slewing, signed.
  std::chrono::milliseconds offset() const;

 private:
  std::chrono::nanoseconds Difference() const;

  const Clock& clock_;
  const std::chrono::nanoseconds start_;
  std::chrono::nanoseconds last_;
  std::uint64_t steps_ = 0;
};

}  // namespace fodc::collect
