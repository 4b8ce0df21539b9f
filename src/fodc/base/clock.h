// SPDX-License-Identifier: Apache-2.0
// Time, injected. clock.cc alone calls the system's clocks (tools/check_house
// holds everyone to it).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace fodc {

// CLOCK_MONOTONIC since boot: for deadlines, durations and order. It is what
// bpf_ktime_get_ns counts. Never a date.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock,
                                              std::chrono::nanoseconds>;
// CLOCK_REALTIME, UTC: for stamps. It may step.
using UnixTime = std::chrono::time_point<std::chrono::system_clock,
                                         std::chrono::nanoseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Monotonic() const = 0;
  virtual UnixTime Unix() const = 0;
};

// The machine's clocks. Lives for ever.
const Clock& SystemClock();

// A clock that stands still until the test moves it. Thread-safe.
class FakeClock final : public Clock {
 public:
  // Starts at 2026-01-01T00:00:00Z and a monotonic time of 1000 s.
  FakeClock();
  MonotonicTime Monotonic() const override;
  UnixTime Unix() const override;
  // Moves both.
  void Advance(std::chrono::nanoseconds by);
  // A step of the wall clock alone, as an operator or NTP does it.
  void StepUnix(std::chrono::nanoseconds by);

 private:
  mutable Mutex mutex_;
  MonotonicTime monotonic_ FODC_GUARDED_BY(mutex_);
  UnixTime unix_ FODC_GUARDED_BY(mutex_);
};

// Whole milliseconds since the Unix epoch, rounded down.
std::int64_t ToUnixMillis(UnixTime t);
UnixTime FromUnixMillis(std::int64_t ms);

// RFC 3339 in UTC. `digits` (0, 3, 6 or 9) of the fraction are always written:
// "2026-11-21T07:31:13.857Z" for 3.
std::string FormatRfc3339(UnixTime t, int digits);

// Accepts what RFC 3339 allows: a fraction of any length (digits beyond
// nanoseconds are cut), `Z` or a numeric offset.
// Errors: kInvalidArgument naming the text; years outside 1678..2261 are out
// of range of UnixTime and refused.
Result<UnixTime> ParseRfc3339(std::string_view text);

}  // namespace fodc
