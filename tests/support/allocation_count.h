// SPDX-License-Identifier: Apache-2.0
// Counts calls of operator new, for proofs that a path allocates nothing, and
// what they gave that was not given back.
// Replaces the global operators in every program that links it.
#pragma once

#include <cstdint>

namespace fodc::test {

// Calls so far, of all threads. Always 0 under sanitizers, which bring their
// own operators.
std::uint64_t AllocationCount();
// Bytes held now, as the allocator has rounded them. 0 likewise.
std::uint64_t HeldBytes();

}  // namespace fodc::test
