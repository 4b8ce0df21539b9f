// SPDX-License-Identifier: Apache-2.0
// What nodes use of their processors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/fleet.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::api {

// Looks at the counters now and then, for reading them out of a recording when
// somebody asks would cost far more. Not thread-safe.
class CpuWatch {
 public:
  // Each node is looked at so often, ...
  static constexpr std::chrono::seconds kInterval{5};
  // ... if Look is called so often: a call looks at some of them only.
  static constexpr std::chrono::milliseconds kTick{250};

  void Look(const fleet::Fleet& fleet, MonotonicTime now);
  // Cores, between the last look and one some 15 s before: all targets of the
  // agent, or what its pages say of themselves if it has none. Nothing yet
  // after one look, nor once the node is silent.
  std::optional<double> Cores(const fleet::AgentId& id) const;

 private:
  struct Counter {
    std::int64_t monotonic_ms = 0;
    double seconds = 0;
  };
  // Where the counters stand in a source's frames, for as long as these have
  // the same series.
  struct Places {
    std::shared_ptr<const std::vector<recorder::SeriesRef>> series;
    std::vector<std::uint32_t> targets;
    std::vector<std::uint32_t> pages;
  };
  struct Seen {
    recorder::Incarnation incarnation = 0;
    std::deque<Counter> counters;                       // oldest first
    std::map<std::string, Places, std::less<>> places;  // by source
  };

  void BeginRound(const fleet::Fleet& fleet);
  static void LookAt(const fleet::Mirror& mirror, MonotonicTime now,
                     Seen* seen);
  static void Find(const recorder::SourceFrame& frame, Places* places);

  std::map<fleet::AgentId, Seen> seen_;
  std::vector<fleet::AgentId> round_;
  std::size_t next_ = 0;  // of the round
  std::optional<MonotonicTime> round_began_;
};

}  // namespace fodc::api
