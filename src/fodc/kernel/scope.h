// SPDX-License-Identifier: Apache-2.0
// By what a target's tasks are told from others: its cgroup, if that holds
// nobody else, or its thread groups.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fodc/kernel/reading.h"

namespace fodc::kernel {

// Names a cgroup for as long as the machine is up: the kernel does not give the
// number of a group to another one.
struct ContainerId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  bool operator==(const ContainerId&) const = default;
};

struct Scope {
  FilterState state = FilterState::kOff;
  std::string_view reason;  // as TargetReading::reason
  // The cgroup directory in which the processes are (v2, else that of the
  // memory controller), whether or not it may be used. The same group may be
  // seen by another path when it is looked for through another process.
  std::string container_path;
  ContainerId container_id;  // of the directory; none if none is visible
  // kByCgroup: the id to match, as the kernel counts (v2).
  std::uint64_t cgroup_id = 0;
};

struct ScopeOptions {
  std::string proc_root = "/proc";
  std::string sys_root;  // put before each mount point (tests)
  // Absolute, or under the root of the cgroup2 mount: the target is what is in
  // it, whoever the processes are. Empty: by the processes.
  std::string forced_path;
};

// Where the processes are now. The first that lives decides the container. A
// group is the target's if each process in it, or below it, is one of
// `processes` or descends from one, and not from a nearer one of `all`, the
// processes of all targets. Reads a file for each process of the group
// that is not among `processes`; groups of more than 4096 processes are not
// used.
Scope FindScope(std::span<const pid_t> processes, std::span<const pid_t> all,
                const ScopeOptions& options);

// Whether the directory is still there, and the same.
bool ContainerLives(const std::string& path, const ContainerId& id);

}  // namespace fodc::kernel
