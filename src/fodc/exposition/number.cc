// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/number.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "fodc/base/strings.h"

namespace fodc::exposition {
namespace {

constexpr char kPairs[] =
    "0001020304050607080910111213141516171819"
    "2021222324252627282930313233343536373839"
    "4041424344454647484950515253545556575859"
    "6061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

unsigned CountDigits(std::uint64_t v) {
  static constexpr std::uint64_t kFirst[] = {0,
                                             10,
                                             100,
                                             1000,
                                             10000,
                                             100000,
                                             1000000,
                                             10000000,
                                             100000000,
                                             1000000000,
                                             10000000000,
                                             100000000000,
                                             1000000000000,
                                             10000000000000,
                                             100000000000000,
                                             1000000000000000,
                                             10000000000000000,
                                             100000000000000000,
                                             1000000000000000000,
                                             10000000000000000000u};
  // log10(2) is 1233 / 4096 closely enough for 64 bits.
  const unsigned guess =
      static_cast<unsigned>(64 - std::countl_zero(v | 1)) * 1233 >> 12;
  return guess + (v >= kFirst[guess] ? 1 : 0);
}

// Digits of `v` ending at `end`.
void PutDigits(char* end, std::uint64_t v) {
  while (v >= 100) {
    const std::uint64_t pair = v % 100;
    v /= 100;
    end -= 2;
    std::memcpy(end, kPairs + 2 * pair, 2);
  }
  if (v >= 10) {
    std::memcpy(end - 2, kPairs + 2 * v, 2);
  } else {
    *(end - 1) = static_cast<char>('0' + v);
  }
}

// `v`, positive and of at least a thousandth, as a decimal of few places, if
// it is one. A decimal of at most 15 digits that reads back is the shortest:
// no two of them share a double.
char* PutShortDecimal(char* out, double v) {
  double scaled = v * 1e3;
  double rounded = std::nearbyint(scaled);
  unsigned places = 3;
  double scale = 1e3;
  if (rounded / scale != v) {
    scale = 1e9;
    places = 9;
    scaled = v * scale;
    if (scaled >= 1e15) return nullptr;
    rounded = std::nearbyint(scaled);
    if (rounded / scale != v) return nullptr;
  }
  if (rounded >= 1e15) return nullptr;
  auto m = static_cast<std::uint64_t>(rounded);
  while (m % 10 == 0) {
    m /= 10;
    --places;
  }
  std::uint64_t unit = 1;
  for (unsigned i = 0; i < places; ++i) unit *= 10;
  out = AppendUint(out, m / unit);
  *out++ = '.';
  std::memset(out, '0', places);
  PutDigits(out + places, m % unit);
  return out + places;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

char* AppendUint(char* out, std::uint64_t value) {
  const unsigned n = CountDigits(value);
  PutDigits(out + n, value);
  return out + n;
}

char* AppendNumber(char* out, double value) {
  // Beyond 1e15 the shortest form is a matter of the exponent.
  constexpr double kLargestPlain = 1e15;
  const double magnitude = std::fabs(value);
  if (magnitude < kLargestPlain) {
    if (std::signbit(value)) *out++ = '-';
    const auto whole = static_cast<std::uint64_t>(magnitude);
    if (static_cast<double>(whole) == magnitude) return AppendUint(out, whole);
    if (magnitude >= 1e-3) {
      if (char* end = PutShortDecimal(out, magnitude)) return end;
    }
    return std::to_chars(out, out + kMaxNumberBytes - 1, magnitude).ptr;
  }
  if (std::isnan(value)) {
    std::memcpy(out, "NaN", 3);
    return out + 3;
  }
  if (std::isinf(value)) {
    std::memcpy(out, value > 0 ? "+Inf" : "-Inf", 4);
    return out + 4;
  }
  return std::to_chars(out, out + kMaxNumberBytes, value).ptr;
}

void AppendNumber(std::string* out, double value) {
  char buffer[kMaxNumberBytes];
  out->append(buffer, AppendNumber(buffer, value));
}

bool ParseNumber(std::string_view text, double* value) {
  std::string_view rest = text;
  bool negative = false;
  bool is_signed = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    is_signed = true;
    rest.remove_prefix(1);
  }
  if (rest.empty()) return false;
  if (!IsDigit(rest[0]) && rest[0] != '.') {
    if (EqualsIgnoreCase(rest, "inf") || EqualsIgnoreCase(rest, "infinity")) {
      const double inf = std::numeric_limits<double>::infinity();
      *value = negative ? -inf : inf;
      return true;
    }
    if (!is_signed && EqualsIgnoreCase(rest, "nan")) {
      *value = std::bit_cast<double>(kNanBits);
      return true;
    }
    return false;
  }
  double v = 0;
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, v);
  if (stop != end) return false;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero, too large an error; the library does not say which.
    // The decimal position of the first digit tells them apart.
    long position = 0;
    bool after_point = false;
    bool found = false;
    std::size_t i = 0;
    for (; i < rest.size() && (IsDigit(rest[i]) || rest[i] == '.'); ++i) {
      if (rest[i] == '.') {
        after_point = true;
      } else if (found) {
        position += after_point ? 0 : 1;
      } else if (rest[i] != '0') {
        found = true;
        position -= after_point ? 1 : 0;
      } else {
        position -= after_point ? 1 : 0;
      }
    }
    long exponent = 0;
    if (i < rest.size()) {  // the 'e' that from_chars has checked
      const bool minus = rest[i + 1] == '-';
      for (const char c : rest.substr(i + 1)) {
        if (IsDigit(c) && exponent < 100'000'000) {
          exponent = exponent * 10 + (c - '0');
        }
      }
      if (minus) exponent = -exponent;
    }
    if (position + exponent > 0) return false;
    v = 0;
  } else if (error != std::errc()) {
    return false;
  }
  *value = negative ? -v : v;
  return true;
}

}  // namespace fodc::exposition
