// SPDX-License-Identifier: Apache-2.0
// Small text files of our own that are read back with suspicion: a head that
// names format and version, lines, and a checksum of both.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc {

// `head` and each line of `lines` end with a line feed.
std::string SealText(std::string_view head, std::string_view lines);

// The lines. Errors: kDataLoss for another head or a wrong checksum.
Result<std::string_view> UnsealText(std::string_view head,
                                    std::string_view text);

}  // namespace fodc
