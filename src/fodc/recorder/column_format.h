// SPDX-License-Identifier: Apache-2.0
// The words of the column format that encoder and decoder share. For this room.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fodc::recorder::column_format {

// Low three bits of a mode: what the values are.
enum Kind : unsigned {
  kZero = 0,     // +0.0 throughout
  kSame = 1,     // constant: the first value of the column before
  kWhole = 2,    // a whole number
  kDecimal = 3,  // a decimal
  kRaw = 4,      // bits
  kSum = 5,      // a decimal and a correction in units in the last place
};
// Next three bits: how the sequence is written.
enum Transform : unsigned {
  kConstant = 0,
  kDelta = 1,
  kDeltaOfDelta = 2,
  kDeltaMinusMin = 3,
  kReference = 4,   // the deltas of an earlier moving column
  kDifference = 5,  // deltas less those of an earlier moving column
};
inline constexpr std::uint8_t kDividedBit = 0x40;
inline constexpr std::uint8_t kKnownBits = 0x7f;

constexpr std::uint8_t Mode(Kind kind, Transform transform, bool divided) {
  return static_cast<std::uint8_t>(kind | (transform << 3) |
                                   (divided ? kDividedBit : 0));
}

inline constexpr std::size_t kGroup = 8;
// The widths that four bits name.
inline constexpr std::array<std::uint8_t, 16> kWidths = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 64};

// Code of the smallest width that holds a number of `bits` bits.
inline constexpr std::array<std::uint8_t, 65> kWidthCodes = [] {
  std::array<std::uint8_t, 65> codes{};
  for (std::size_t bits = 0, code = 0; bits <= 64; ++bits) {
    while (kWidths[code] < bits) ++code;
    codes[bits] = static_cast<std::uint8_t>(code);
  }
  return codes;
}();

// References may lead to references, this many.
inline constexpr std::uint8_t kMaxDepth = 16;

inline std::size_t Groups(std::size_t rows) {
  return (rows - 1 + kGroup - 1) / kGroup;
}

}  // namespace fodc::recorder::column_format
