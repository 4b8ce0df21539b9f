// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace fodc::program {

// "0.1.0": the project's.
std::string_view ProjectVersion();
// The commit when the build was configured; "" outside a clone.
std::string_view GitRevision();
// "0.1.0+g9ee0508", or "0.1.0".
std::string Version();

}  // namespace fodc::program
