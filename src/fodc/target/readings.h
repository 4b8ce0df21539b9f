// SPDX-License-Identifier: Apache-2.0
// What a target and its container use right now. Absent is what the kernel
// does not tell or what may not be read.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/cgroup.h"
#include "fodc/base/clock.h"
#include "fodc/base/psi.h"
#include "fodc/target/target.h"

namespace fodc::target {

struct ProcessReadings {
  std::optional<double> cpu_user_seconds;
  std::optional<double> cpu_system_seconds;
  std::optional<std::uint64_t> minor_faults;
  std::optional<std::uint64_t> major_faults;
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> virtual_bytes;
  std::optional<std::uint64_t> resident_bytes;
  std::optional<std::uint64_t> resident_anon_bytes;
  std::optional<std::uint64_t> swap_bytes;
  std::optional<std::uint64_t> open_files;
  std::optional<std::uint64_t> max_open_files;  // absent if unlimited, too
  std::optional<std::uint64_t> read_storage_bytes;
  std::optional<std::uint64_t> write_storage_bytes;
  // Of the main thread alone.
  std::optional<std::uint64_t> main_thread_voluntary_switches;
  std::optional<std::uint64_t> main_thread_involuntary_switches;
};

struct TargetReadings {
  std::uint64_t instance = 0;  // 0: no process; then `process` is empty
  ProcessReadings process;
  // Of the container of the current or the last instance.
  std::optional<CgroupMemory> memory;
  std::optional<CgroupCpu> cpu;
  CgroupPressure pressure;
};

struct ReaderOptions {
  std::string proc_root = "/proc";
  std::string sys_root;  // before cgroup mount points; for tests
  // Limits and the place in the cgroup tree are looked up this often.
  std::chrono::nanoseconds limits_interval = std::chrono::seconds(30);
};

// Reads one row of the table through descriptors that it keeps; between two
// looks at the limits nothing is allocated. Not thread-safe.
class TargetReader {
 public:
  // `clock` must outlive the reader.
  TargetReader(ReaderOptions options, const Clock& clock);
  ~TargetReader();
  TargetReader(TargetReader&&) noexcept;

  // Never another process's values, even if the pid is in use again. What
  // fails is absent, the rest is there.
  TargetReadings Read(const Row& row);

  // For the log: what could not be read of this instance ("/proc/1/io: ..."),
  // the first of them; empty if all could.
  const std::string& problem() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// /proc/pressure, of the whole machine.
class MachineReader {
 public:
  explicit MachineReader(const std::string& proc_root = "/proc");
  CgroupPressure Read();

 private:
  OptionalFile cpu_;
  OptionalFile memory_;
  OptionalFile io_;
  std::string buffer_;
};

}  // namespace fodc::target
