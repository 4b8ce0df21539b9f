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
inline constexpr std::size_t kMaxSectionBytes = std::size_t{256} << 20;
// Whole chunks, as they cross the wire or lie in files.
inline constexpr std::size_t kMaxChunkBytes = std::size_t{64} << 20;

}  // namespace fodc::recorder
