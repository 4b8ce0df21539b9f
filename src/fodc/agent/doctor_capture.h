// SPDX-License-Identifier: Apache-2.0
// What the doctor says of the first response: where it stands with each target,
// and whether what it captures can be kept.
#pragma once

#include <vector>

#include "fodc/agent/doctor.h"
#include "fodc/agent/options.h"
#include "fodc/kernel/kernel_view.h"

namespace fodc::agent {

// One answer for --pressure-profiler-dir and one for each row of the target
// table; a single one where it is switched off. Captures nothing.
std::vector<kernel::KernelAnswer> CaptureAnswers(const Options& options,
                                                 const Checked& checked,
                                                 const Surroundings& around);

}  // namespace fodc::agent
