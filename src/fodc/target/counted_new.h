// SPDX-License-Identifier: Apache-2.0
// Counts what this test program allocates. Not under the sanitizers.
#pragma once

#include <cstdint>

namespace fodc::target {

std::uint64_t AllocationsSoFar();

}  // namespace fodc::target
