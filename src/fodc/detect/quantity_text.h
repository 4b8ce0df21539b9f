// SPDX-License-Identifier: Apache-2.0
// Quantities for people, in two or three digits.
#pragma once

#include <string>

namespace fodc::detect {

// To so many significant digits.
double RoundToDigits(double value, int digits);

std::string SecondsText(double seconds);  // "55µs", "1.2ms", "3.4s"
std::string CountText(double count);      // "0", "12", "25000"
std::string DecimalText(double value);    // "0.13", "2.5", "120"
std::string BytesText(double bytes);      // "120 MiB"

}  // namespace fodc::detect
