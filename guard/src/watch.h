// SPDX-License-Identifier: Apache-2.0
// The watchdog's loop: sample, decide, tell, wait. What it stands on is given,
// so that tests run it on their own thread and clock.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "fodc/guard/memwatch.h"
#include "memory_sampler.h"
#include "memwatch_core.h"
#include "watch_report.h"
#include "watch_waiter.h"

namespace fodc::guard {

class Watch {
 public:
  // `options` outlives the watch; its clock is set.
  Watch(const MemwatchOptions& options, const CoreSettings& settings,
        std::unique_ptr<MemorySampler> sampler,
        std::unique_ptr<WatchWaiter> waiter);

  void Subscribe(LevelCallback callback) {
    subscribers_.push_back(std::move(callback));
  }
  // Says what is in force and asks the kernel for events. Before Run.
  void Begin();
  // Until it fires or is stopped. `before_callback` runs right before
  // on_pressure. True if it fired.
  bool Run(const std::function<void()>& before_callback);
  // Thread-safe.
  void Stop() { waiter_->Stop(); }

  // Thread-safe. Each number is that of a last sample, not all of the same.
  MemoryState state() const;
  MemoryLevel level() const { return level_.load(std::memory_order_relaxed); }
  const WatchReport& report() const { return report_; }

 private:
  // Returns what the sample comes to.
  CoreDecision Sample();
  void ReadKernelIfDue(MonotonicTime now, bool anyway);
  void ReadLimitsIfDue(MonotonicTime now);
  void Replace(std::string_view reason);
  void AskForEvents();
  void CheckLines() const;
  void Publish(const MemoryState& state);
  void TellSubscribers(MemoryLevel before, const MemoryState& state) const;
  void Fire(const CoreDecision& decision,
            const std::function<void()>& before_callback);

  const MemwatchOptions& options_;
  const Clock& clock_;
  MemwatchCore core_;
  std::unique_ptr<MemorySampler> sampler_;
  std::unique_ptr<WatchWaiter> waiter_;
  WatchReport report_;
  std::vector<LevelCallback> subscribers_;

  const MonotonicTime started_;
  MonotonicTime limits_read_;
  std::optional<MonotonicTime> kernel_read_;
  MemorySampler::Kernel kernel_;  // as of then
  bool last_failed_ = false;
  bool events_wanted_;
  MemoryState last_;  // of the loop's own thread

  std::atomic<MemoryLevel> level_{MemoryLevel::kNormal};
  std::atomic<MemorySource> source_{MemorySource::kRss};
  std::atomic<std::uint64_t> bytes_, rss_bytes_, cgroup_bytes_, limit_bytes_,
      threshold_bytes_;
  std::atomic<double> seconds_to_limit_;
};

}  // namespace fodc::guard
