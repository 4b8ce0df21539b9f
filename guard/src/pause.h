// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>

namespace fodc::guard {

// A millisecond, also for a signal handler.
inline void Pause() {
  const timespec ms{0, 1'000'000};
  (void)::nanosleep(&ms, nullptr);
}

}  // namespace fodc::guard
