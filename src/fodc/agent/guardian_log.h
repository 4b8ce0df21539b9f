// SPDX-License-Identifier: Apache-2.0
// What the guardian does, in the agent's log.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guardian/course.h"
#include "fodc/guardian/report.h"

namespace fodc::agent {

// What is in force, and what does not fit together or was refused.
void LogGuardianStart(const guardian::Rules& rules,
                      const std::string& directory, const std::string& refused);

void LogGuardianReport(const guardian::Report& report, std::string_view target);

}  // namespace fodc::agent
