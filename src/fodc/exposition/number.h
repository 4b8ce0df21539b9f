// SPDX-License-Identifier: Apache-2.0
// Numbers as exposition text writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace fodc::exposition {

// Room that AppendNumber may need.
inline constexpr std::size_t kMaxNumberBytes = 32;

// Writes the shortest text that reads back to the same bits: "0", "-0",
// "12345", "0.25", "1.5e-07", "NaN" (payloads are lost), "+Inf", "-Inf".
// Finite numbers are also legal JSON. `out` has kMaxNumberBytes of room.
// Returns the end of what was written.
char* AppendNumber(char* out, double value);
void AppendNumber(std::string* out, double value);

// Writes the digits of `value`; at most 20.
char* AppendUint(char* out, std::uint64_t value);

// The whole text as a sample value, by the rules that Prometheus applies in
// both formats: decimal or exponent form with an optional sign; "NaN", "Inf"
// and "Infinity" in any case, the latter two with an optional sign. Neither
// hexadecimal nor underscores; beyond the range of a double is an error, below
// it is zero. NaN is the one with the bits 0x7ff8000000000000.
// Returns false, with *value unchanged, if it is no number.
bool ParseNumber(std::string_view text, double* value);

// The bits of every parsed NaN.
inline constexpr std::uint64_t kNanBits = 0x7ff8000000000000;

namespace number_internal {

static inline std::uint64_t LoadWord(const char* p) {
  std::uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

inline constexpr std::uint64_t kPowersOfTen[] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
inline constexpr double kExactPowersOfTen[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Always inlined: the page loops are compiled for wider instruction sets.
#define FODC_ALWAYS_INLINE static inline __attribute__((always_inline))

// Eats up to 19 digits at *p into *mantissa, eight at a time. Returns how
// many; more than 19 stand there if it returns 20. Reads up to 32 bytes.
FODC_ALWAYS_INLINE unsigned EatDigits(const char** p, std::uint64_t* mantissa) {
  unsigned total = 0;
  for (;;) {
    std::uint64_t x = LoadWord(*p) ^ 0x3030303030303030u;
    // High bit of each byte that is no digit; exact up to the first such.
    const std::uint64_t stop =
        ((x + 0x7676767676767676u) | x) & 0x8080808080808080u;
    const unsigned n =
        stop == 0 ? 8 : static_cast<unsigned>(__builtin_ctzll(stop)) / 8;
    if (n == 0) return total;
    if (total + n > 19) return 20;
    x <<= 64 - 8 * n;  // leading zero digits
    x = x * 10 + (x >> 8);
    x = (((x & 0x000000ff000000ffu) * 0x000f424000000064u) +
         (((x >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u)) >>
        32;
    *mantissa = *mantissa * kPowersOfTen[n] + (x & 0xffffffffu);
    *p += n;
    total += n;
    if (n < 8) return total;
  }
}

// mantissa * 10^exponent for mantissas beyond 53 bits and exponents that a long
// double holds exactly. False if the two roundings, to 64 bits and to 53,
// could give another result than one would: the first one ended half-way.
static inline bool ScaleWide(std::uint64_t mantissa, int exponent,
                             double* value) {
#if defined(__x86_64__) && __LDBL_MANT_DIG__ == 64
  static constexpr long double kPowers[] = {
      1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
      1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
      1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
  if (exponent < -27 || exponent > 27) return false;
  long double wide = static_cast<long double>(mantissa);
  wide = exponent < 0 ? wide / kPowers[-exponent] : wide * kPowers[exponent];
  std::uint64_t bits;
  std::memcpy(&bits, &wide, sizeof bits);
  if ((bits & 0x7ff) == 0x400) return false;
  *value = static_cast<double>(wide);
  return true;
#else
  static_cast<void>(mantissa);
  static_cast<void>(exponent);
  static_cast<void>(value);
  return false;
#endif
}

// Up to seven digits and nothing else, behind which a byte <= ' ' follows: most
// numbers. Returns their end, or nullptr.
FODC_ALWAYS_INLINE const char* SmallInteger(const char* p, double* value) {
  std::uint64_t x = LoadWord(p) ^ 0x3030303030303030u;
  // The eighth byte counts as one that is none: it is looked at below.
  const std::uint64_t stop =
      (((x + 0x7676767676767676u) | x) & 0x0080808080808080u) |
      0x8000000000000000u;
  const unsigned bit = static_cast<unsigned>(__builtin_ctzll(stop)) & 56;
  if (bit == 0 || static_cast<unsigned char>(p[bit / 8]) > ' ') return nullptr;
  x <<= 64 - bit;
  x = x * 10 + (x >> 8);
  x = (((x & 0x000000ff000000ffu) * 0x000f424000000064u) +
       (((x >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u)) >>
      32;
  *value = static_cast<double>(static_cast<std::int32_t>(x));
  return p + bit / 8;
}

// The common numbers, of up to 19 digits, exactly. Returns the end of the
// number, which a byte <= ' ' follows, or nullptr for everything that needs
// ParseNumber. Reads up to 80 bytes.
FODC_ALWAYS_INLINE const char* FastNumber(const char* p, double* value) {
  if (const char* end = SmallInteger(p, value)) return end;
  const bool negative = *p == '-';
  p += negative;
  std::uint64_t mantissa = 0;
  unsigned digits = EatDigits(&p, &mantissa);
  int exponent = 0;
  if (static_cast<unsigned char>(*p) > ' ') {
    if (*p == '.') {
      ++p;
      const unsigned fraction = EatDigits(&p, &mantissa);
      digits += fraction;
      exponent = -static_cast<int>(fraction);
    }
    if ((*p | 0x20) == 'e') {
      ++p;
      const bool minus = *p == '-';
      p += minus || *p == '+';
      std::uint64_t e = 0;
      const unsigned n = EatDigits(&p, &e);
      if (n == 0 || n > 3) return nullptr;
      exponent += minus ? -static_cast<int>(e) : static_cast<int>(e);
    }
    if (static_cast<unsigned char>(*p) > ' ') return nullptr;
  }
  if (digits == 0 || digits > 19) return nullptr;
  double v = 0;
  if (mantissa > (std::uint64_t{1} << 53)) {
    if (!ScaleWide(mantissa, exponent, &v)) return nullptr;
  } else {
    v = static_cast<double>(static_cast<std::int64_t>(mantissa));
    if (exponent != 0) {
      if (exponent < -22 || exponent > 22) return nullptr;
      v = exponent < 0 ? v / kExactPowersOfTen[-exponent]
                       : v * kExactPowersOfTen[exponent];
    }
  }
  *value = negative ? -v : v;
  return p;
}

}  // namespace number_internal
}  // namespace fodc::exposition
