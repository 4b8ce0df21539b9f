// SPDX-License-Identifier: Apache-2.0
// Threads that do the same, one for each connection, until time or count is
// over.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "examples/kvload/loads.h"
#include "fodc/base/clock.h"

namespace kvload {

// When the next request of one thread is due. Its time is counted from then,
// so that a node that stands still for a second is seen to have delayed all
// that should have been asked in it.
class Pace {
 public:
  // `rate`: requests a second of this thread, 0 without a pace; with
  // `ramp_over`, it grows from 0 to that.
  Pace(double rate, std::chrono::nanoseconds ramp_over,
       fodc::MonotonicTime start)
      : rate_(rate), ramp_over_(ramp_over), start_(start) {}

  // Waits until the next is due, and returns when that was.
  fodc::MonotonicTime Next();

 private:
  double rate_;
  std::chrono::nanoseconds ramp_over_;
  fodc::MonotonicTime start_;
  std::uint64_t n_ = 0;
};

class Crew {
 public:
  explicit Crew(const LoadOptions& options);

  // Runs `work(i)` on a thread for each connection and waits for all.
  void Run(const std::function<void(std::size_t)>& work) const;
  // Whether a thread should make one more request; counts it.
  bool More();
  bool TimeIsOver() const;
  Pace MakePace(bool ramp) const;
  std::chrono::nanoseconds elapsed() const;

 private:
  const LoadOptions& options_;
  const fodc::MonotonicTime start_;
  std::atomic<std::int64_t> begun_{0};
};

// After a failure: a node that is gone comes back, but not in a microsecond.
void PauseAfterFailure();

}  // namespace kvload
