// SPDX-License-Identifier: Apache-2.0
// What the doctor says of the guardian: whom it would stop, and when.
#pragma once

#include <vector>

#include "fodc/agent/doctor.h"
#include "fodc/agent/options.h"
#include "fodc/kernel/kernel_view.h"

namespace fodc::agent {

// One answer for each row of the target table, as TargetAnswers; a single one
// where the guardian is off. Signals nobody.
std::vector<kernel::KernelAnswer> GuardianAnswers(const Options& options,
                                                  const Checked& checked,
                                                  const Surroundings& around);

}  // namespace fodc::agent
