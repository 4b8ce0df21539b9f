// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace fodc::guard::testing {

// Each keeps so much, for profiles to find. Names are unmangled in profiles,
// and are those that tests look for.
inline constexpr std::size_t kKeptBytes = 16 << 20;
void KeepLargeBlocks();  // of 1 MiB
void KeepSmallBlocks();  // of 128 bytes
void KeepNewArrays();    // of 64 KiB, by operator new
// Allocates 96 MiB and frees it again.
void ChurnBlocks();
// All that is kept.
void FreeBlocks();

}  // namespace fodc::guard::testing
