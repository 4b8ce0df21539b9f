// SPDX-License-Identifier: Apache-2.0
// Counts calls of operator new, for proofs that a path allocates nothing.
// Replaces the global operators in every program that links it.
#pragma once

#include <cstdint>

namespace fodc::test {

// Calls so far, of this thread. Always 0 under sanitizers, which bring their
// own operators.
std::uint64_t AllocationCount();

}  // namespace fodc::test
