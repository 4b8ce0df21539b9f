// SPDX-License-Identifier: Apache-2.0
// The time in which the kernel counts when processes began.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/kept_file.h"

namespace fodc::target {

// Ticks since boot, ClockTicksPerSecond of them in a second. Those of a
// suspension count, in which the monotonic clock stands still. Not thread-safe.
class BootTicks {
 public:
  // `clock` must outlive it.
  BootTicks(std::string proc_root, const Clock& clock);

  std::uint64_t Now();
  // For how long what began then has run.
  double AgeSeconds(std::uint64_t start_ticks) const;
  // On the wall clock.
  UnixTime TimeOf(std::uint64_t ticks) const;

 private:
  const std::string proc_root_;
  const Clock& clock_;
  OptionalFile uptime_;
  std::string buffer_;
};

}  // namespace fodc::target
