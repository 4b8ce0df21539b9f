// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, section 4), as keys and checksums stand in headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fodc::object_store {

std::string Base64(std::string_view bytes);
// Absent for anything that is not what Base64 gives.
std::optional<std::string> ParseBase64(std::string_view text);

}  // namespace fodc::object_store
