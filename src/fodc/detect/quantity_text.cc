// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/quantity_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"

namespace fodc::detect {

double RoundToDigits(double value, int digits) {
  if (!std::isfinite(value) || value == 0) return 0;
  const double power = std::floor(std::log10(std::abs(value))) - digits + 1;
  // Powers of ten are exact where they are whole.
  if (power >= 0) {
    const double unit = std::pow(10, power);
    return std::round(value / unit) * unit;
  }
  const double scale = std::pow(10, -power);
  return std::isfinite(scale) ? std::round(value * scale) / scale : 0;
}

std::string SecondsText(double seconds) {
  const double rounded = RoundToDigits(std::clamp(seconds, 0.0, 1e9), 2);
  return FormatGoDuration(std::chrono::round<std::chrono::nanoseconds>(
      std::chrono::duration<double>(rounded)));
}

std::string DecimalText(double value) {
  std::string out;
  exposition::AppendNumber(&out, RoundToDigits(value, 2));
  return out;
}

std::string CountText(double count) {
  if (count < 10) return DecimalText(count);
  const double rounded = RoundToDigits(std::min(count, 1e18), 3);
  return StrCat(static_cast<std::int64_t>(std::llround(rounded)));
}

std::string BytesText(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return StrCat(CountText(bytes), " ", kUnits[unit]);
}

}  // namespace fodc::detect
