// SPDX-License-Identifier: Apache-2.0
// What the memory watchdog tells: its gauges at each sample, and an event when
// something changes. survival.md names are kept in the texts.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "fodc/guard/event.h"
#include "fodc/guard/memwatch.h"
#include "fodc/guard/metrics.h"
#include "memory_sampler.h"
#include "memwatch_core.h"
#include "watch_waiter.h"

namespace fodc::guard {

// Series are found once; a sample costs a few stores and allocates nothing.
// Not thread-safe.
class WatchReport {
 public:
  // What both point to outlives the report.
  WatchReport(const EventSink* events, Metrics* metrics,
              bool pressure_profiler_gauges);

  // Before the first sample, with the settings in force.
  void Enabled(const MemorySampler& sampler, const MemwatchCore& core,
               bool adaptive) const;
  void Sampled(const MemoryState& state, const CoreDecision& decision,
               bool has_cgroup_limit);
  // Names the lines that lie the wrong way round.
  void LinesDoNotRise(std::uint64_t soft_limit_bytes, std::uint64_t soft_bytes,
                      std::uint64_t hard_bytes) const;
  void KernelEvent(WatchWaiter::Woke woke) const;
  void Fired(const MemoryState& state) const;
  void OverAtStart(const MemoryState& state) const;
  void SourceFailed(MemorySource source, bool slow) const;
  void SourceReplaced(MemorySource from, MemorySource to,
                      std::string_view reason) const;
  void LimitChanged(std::uint64_t before, std::uint64_t after) const;
  void Say(EventLevel level, std::string_view message, std::string_view key,
           std::string_view value) const;
  void Warn(std::string_view message, const Status& error) const;

 private:
  void SayChanges(const MemoryState& state, const CoreDecision& decision);

  const EventSink* events_;
  Gauge* source_bytes_[6] = {};  // by MemorySource
  Counter* failures_[6] = {};
  Counter* slow_ = nullptr;
  Gauge* limit_ = nullptr;
  Gauge* soft_ = nullptr;
  Gauge* hard_ = nullptr;
  Gauge* level_ = nullptr;
  Gauge* seconds_to_limit_ = nullptr;
  Gauge* poll_interval_ = nullptr;
  Gauge* unknown_ = nullptr;
  Gauge* below_baseline_ = nullptr;
  Counter* crossings_ = nullptr;
  Counter* stalls_ = nullptr;
  Gauge* profiler_rss_ = nullptr;
  Gauge* profiler_limit_ = nullptr;
  bool said_below_baseline_ = false;
};

}  // namespace fodc::guard
