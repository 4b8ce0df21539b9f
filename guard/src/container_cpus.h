// SPDX-License-Identifier: Apache-2.0
// CPUs that a process may use.
#pragma once

#include <string_view>

namespace fodc::guard {

// The smaller of `machine_cpus` and the quota of this process's cgroup, which
// is looked for as FindCgroup does. What cannot be read is no limit. At least
// 0.01.
double ContainerCpus(std::string_view proc_root, std::string_view sys_root,
                     double machine_cpus);

}  // namespace fodc::guard
