// SPDX-License-Identifier: Apache-2.0
// Doubles as the decimals that their text was: a whole number and a power of
// ten. Only where converting back gives the very same bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "fodc/recorder/bytes.h"

namespace fodc::recorder {

// value = mantissa / 10^exponent, or mantissa * 10^-exponent for exponents
// below zero: correctly rounded, as both operands are exact.
inline constexpr int kMaxExponent = 22;
inline constexpr int kMinExponent = -22;
// No decimal: the bits themselves.
inline constexpr int kRawExponent = 127;
// Mantissas lie strictly between -limit and +limit. With fifteen digits the
// way back from the value to the mantissa is certain.
inline constexpr std::int64_t kWholeLimit = std::int64_t{1} << 53;
inline constexpr std::int64_t kScaledLimit = 1'000'000'000'000'000;

inline constexpr double kPowersOfTen[kMaxExponent + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool MantissaFits(std::int64_t mantissa, int exponent) {
  const std::int64_t limit = exponent == 0 ? kWholeLimit : kScaledLimit;
  return mantissa > -limit && mantissa < limit;
}

// Requires: kMinExponent <= exponent <= kMaxExponent.
inline double FromDecimal(std::int64_t mantissa, int exponent) {
  const auto m = static_cast<double>(mantissa);
  if (exponent == 0) return m;
  return exponent > 0 ? m / kPowersOfTen[exponent]
                      : m * kPowersOfTen[-exponent];
}

// The mantissa of a value that FromDecimal gave for this exponent.
inline std::int64_t MantissaOf(double v, int exponent) {
  if (exponent == 0) return static_cast<std::int64_t>(v);
  return std::llrint(exponent > 0 ? v * kPowersOfTen[exponent]
                                  : v / kPowersOfTen[-exponent]);
}

// False unless FromDecimal(*mantissa, exponent) gives the bits of `v`.
inline bool ToMantissa(double v, int exponent, std::int64_t* mantissa) {
  if (exponent == 0) {
    if (!(std::fabs(v) < static_cast<double>(kWholeLimit))) return false;
    *mantissa = static_cast<std::int64_t>(v);
  } else {
    const double scaled =
        exponent > 0 ? v * kPowersOfTen[exponent] : v / kPowersOfTen[-exponent];
    if (!(std::fabs(scaled) < static_cast<double>(kScaledLimit) - 1)) {
      return false;
    }
    *mantissa = std::llrint(scaled);
  }
  return BitsOf(FromDecimal(*mantissa, exponent)) == BitsOf(v);
}

// The exponent of fewest digits after the point for which ToMantissa succeeds;
// kRawExponent if there is none.
int FindExponent(double v);

}  // namespace fodc::recorder
