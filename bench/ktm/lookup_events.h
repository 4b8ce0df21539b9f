// SPDX-License-Identifier: Apache-2.0
// The other way to count a target's lookups in the page cache: a perf event of
// its cgroup on each CPU, which the kernel turns on and off as tasks are
// switched, where a program runs at every lookup of the machine.
#pragma once

#include <string>
#include <vector>

#include "fodc/base/unique_fd.h"

namespace fodc::bench {

// Counts while the object lives. An error is told and ends the program. Wants
// tracefs.
class LookupEvents {
 public:
  // `group`: the directory of a cgroup v2.
  explicit LookupEvents(const std::string& group);

 private:
  std::vector<UniqueFd> events_;
};

// What one switch of the CPU takes, in nanoseconds, between two tasks of two
// cgroups neither of which is counted: half of a round trip through two pipes,
// the system calls included. The best of many.
double SwitchNanoseconds();

}  // namespace fodc::bench
