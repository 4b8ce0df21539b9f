// SPDX-License-Identifier: Apache-2.0
// Times as HTTP has them: "Thu, 01 Jan 2026 00:00:00 GMT".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"

namespace fodc::object_store {

std::string FormatHttpDate(UnixTime at);
// Absent for anything that FormatHttpDate does not give, and for years before
// 1970 and after 2261, which UnixTime does not hold.
std::optional<UnixTime> ParseHttpDate(std::string_view text);

}  // namespace fodc::object_store
