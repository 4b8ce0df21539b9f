// SPDX-License-Identifier: Apache-2.0
// The document of /cluster, written piece by piece.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "fodc/api/cpu_watch.h"
#include "fodc/base/clock.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/fleet.h"

namespace fodc::api {

// A few nodes at a time, whatever their size: reading takes longer than
// writing. What it refers to must outlive it.
class ClusterText {
 public:
  ClusterText(const fleet::Fleet& fleet, const CpuWatch& cpu,
              const Clock& clock, std::vector<fleet::Agent> agents);

  // Appends what comes next. Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  const fleet::Fleet& fleet_;
  const CpuWatch& cpu_;
  const Clock& clock_;
  const std::vector<fleet::Agent> agents_;
  std::size_t share_bytes_ = 0;
  std::size_t next_ = 0;
};

}  // namespace fodc::api
