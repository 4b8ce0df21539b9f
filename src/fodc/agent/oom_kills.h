// SPDX-License-Identifier: Apache-2.0
// What the kernel killed for memory since the agent began, on its /metrics:
// known without eBPF.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fodc/collect/targets.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

// Kills on the whole machine, by its own limit or a group's. Not thread-safe.
class MachineOomKills {
 public:
  explicit MachineOomKills(std::string proc_root = "/proc");
  // Since the object was made; nothing where the kernel does not count them
  // (before Linux 4.13).
  std::optional<std::uint64_t> Count();

 private:
  std::optional<std::uint64_t> Read() const;

  std::string path_;
  std::optional<std::uint64_t> before_;
};

// `targets` must outlive the metrics' last Collect.
void AddOomKillMetrics(program::OwnMetrics* metrics,
                       const collect::Targets* targets,
                       std::shared_ptr<MachineOomKills> machine);

}  // namespace fodc::agent
