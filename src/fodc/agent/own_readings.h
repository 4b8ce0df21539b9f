// SPDX-License-Identifier: Apache-2.0
// What the agent records of itself, beside its node: a source "agent".
#pragma once

#include <cstddef>
#include <cstdint>

#include "fodc/base/clock.h"
#include "fodc/base/unique_fd.h"
#include "fodc/collect/collector.h"
#include "fodc/collect/readings.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {

inline constexpr std::string_view kAgentSource = "agent";

// Belongs to the loop's thread.
class OwnReadings {
 public:
  // All but `clock` must outlive it.
  OwnReadings(const Clock& clock, recorder::Recording& recording,
              const collect::Collector& collector, std::size_t budget_bytes);

  // Appends one frame.
  void Read(recorder::FrameTime time);

 private:
  recorder::Recording& recording_;
  const collect::Collector& collector_;
  const double budget_bytes_;
  const double start_seconds_;
  UniqueFd statm_;
  collect::Readings readings_;
  collect::Readings::Index start_, cpu_, resident_, steps_, offset_, missed_,
      bytes_, budget_, series_, window_, expected_, refused_, refused_lines_,
      evicted_;
};

}  // namespace fodc::agent
