// SPDX-License-Identifier: Apache-2.0
// What the doctor says of each target: who it is now, and by what the kernel
// would tell it from others.
#pragma once

#include <vector>

#include "fodc/agent/doctor.h"
#include "fodc/agent/options.h"
#include "fodc/kernel/kernel_view.h"

namespace fodc::agent {

// One answer for each row of the target table, found as the agent finds it: a
// walk through all processes. Not ok if there is nobody, or if it would be
// counted by process.
std::vector<kernel::KernelAnswer> TargetAnswers(const Options& options,
                                                const Checked& checked,
                                                const Surroundings& around);

}  // namespace fodc::agent
