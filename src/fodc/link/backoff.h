// SPDX-License-Identifier: Apache-2.0
// For this room only: how long to wait before the next attempt.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace fodc::link {

// Full jitter: each delay is taken at random up to a bound that doubles from
// `first` to `last`, so that a fleet which lost its proxy does not come back as
// one; but it is never less than half of `first`.
class Backoff {
 public:
  Backoff(std::chrono::nanoseconds first, std::chrono::nanoseconds last,
          std::uint64_t seed)
      : first_(first), last_(last), bound_(first), random_(seed) {}

  std::chrono::nanoseconds Next() {
    const std::int64_t most = bound_.count();
    bound_ = std::min(bound_ * 2, std::max(first_, last_));
    return std::chrono::nanoseconds(std::uniform_int_distribution<std::int64_t>(
        first_.count() / 2, most)(random_));
  }
  // After a success.
  void Reset() { bound_ = first_; }

 private:
  const std::chrono::nanoseconds first_;
  const std::chrono::nanoseconds last_;
  std::chrono::nanoseconds bound_;
  std::mt19937_64 random_;
};

}  // namespace fodc::link
