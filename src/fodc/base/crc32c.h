// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli; RFC 3720 appendix B.4): the checksum of the formats
// that other people's databases link too. Uses SSE 4.2 where the CPU has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace fodc {

// The checksum of the bytes of which `crc` is the checksum, followed by
// `bytes`. 0 is the checksum of no bytes.
std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes);

inline std::uint32_t Crc32c(std::string_view bytes) {
  return ExtendCrc32c(0, bytes);
}

// The same by tables, on every CPU. For tests.
std::uint32_t ExtendCrc32cByTable(std::uint32_t crc, std::string_view bytes);

}  // namespace fodc
