// SPDX-License-Identifier: Apache-2.0
// Counts what operator new gave that was not given back, for proofs that a
// part counts what it holds. Replaces the global operators in every program
// that links it.
#pragma once

#include <cstdint>

namespace fodc::test {

// Bytes held now by all threads, as the allocator has rounded them. Always 0
// under sanitizers, which bring their own operators.
std::uint64_t HeldBytes();

}  // namespace fodc::test
