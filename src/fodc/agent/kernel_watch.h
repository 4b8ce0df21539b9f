// SPDX-License-Identifier: Apache-2.0
// Kernel telemetry and the detector of slow reads, wired: what the kernel
// counts of the targets is recorded, and each frame of the recording judged.
#pragma once

#include <functional>
#include <memory>

#include "fodc/agent/options.h"
#include "fodc/agent/slow_reads.h"
#include "fodc/collect/kernel_reader.h"
#include "fodc/collect/targets.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class KernelWatch {
 public:
  // Null if the mode is kOff. `bounds` and `signals` are the detector's. Where
  // the kernel refuses, the log says so, and the frames say why nothing is
  // counted. The references must outlive it.
  static std::unique_ptr<KernelWatch> Create(
      const Options& options, KtmMode mode, const detect::Options& bounds,
      detect::SignalMap signals, const collect::Targets& targets,
      net::EventLoop& loop, recorder::Recording& recording,
      evidence::IncidentList& incidents);

  // Called when it has appended frames.
  void set_on_recorded(std::function<void()> callback) {
    on_recorded_ = std::move(callback);
  }
  // Called with each death of a target's process that the kernel told of.
  void set_on_death(
      std::function<void(const kernel::KernelEvent& event)> callback) {
    reader_.set_on_event(std::move(callback));
  }
  // Why there are no verdicts on reads for now; empty: there may be.
  std::string problem() const {
    return problem_.empty() ? reader_.ReadsProblem() : problem_;
  }
  // Called when the list of incidents has changed.
  void set_on_incident(std::function<void()> callback) {
    slow_reads_.set_on_incident(std::move(callback));
  }

  void Start() { reader_.Start(); }
  void Stop() { reader_.Stop(); }
  // A target has appeared, died or come back.
  void Follow() { reader_.Follow(); }
  // Others have appended frames: see SlowReads.
  void OnAppended() { slow_reads_.OnAppended(); }

 private:
  KernelWatch(const Options& options, KtmMode mode,
              const detect::Options& bounds, detect::SignalMap signals,
              const collect::Targets& targets, net::EventLoop& loop,
              recorder::Recording& recording,
              evidence::IncidentList& incidents);
  void OnRead();

  net::EventLoop& loop_;
  // Known at the start; before the reader, whose making tells it.
  std::string problem_;
  collect::KernelReader reader_;
  SlowReads slow_reads_;
  std::function<void()> on_recorded_;
};

}  // namespace fodc::agent
