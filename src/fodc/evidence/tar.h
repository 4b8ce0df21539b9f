// SPDX-License-Identifier: Apache-2.0
// For this room only: heads of tar archives (POSIX.1-1988, "ustar"), of regular
// files and no other kind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::evidence {

inline constexpr std::size_t kTarBlockBytes = 512;
inline constexpr std::size_t kMaxTarNameBytes = 100;
// Eleven octal digits.
inline constexpr std::uint64_t kMaxTarFileBytes = (1ULL << 33) - 1;

struct TarHead {
  std::string name;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_seconds = 0;  // since 1970; not before
};

using TarBlock = std::array<char, kTarBlockBytes>;

// Mode 0600, owner 0. Errors: kInvalidArgument for a name or size beyond the
// bounds above.
Result<TarBlock> EncodeTarHead(const TarHead& head);

// Errors: kDataLoss if it is not such a head, or its checksum is wrong.
Result<TarHead> DecodeTarHead(const TarBlock& block);

// What fills up the last block of a file.
constexpr std::size_t TarPadding(std::uint64_t size_bytes) {
  return static_cast<std::size_t>(
      (kTarBlockBytes - size_bytes % kTarBlockBytes) % kTarBlockBytes);
}

}  // namespace fodc::evidence
