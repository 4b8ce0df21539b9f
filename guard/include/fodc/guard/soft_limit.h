// SPDX-License-Identifier: Apache-2.0
// Gives memory back before it is taken: above its line it shrinks the host's
// caches and has the allocator return what is free, and stops trying when that
// gives nothing. What Go's runtime does for its heap, for a process that has
// no such runtime.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/memwatch.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

// Where the line is. kDerived: 72 % of a finite cgroup limit, off without one.
struct SoftLimit {
  enum class Kind : std::uint8_t { kDerived, kOff, kBytes, kPercent };
  Kind kind = Kind::kDerived;
  std::uint64_t bytes = 0;
  double percent = 0;  // of the cgroup's limit; 1 to 100
};
// "off", "1800MiB" (B, KiB, MiB, GiB, TiB), "72%"; empty is off, too.
// Errors: kInvalidArgument naming the text.
Result<SoftLimit> ParseSoftLimit(std::string_view text) noexcept;
// The first that is given: command line, then <prefix>_MEMORY_SOFT_LIMIT, then
// configuration; kDerived if none is. An empty text is given: it is off.
// Errors: as ParseSoftLimit, naming where the text came from.
Result<SoftLimit> ChooseSoftLimit(
    std::optional<std::string_view> command_line,
    std::optional<std::string_view> configuration,
    std::string_view prefix = "FODC_GUARD") noexcept;

// A cache of the host's. `set_budget` is called on the limiter's thread, and
// must not stop or destroy the limiter; what it throws is dropped.
struct ReclaimableCache {
  std::string name = {};
  std::uint64_t budget_bytes = 0;   // in calm
  std::uint64_t minimum_bytes = 0;  // never less
  std::function<void(std::uint64_t budget_bytes)> set_budget = {};
};

struct SoftLimiterOptions {
  SoftLimit limit = {};
  EventSink events = {};
  Metrics* metrics = nullptr;    // fodc_guard_memory_reclaimed_bytes_total
  const Clock* clock = nullptr;  // none: the machine's
};

// Looks once a second, on a thread of its own (an allocator may take long).
// Above the line it makes a round: caches to half, down to their minimum; then
// jemalloc's purge, tcmalloc's release, or malloc_trim if less than half of
// what is resident is in use. Three rounds that give back less than 1 % of the
// limit end the trying, until memory was below the line or a memory level
// changed. Below 95 % of the line the budgets double each second until they are
// whole.
class SoftLimiter {
 public:
  // Errors: kInvalidArgument for a per cent outside of 1 to 100 or a line above
  // the limit; else as open(2).
  static Result<std::unique_ptr<SoftLimiter>> Create(
      SoftLimiterOptions options) noexcept;
  ~SoftLimiter();  // as Stop
  SoftLimiter(const SoftLimiter&) = delete;
  SoftLimiter& operator=(const SoftLimiter&) = delete;

  bool enabled() const noexcept;
  std::uint64_t limit_bytes() const noexcept;  // the line; 0 if off

  // Errors: kFailedPrecondition after Start; kInvalidArgument for a minimum
  // above the budget.
  Status AddCache(ReclaimableCache cache) noexcept;

  // A second call, and one while off, does nothing.
  // Errors: kResourceExhausted without a thread.
  Status Start() noexcept;
  void Stop() noexcept;

  // Looks at once (a second after the last round), and tries again if it had
  // stopped trying. For Memwatch::Subscribe. Async-signal-safe.
  void OnLevel(MemoryLevel level) noexcept;

 private:
  struct Impl;
  explicit SoftLimiter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A cache's size: `percent` (1 to 90) of the smallest of physical memory and
// all cgroup limits above this process; an `override_bytes` that is not 0 wins.
// Never from a soft limit: that is no budget of resident memory.
// Errors: kInvalidArgument; kNotFound if neither is known.
Result<std::uint64_t> CacheSize(double percent = 25,
                                std::uint64_t override_bytes = 0) noexcept;

}  // namespace fodc::guard
