// SPDX-License-Identifier: Apache-2.0
// What the watchdog measures: the source that was chosen, and the kernel's own
// numbers beside it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "fodc/base/cgroup.h"
#include "fodc/base/clock.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/guard/memwatch.h"
#include "heap.h"

namespace fodc::guard {

// A seam for tests; MakeMemorySampler gives the real one. Not thread-safe.
class MemorySampler {
 public:
  struct Sample {
    std::optional<std::uint64_t> bytes;  // of source()
    std::optional<std::uint64_t> rss_bytes;
    std::optional<std::uint64_t> cgroup_bytes;
    bool too_slow = false;  // the source stalls the process: leave it
  };
  virtual ~MemorySampler() = default;

  // Allocates nothing while it succeeds.
  virtual Sample Read() = 0;
  virtual Status last_error() const = 0;  // of a sample without bytes
  // The one in use, never kAuto.
  virtual MemorySource source() const = 0;
  // The next best source, for one that is of no use. False if there is none.
  virtual bool FallBack() = 0;

  // Reads the limits anew. What was chosen by kAuto follows them.
  virtual void ReadLimits() = 0;
  virtual std::uint64_t limit_bytes() const = 0;
  virtual bool has_cgroup_limit() const = 0;
  // Where the kernel can tell of events; nothing if no group is visible.
  virtual std::optional<CgroupDirectory> group() const = 0;
  virtual std::optional<CgroupDirectory> unified_group() const = 0;
};

// Errors: kNotFound for a source that this process does not have; else as
// MemoryGauge::Open.
Result<std::unique_ptr<MemorySampler>> MakeMemorySampler(
    MemorySource source, const Clock& clock,
    const MemoryGaugeOptions& gauge = {});

}  // namespace fodc::guard
