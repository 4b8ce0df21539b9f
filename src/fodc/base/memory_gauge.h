// SPDX-License-Identifier: Apache-2.0
// The one measure of memory under a limit, for whoever acts on it: what the
// limit is charged with and the kernel cannot simply drop.
//
// The limit is the smallest of physical memory and of the process's cgroup and
// all its ancestors. The charge is that of the group that has it: usage less
// active and inactive file pages and reclaimable slab (v1 does not tell the
// last: it stays in). Siblings that share the limit are in it. Without a cgroup
// limit: the resident pages of the process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/cgroup.h"
#include "fodc/base/status.h"

namespace fodc {

struct MemoryGaugeOptions {
  std::string proc_root = "/proc";
  std::string sys_root;  // put before mount points (tests)
  pid_t pid = 0;         // 0: this process, by "self"
};

// All descriptors are opened once, close-on-exec, and kept: what they name is
// what was opened, even if the pid or the group's name is in use again. A
// process that is moved is followed to its new group by ReadLimits.
// A read that succeeds allocates nothing. Not thread-safe.
class MemoryGauge {
 public:
  // Errors: as open(2) if not even the resident pages can be read; kNotFound
  // if the process is gone; kDataLoss if physical memory is not told.
  static Result<MemoryGauge> Open(const MemoryGaugeOptions& options);
  ~MemoryGauge();
  MemoryGauge(MemoryGauge&&) noexcept;
  MemoryGauge& operator=(MemoryGauge&&) noexcept;

  // The measure: the charge under a cgroup limit, else resident bytes. Nothing
  // if it cannot be read; last_error() says why.
  std::optional<std::uint64_t> ReadBytes();
  // The measure if it may have reached `line`; below it an estimate that costs
  // less: the charge never exceeds usage, and page cache is taken to be what it
  // was at the last charge that was read.
  std::optional<std::uint64_t> ReadBytesNear(std::uint64_t line);
  // Of group(), whether that has a limit or not.
  std::optional<std::uint64_t> ReadCharge();
  // What the limit counts, page cache included; of group(), too.
  std::optional<std::uint64_t> ReadUsage();
  std::optional<std::uint64_t> ReadResident();
  // As of the last read that gave nothing.
  Status last_error() const;

  // Reads all limits anew: they change under a running process. Every 30 s is
  // a good rhythm. A group whose limit can no longer be read counts as without.
  void ReadLimits();
  // The same of the groups that are known, for less: a process that was moved
  // is not followed, so that group() is one of them. Allocates nothing.
  void ReadKnownLimits();
  // Of the last ReadLimits, which Open implies.
  std::uint64_t limit_bytes() const;
  bool has_cgroup_limit() const;
  std::uint64_t physical_bytes() const;
  // The group that has the limit, or that of the process; nothing if none is
  // visible.
  std::optional<CgroupDirectory> group() const;
  // Where the process belongs; as FindCgroup says.
  const std::optional<CgroupPlace>& place() const;

 private:
  struct Impl;
  explicit MemoryGauge(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc
