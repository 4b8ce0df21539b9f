// SPDX-License-Identifier: Apache-2.0
// Bounds and names of the chunk format. For this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fodc::recorder {

inline constexpr std::string_view kChunkMagic = "FDCK";
inline constexpr std::uint8_t kChunkVersion = 1;
inline constexpr std::size_t kMaxSections = 4096;
// Whole chunks, as they cross the wire or lie in files.
inline constexpr std::size_t kMaxChunkBytes = std::size_t{64} << 20;
// All sections of a chunk together, decompressed: absolutely, and by what is
// stored of them beyond a first part.
inline constexpr std::size_t kMaxPlainBytes = std::size_t{64} << 20;
inline constexpr std::size_t kFreePlainBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxPlainPerStored = 64;
// All chunks of a recording together, as they are when they are read, by its
// budget: what is stored of them may be next to nothing.
inline constexpr std::size_t kMaxReadingPerBudget = 32;
// What a reader keeps of each column beside its bytes.
inline constexpr std::size_t kReadingBytesPerSlot = 16;

}  // namespace fodc::recorder
