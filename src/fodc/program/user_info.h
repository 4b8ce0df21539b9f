// SPDX-License-Identifier: Apache-2.0
// Users and passwords of URLs are not for logs.
#pragma once

#include <string>
#include <string_view>

namespace fodc::program {

// Of a URL, or a list of them with commas: what stands between "://" (or the
// start) and the last '@' of each becomes "***".
std::string MaskUserInfo(std::string_view urls);

// The same for each URL with a scheme in a sentence.
std::string MaskUserInfoInText(std::string_view text);

}  // namespace fodc::program
