// SPDX-License-Identifier: Apache-2.0
// Waiting for a condition with a deadline, in place of sleeping.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace fodc::test {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// Asks `done` every `pause` until it is true (the result is then true) or
// `limit` has passed. `done` is asked at least once more at the end.
inline bool WaitUntil(const std::function<bool()>& done,
                      std::chrono::milliseconds limit = 60s,
                      std::chrono::milliseconds pause = 20ms) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return done();
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace fodc::test
