// SPDX-License-Identifier: Apache-2.0
// Where a number that grows towards a limit is going, and how long it is safe
// not to look at it. Pure: times come with the samples.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "fodc/base/clock.h"

namespace fodc {

// How fast memory may fill when nothing is known: what one core can touch.
inline constexpr double kAssumedFillBytesPerSecond = 6000.0 * (1 << 20);

struct CadenceOptions {
  std::chrono::nanoseconds shortest = std::chrono::milliseconds(10);
  std::chrono::nanoseconds longest = std::chrono::seconds(1);
  double assumed_bytes_per_second = kAssumedFillBytesPerSecond;
};

// Remembers a minute of slopes. Not thread-safe; allocates nothing.
class Forecast {
 public:
  // Times must not fall; a sample of the same time replaces the one before.
  void Add(MonotonicTime at, std::uint64_t bytes);
  void Reset() { *this = Forecast(); }

  // Over the last second, or between the last two samples if they are farther
  // apart. Negative when it shrinks. Nothing before the second sample.
  std::optional<double> slope_bytes_per_second() const;
  // The fastest growth between two samples of the last minute; 0 if none.
  double fastest_bytes_per_second() const;
  // Until the limit is reached if it grows on so; 0 when it is. Nothing while
  // it does not grow.
  std::optional<double> SecondsTo(std::uint64_t limit_bytes) const;
  // Whether one more step like the last passes limit - margin.
  bool NextStepReaches(std::uint64_t limit_bytes,
                       std::uint64_t margin_bytes) const;

 private:
  struct Sample {
    MonotonicTime at;
    std::uint64_t bytes = 0;
  };
  // The fastest slope that was seen in one second.
  struct Fastest {
    std::int64_t second = -1;
    double bytes_per_second = 0;
  };
  static constexpr std::int64_t kSeconds = 60;
  // Kept for slopes: farther apart than the kernel's own coarseness, near
  // enough that a second of them fits.
  static constexpr std::chrono::milliseconds kSpacing{8};
  static constexpr std::size_t kKept = 128;

  const Sample& Kept(std::size_t back) const {
    return kept_[(kept_count_ - 1 - back) % kKept];
  }

  std::optional<Sample> newest_;
  std::optional<Sample> previous_;
  std::array<Sample, kKept> kept_{};
  std::size_t kept_count_ = 0;  // ever
  std::array<Fastest, kSeconds> fastest_{};
};

// The wait that lets nothing through: headroom by the assumed rate, or by twice
// `fastest_bytes_per_second` if that is more; within the options' bounds.
std::chrono::nanoseconds NextWait(const CadenceOptions& options,
                                  std::uint64_t bytes,
                                  std::uint64_t threshold_bytes,
                                  double fastest_bytes_per_second);

}  // namespace fodc
