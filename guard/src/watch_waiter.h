// SPDX-License-Identifier: Apache-2.0
// The watchdog's waits: until the time is over, the kernel has news of memory,
// or somebody wants the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/cgroup.h"
#include "fodc/base/status.h"

namespace fodc::guard {

// A seam for tests; MakeWatchWaiter gives the real one. Only Stop is
// thread-safe.
class WatchWaiter {
 public:
  enum class Woke : std::uint8_t { kTime, kThreshold, kStall, kStop };
  virtual ~WatchWaiter() = default;

  // News of the kernel's that come in its first `quiet` end it after those: a
  // group that reclaims all the time has thousands a second.
  virtual Woke Wait(std::chrono::nanoseconds at_most,
                    std::chrono::nanoseconds quiet) = 0;
  // Ends this and every further Wait.
  virtual void Stop() = 0;

  // Asks for events when usage crosses the lines (0: none) of the group, in
  // place of what was asked for before. cgroup v1: eventfds on usage, page
  // cache included. v2 has no such file: its own events (high, max, oom).
  virtual Status WatchGroup(const CgroupDirectory& group,
                            std::uint64_t soft_bytes,
                            std::uint64_t hard_bytes) = 0;
  // Asks for events when work stalls for memory: with what the service manager
  // passes in MEMORY_PRESSURE_WATCH and ..._WRITE, else (also if that cannot be
  // used) in the group, else on the machine. What is in force, for people.
  virtual Result<std::string> WatchStalls(
      const std::optional<CgroupDirectory>& unified_group) = 0;
};

// Errors: as eventfd(2).
Result<std::unique_ptr<WatchWaiter>> MakeWatchWaiter();

}  // namespace fodc::guard
