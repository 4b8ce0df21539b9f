// SPDX-License-Identifier: Apache-2.0
// Who is called when the process dies.
#pragma once

#include "death_record.h"
#include "fodc/base/status.h"

namespace fodc::guard {

// `plan` lives until RemoveFatalHandlers.
// Errors: as sigaction(2); nothing is installed then.
Status InstallFatalHandlers(CrashPlan* plan, bool handle_sigtrap);

// Puts back what was there, where ours still are.
void RemoveFatalHandlers();

}  // namespace fodc::guard
