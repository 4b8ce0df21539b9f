// SPDX-License-Identifier: Apache-2.0
// Control groups, v1, v2 and both at once: where a process belongs, and what
// its group uses and may use. cgroups(7); Linux,
// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
// Absent is what the kernel does not tell, or what has no limit.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/kept_file.h"
#include "fodc/base/psi.h"
#include "fodc/base/status.h"

namespace fodc {

enum class CgroupVersion : std::uint8_t { kV1 = 1, kV2 = 2 };

// A group's directory in one mounted hierarchy.
struct CgroupDirectory {
  CgroupVersion version = CgroupVersion::kV2;
  std::string mount;     // the top that is visible here
  std::string path;      // in or below `mount`
  bool is_root = false;  // the root of the hierarchy itself

  friend bool operator==(const CgroupDirectory&,
                         const CgroupDirectory&) = default;
};

// Where a process belongs, by controller. On v2 alone all are the same
// directory, where the controller is enabled for it.
struct CgroupPlace {
  std::optional<CgroupDirectory> memory;
  std::optional<CgroupDirectory> cpu;      // quota and throttling
  std::optional<CgroupDirectory> cpuacct;  // usage
  std::optional<CgroupDirectory> unified;  // v2: pressure

  friend bool operator==(const CgroupPlace&, const CgroupPlace&) = default;
};

// One line of /proc/<pid>/cgroup: "4:memory:/a/b" (v1), "0::/a/b" (v2).
struct CgroupMembership {
  bool is_v2 = false;
  std::vector<std::string> controllers;  // v1
  // From the root of our cgroup namespace, with "/.." for each group above it.
  std::string path;
};
// Lines that are not understood are passed over.
std::vector<CgroupMembership> ParseCgroupMemberships(std::string_view text);

// A cgroup mount of /proc/self/mountinfo.
struct CgroupMount {
  bool is_v2 = false;
  std::vector<std::string> controllers;  // v1; of its options
  std::string root;   // the group that is its top; as CgroupMembership::path
  std::string mount;  // where, with octal escapes undone
};
// Other mounts, lines that are not understood, and what was mounted over are
// passed over.
std::vector<CgroupMount> ParseCgroupMounts(std::string_view text);

// The directory of `path` (as /proc/<pid>/cgroup gives it) under the mount.
// Nothing if it lies outside of what the mount shows, or if the texts do not
// tell: the mount's top may lie above the path's by groups without a name.
std::optional<std::string> ResolveCgroupPath(const CgroupMount& mount,
                                             std::string_view path);

// The processes of the group itself, as our process namespace numbers them; 0
// for each of another namespace. Errors: as open(2) and read(2), kDataLoss.
Result<std::vector<pid_t>> ReadCgroupProcesses(const std::string& directory);

// Reads <proc_root>/<pid>/cgroup and <proc_root>/self/mountinfo. `sys_root`
// is put before each mount point (tests). In a cgroup namespace a group beside
// ours is found too: under a mount that shows more (that of the host), by the
// process that it holds, which costs a look at each group above; else under
// the mounts of the process, in <proc_root>/<pid>/root, which needs
// CAP_SYS_PTRACE and lasts as long as the process.
// Errors: as open(2); kNotFound if the process is in no group that is visible.
Result<CgroupPlace> FindCgroup(std::string_view proc_root, pid_t pid,
                               std::string_view sys_root = "");

struct CgroupMemory {
  std::optional<std::uint64_t> usage_bytes;  // descendants included
  // usage less file pages that are not active: what Kubernetes watches.
  std::optional<std::uint64_t> working_set_bytes;
  // usage less all file pages and (v2) reclaimable slab: what the limit is
  // charged with and the kernel cannot simply drop.
  std::optional<std::uint64_t> charge_bytes;
  std::optional<std::uint64_t> anon_bytes;
  std::optional<std::uint64_t> file_bytes;
  std::optional<std::uint64_t> swap_bytes;
  // Charged for the kernel's own objects: v2 of Linux 5.18 and later, v1.
  std::optional<std::uint64_t> kernel_bytes;
  // The smallest of the group and all its ancestors.
  std::optional<std::uint64_t> limit_bytes;  // beyond it: OOM kill
  std::optional<std::uint64_t> high_bytes;   // v2; beyond it: throttled
  // Counters. v2: of the group and its descendants; v1: of the group.
  std::optional<std::uint64_t> high_events;            // v2
  std::optional<std::uint64_t> max_events;             // v2; v1: memory.failcnt
  std::optional<std::uint64_t> oom_events;             // v2
  std::optional<std::uint64_t> oom_kill_events;        // Linux 4.13 and later
  std::optional<std::uint64_t> oom_group_kill_events;  // v2, Linux 5.17
  std::optional<bool> under_oom;                       // v1
  // Pages that were read again soon after they had been evicted (counters;
  // Linux 5.9 and later). With descendants.
  std::optional<std::uint64_t> file_refault_pages;
  std::optional<std::uint64_t> anon_refault_pages;
  // Pages that reclaim looked at and took, whoever ran it. v2; counters.
  std::optional<std::uint64_t> reclaim_scanned_pages;
  std::optional<std::uint64_t> reclaimed_pages;
};

struct CgroupCpu {
  std::optional<double> usage_seconds;
  std::optional<double> user_seconds;
  std::optional<double> system_seconds;
  std::optional<std::uint64_t> periods;
  std::optional<std::uint64_t> throttled_periods;
  std::optional<double> throttled_seconds;
  // Quota over period, in CPUs; the smallest of the group and all ancestors.
  std::optional<double> limit_cpus;
};

struct CgroupPressure {
  std::optional<Pressure> cpu;
  std::optional<Pressure> memory;
  std::optional<Pressure> io;
};

// Pure parsers; the fields that a text tells are set, the others left alone.
// Errors: kDataLoss if a value is no number.
Status ParseMemoryStatV2(std::string_view text, CgroupMemory* out);
Status ParseMemoryStatV1(std::string_view text, CgroupMemory* out);
Status ParseMemoryEventsV2(std::string_view text, CgroupMemory* out);
Status ParseOomControlV1(std::string_view text, CgroupMemory* out);
Status ParseCpuStatV2(std::string_view text, CgroupCpu* out);
Status ParseCpuStatV1(std::string_view text, CgroupCpu* out);
// A limit in bytes; "max", 0, negative and absurd values (10^18 and more, as
// v1 writes "none") are absent.
Result<std::optional<std::uint64_t>> ParseMemoryLimit(std::string_view text);
// "50000 100000" or "max 100000" (v2), in CPUs.
Result<std::optional<double>> ParseCpuMax(std::string_view text);

// Reads one group again and again, through descriptors that it keeps; nothing
// is allocated once it has run. Not thread-safe. A group that is removed and
// made again under its name needs a new reader.
class CgroupReader {
 public:
  explicit CgroupReader(CgroupPlace place);
  ~CgroupReader();
  CgroupReader(CgroupReader&&) noexcept;
  CgroupReader& operator=(CgroupReader&&) noexcept;

  // What can be read is set, the rest absent. Limits are those of the last
  // ReadLimits, which the first call of either implies.
  // Errors: none of the group's files could be read; kNotFound if it is gone.
  Result<CgroupMemory> ReadMemory();
  Result<CgroupCpu> ReadCpu();
  // Files that are not there are absent.
  CgroupPressure ReadPressure();
  // Walks up all ancestors. Limits change under a running process: every 30 s
  // is a good rhythm. Also tries again what was not there before.
  void ReadLimits();

  const CgroupPlace& place() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc
