// SPDX-License-Identifier: Apache-2.0
// One counter from frame to frame.
#pragma once

#include <cstdint>
#include <optional>

namespace fodc::detect {

// How much a counter grew, and in which time. Not thread-safe.
class CounterTrack {
 public:
  // The counter's value in a frame, whose time does not go back. One that fell
  // began anew at 0. A value that no counter has (NaN, an infinity, less than
  // 0) is as none.
  void Read(double value, std::int64_t monotonic_ms);
  // It is not in the frame: what it was before says nothing of what comes.
  void Vanish() { has_previous_ = false; }
  // Whether the newest frame had it.
  bool is_there() const { return has_previous_; }

  struct Growth {
    double amount = 0;
    double seconds = 0;
  };
  // Since the last Take; nothing if no two frames told.
  std::optional<Growth> Take();

 private:
  bool has_previous_ = false;
  double previous_ = 0;
  std::int64_t previous_ms_ = 0;
  Growth growth_;
};

}  // namespace fodc::detect
