// SPDX-License-Identifier: Apache-2.0
// Kernel telemetry (KTM): what the kernel counts for the targets, by eBPF
// programs on tracepoints (directory bpf/). Loads them, keeps their filter on
// the targets, reads what they count. Each family of programs is on or off by
// itself; what the kernel refuses is told and tried again.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/kernel/kernel_view.h"
#include "fodc/kernel/reading.h"

namespace fodc::kernel {

inline constexpr std::size_t kMaxTargets = 8;

// How one target's tasks are told from others.
struct TargetFilter {
  // What names the target in logs.
  std::string name;
  // Its processes (thread groups), as seen in our process namespace. May be
  // empty: between a death and the restart its container goes on counting.
  std::vector<pid_t> processes;
};

struct TelemetryOptions {
  // Rows that SetTargets may have, 1 to kMaxTargets (more is cut). Kernel
  // memory is taken for so many.
  std::size_t max_targets = 1;
  // The cgroup (v2) that is the first target, whatever it holds, and also if
  // the row has no process: absolute, or under the root of the cgroup2 mount.
  // Empty: found by the processes.
  std::string cgroup_path = {};
  // Times one call in `sample_every`, which then stands for so many, while a
  // target makes more than `sample_above_per_second` read and write calls;
  // failures stay exact. 0: every call, always.
  std::uint64_t sample_above_per_second = 0;
  std::uint32_t sample_every = 16;  // rounded up to a power of 2, at most 4096
  // How often what was refused is tried again.
  std::chrono::nanoseconds retry_interval = std::chrono::minutes(1);
  // How long programs stay attached when no target has a process: a restart
  // within it is counted from its first call.
  std::chrono::nanoseconds linger = std::chrono::minutes(1);
  // Families that are not even tried; FamilyBit of each.
  std::uint32_t disabled_families = 0;
  // Bytes that may be spent on the array of what is in flight. If an entry for
  // every thread id does not fit, task storage takes its place.
  std::size_t in_flight_budget_bytes = std::size_t{1} << 20;
  std::string proc_root = "/proc";
  // What the kernel says; null for the real one. Must outlive the telemetry.
  const KernelView* kernel = nullptr;
};

// Not thread-safe: the agent's loop owns it. A call costs some system calls for
// each family and target, and attaching some tens of milliseconds.
// Does not see: io_uring, mmap (but for faults), AIO; splice, sendfile and
// copy_file_range; calls of 32-bit programs on a 64-bit kernel.
class Telemetry {
 public:
  // Never fails: what cannot be had is off, with a reason in Collect's answer.
  // Nothing is loaded or attached before there is a target. `clock` must
  // outlive the telemetry.
  static std::unique_ptr<Telemetry> Create(const TelemetryOptions& options,
                                           const Clock& clock);
  // Detaches and unloads everything: nothing stays in the kernel. (Neither does
  // it when the process is killed: the kernel closes what it held.)
  virtual ~Telemetry() = default;
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  // The rows of the target table, in order, at every collection; those beyond
  // max_targets are not counted, and have no reading. Sets the filter
  // in the kernel, anew if it went missing; loads and attaches for the first
  // target, detaches when none has had a process for `linger`.
  // A row counts by its cgroup (v2) if that is not the root and holds, with
  // its descendants, no process but those of the row and their descendants,
  // and none of another row; else by thread group. Its counters begin at zero
  // when its container is another one (another cgroup directory), and go on
  // when only processes changed, or the first of them was moved.
  virtual void SetTargets(std::span<const TargetFilter> targets) = 0;

  // Reads all counters, one reading for each row of the last SetTargets, and
  // appends what happened since the last call to `events` (not null). Counters
  // never fall within one TargetReading::life.
  virtual std::vector<TargetReading> Collect(
      std::vector<KernelEvent>* events) = 0;

  // State of the programs and of the whole machine; of the last calls.
  virtual const Overview& overview() const = 0;

 protected:
  Telemetry() = default;
};

}  // namespace fodc::kernel
