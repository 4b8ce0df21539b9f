// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

// A file without a name, for an allocator that writes to nothing else: in
// `directory` if there is a place on disk, else in memory. That is charged to
// this process, so not above 4/5 of its limit.
// Errors: kUnavailable above it; as memfd_create(2).
Result<UniqueFd> OpenDumpFile(const std::string& directory,
                              std::uint64_t used_bytes,
                              std::uint64_t limit_bytes);

}  // namespace fodc::guard
