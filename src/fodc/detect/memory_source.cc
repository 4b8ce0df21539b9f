// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/memory_source.h"

#include <utility>

#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/pidfd.h"

namespace fodc::detect {

KernelMemory::KernelMemory(pid_t pid, std::uint64_t start_ticks, UniqueFd pidfd,
                           MemoryGauge gauge,
                           const KernelMemoryOptions& options)
    : pid_(pid),
      start_ticks_(start_ticks),
      options_(options),
      pidfd_(std::move(pidfd)),
      gauge_(std::move(gauge)) {}

Result<std::unique_ptr<KernelMemory>> KernelMemory::Open(
    pid_t pid, std::uint64_t start_ticks, const KernelMemoryOptions& options) {
  // Held before the start is compared: what is opened by the pid in between is
  // then this process's. Before Linux 5.3 there is none, and its files say that
  // it is gone.
  UniqueFd pidfd = target::OpenPidfd(pid);
  FODC_ASSIGN_OR_RETURN(MemoryGauge gauge,
                        MemoryGauge::Open({.proc_root = options.proc_root,
                                           .sys_root = options.sys_root,
                                           .pid = pid}));
  FODC_ASSIGN_OR_RETURN(const ProcessStat stat,
                        ReadProcessStat(options.proc_root, pid));
  if (stat.start_ticks != start_ticks) {
    return NotFound(StrCat("pid ", pid, " is another process by now"));
  }
  std::unique_ptr<KernelMemory> memory(new KernelMemory(
      pid, start_ticks, std::move(pidfd), std::move(gauge), options));
  if (options.has_events) {
    memory->OpenEvents();
    memory->OpenStall();
  }
  return memory;
}

bool KernelMemory::HasEnded() const {
  return pidfd_.ok() && target::HasEnded(pidfd_.get());
}

void KernelMemory::ReadLimits() {
  gauge_.ReadLimits();
  if (options_.has_events) OpenEvents();
}

void KernelMemory::OpenEvents() {
  const auto group = gauge_.group();
  const std::uint64_t limit = gauge_.has_cgroup_limit() ? limit_bytes() : 0;
  const std::string path = group ? group->path : std::string();
  if (path == events_group_ && limit == events_limit_) return;
  events_group_ = path;
  events_limit_ = limit;
  events_ = {};
  if (limit == 0) return;
  auto events =
      ThresholdEvents::Open(*group, {PercentOf(limit, options_.trigger_percent),
                                     PercentOf(limit, options_.hard_percent)});
  events_problem_ = events.ok() ? "" : events.status().message();
  if (events.ok()) events_ = *std::move(events);
}

std::string KernelMemory::EventsProblem() const {
  std::string text;
  if (!options_.has_events) return "they are switched off";
  if (!events_problem_.empty())
    text = StrCat("threshold events: ", events_problem_);
  if (!stall_problem_.empty()) {
    text += StrCat(text.empty() ? "" : "; ", "stall events: ", stall_problem_);
  }
  return text;
}

// The target's own pressure, else the machine's.
void KernelMemory::OpenStall() {
  const auto& place = gauge_.place();
  if (place && place->unified) {
    auto own = OpenPsiTrigger(place->unified->path + "/memory.pressure", {});
    if (own.ok()) {
      stall_ = *std::move(own);
      return;
    }
  }
  auto machine = OpenPsiTrigger(options_.proc_root + "/pressure/memory", {});
  if (machine.ok()) {
    stall_ = *std::move(machine);
  } else {
    stall_problem_ = machine.status().message();
  }
}

}  // namespace fodc::detect
