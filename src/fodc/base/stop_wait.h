// SPDX-License-Identifier: Apache-2.0
// A pause that ends early when it is asked to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace fodc {

// False if `stop` is requested before the time is over, or was before.
inline bool WaitUnlessStopped(std::chrono::nanoseconds time,
                              const std::stop_token& stop) {
  if (time <= std::chrono::nanoseconds(0)) return !stop.stop_requested();
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  (void)never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace fodc
