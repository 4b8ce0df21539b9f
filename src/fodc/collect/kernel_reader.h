// SPDX-License-Identifier: Apache-2.0
// Kernel telemetry of the targets, read at an interval of its own and recorded
// in the same moment.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "fodc/collect/kernel_samples.h"
#include "fodc/collect/targets.h"
#include "fodc/kernel/telemetry.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// Belongs to the loop's thread.
class KernelReader {
 public:
  struct Options {
    std::chrono::nanoseconds interval = std::chrono::seconds(10);
    bool fine_buckets = false;
  };

  // One source for each target, "kernel <name>". A null `telemetry` counts
  // nothing: frames say so, with `off_reason`, which must live for ever. All
  // references must outlive it.
  KernelReader(std::unique_ptr<kernel::Telemetry> telemetry,
               std::string_view off_reason, const Options& options,
               const Targets& targets, net::EventLoop& loop,
               recorder::Recording& recording);

  // Reads at once and then at each interval.
  void Start();
  void Stop() { timer_.Cancel(); }
  // Why reads are not counted; empty: they are, or there is no target yet.
  std::string ReadsProblem() const;
  // Called when frames have been appended.
  void set_on_recorded(std::function<void()> callback) {
    on_recorded_ = std::move(callback);
  }
  // Called with each event of a target, in their order.
  void set_on_event(
      std::function<void(const kernel::KernelEvent& event)> callback) {
    on_event_ = std::move(callback);
  }
  // A target has appeared, died or come back: counted from now on, without
  // waiting for the next reading.
  void Follow();

 private:
  void Read();
  void Tell(const kernel::KernelEvent& event);

  std::unique_ptr<kernel::Telemetry> telemetry_;
  const std::string_view off_reason_;
  const Options options_;
  const Targets& targets_;
  net::EventLoop& loop_;
  const kernel::Overview nothing_{};
  std::vector<std::unique_ptr<KernelSamples>> samples_;
  std::vector<kernel::TargetFilter> filters_;
  std::vector<kernel::KernelEvent> events_;
  std::function<void()> on_recorded_;
  std::function<void(const kernel::KernelEvent& event)> on_event_;
  net::EventLoop::Handle timer_;
};

}  // namespace fodc::collect
