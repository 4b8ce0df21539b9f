// SPDX-License-Identifier: Apache-2.0
// The directories at a destination that hold a time's backup, and the file that
// asks for one to be restored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::backup {

enum class TimeStyle : std::uint8_t { kDaily, kHourly };

// "daily", "hourly". Errors: kInvalidArgument for any other word.
Result<TimeStyle> ParseTimeStyle(std::string_view word);

// "2026-08-21" or "2026-08-21-14", in the process's zone.
std::string TimeDirName(UnixTime at, TimeStyle style);
// Whether it is what TimeDirName gives, of a day that there is.
bool IsTimeDirName(std::string_view name);

// The file `time-dir` of a catalog's directory (`<root>/<catalog>`): the name
// and nothing else. Its being there is what makes a restore begin.
Status WriteTimeDir(const std::string& catalog_directory,
                    std::string_view name);
// Without blanks around it. Errors: kNotFound; kInvalidArgument if it is empty
// or has more than a name may have.
Result<std::string> ReadTimeDir(const std::string& catalog_directory);
// One that is not there is success.
Status RemoveTimeDir(const std::string& catalog_directory);

}  // namespace fodc::backup
