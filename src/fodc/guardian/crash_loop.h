// SPDX-License-Identifier: Apache-2.0
// Keeps the guardian from making a target unstartable: one whose memory lies
// above the line soon after each start is not asked to stop again and again.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

#include "fodc/base/clock.h"

namespace fodc::guardian {

// Not thread-safe; of one target, over all its instances.
class CrashLoop {
 public:
  static constexpr std::size_t kTerminations = 3;
  static constexpr std::chrono::minutes kWindow{10};
  static constexpr std::chrono::seconds kYoung{60};  // a target's age

  // A target of that age was asked to stop.
  void OnTermination(MonotonicTime now, std::chrono::nanoseconds age) {
    if (age >= kYoung) return;
    newest_ = (newest_ + 1) % kTerminations;
    young_[newest_] = now;
  }

  // So many young ones within the window: no more are sent.
  bool IsTripped(MonotonicTime now) const {
    for (const std::optional<MonotonicTime>& at : young_) {
      if (!at || now - *at >= kWindow) return false;
    }
    return true;
  }

 private:
  std::array<std::optional<MonotonicTime>, kTerminations> young_;
  std::size_t newest_ = 0;
};

}  // namespace fodc::guardian
