// SPDX-License-Identifier: Apache-2.0
// The top of a profile, for people and for programs.
#pragma once

#include <string>

#include "fodc/pprof/top.h"

namespace fodc::ctl {

// A line on what was counted, then a table. `is_diff`: more is shown with a
// sign, too.
std::string TopText(const pprof::TopReport& report, bool is_diff);

// One object on a line, with all numbers in the unit of the profile.
std::string TopJson(const pprof::TopReport& report);

}  // namespace fodc::ctl
