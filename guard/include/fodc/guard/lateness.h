// SPDX-License-Identifier: Apache-2.0
// Evidence that isolation is needed: how late the host's control loop runs,
// and how often its queues were full. Pinned threads are for those whose
// numbers stay above zero with all limits on.
#pragma once

#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

// One loop of the host, for instance the one that runs consensus.
// Thread-safe, no lock.
class Starvation {
 public:
  // `loop` is the value of the label; one of few, never a peer. `metrics` must
  // outlive the object.
  // Errors: kInvalidArgument without metrics; as Metrics::FindCounter.
  static Result<Starvation> Create(std::string_view loop,
                                   Metrics* metrics) noexcept;

  // The loop came to something that was due earlier (or just now).
  void OnDue(MonotonicTime due, MonotonicTime now) noexcept;
  // Something for the loop was dropped or refused because its queue was full.
  void OnQueueFull() noexcept { queue_full_->Add(); }

  // An upper bound of the 99th of 100 latenesses so far, in seconds: that of
  // the histogram's bucket. 0 if nothing was due yet; infinity beyond the last.
  double p99_seconds() const noexcept;

 private:
  Starvation(Histogram* lateness, Counter* queue_full)
      : lateness_(lateness), queue_full_(queue_full) {}
  Histogram* lateness_;
  Counter* queue_full_;
};

}  // namespace fodc::guard
