// SPDX-License-Identifier: Apache-2.0
// A target that dies again and again soon after its start. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include "fodc/base/clock.h"

namespace fodc::detect {

struct DeathLoopOptions {
  // An instance that lived less has not started.
  std::chrono::nanoseconds young = std::chrono::seconds(30);
  int deaths = 3;  // in a row, and it is a loop
};

// Counts in a row: an instance that lives longer ends the loop. How long the
// supervisor waits between two starts does not matter, for it waits longer with
// each. Not thread-safe; of one target, over all its instances.
class DeathLoop {
 public:
  explicit DeathLoop(const DeathLoopOptions& options) : options_(options) {}

  enum class Change : std::uint8_t {
    kNone,
    kBegan,    // so many by now
    kAnother,  // it goes on
    kEnded,
  };
  // An instance of that age died.
  Change OnDeath(std::chrono::nanoseconds age) {
    if (age >= options_.young) return Calm();
    ++deaths_;
    if (deaths_ < options_.deaths) return Change::kNone;
    return deaths_ == options_.deaths ? Change::kBegan : Change::kAnother;
  }
  // An instance of that age is there. Now and then.
  Change OnAlive(std::chrono::nanoseconds age) {
    return age >= options_.young ? Calm() : Change::kNone;
  }

  // In a row, so far.
  int deaths() const { return deaths_; }
  bool is_loop() const { return deaths_ >= options_.deaths; }
  // What an earlier life of the agent had counted.
  void Restore(int deaths) { deaths_ = deaths; }

 private:
  Change Calm() {
    const bool was_loop = is_loop();
    deaths_ = 0;
    return was_loop ? Change::kEnded : Change::kNone;
  }

  DeathLoopOptions options_;
  int deaths_ = 0;
};

}  // namespace fodc::detect
