// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/decimal.h"

namespace fodc::recorder {

int FindExponent(double v) {
  std::int64_t m = 0;
  if (ToMantissa(v, 0, &m)) return 0;
  const double magnitude = std::fabs(v);
  if (!(magnitude < 1e40)) return kRawExponent;  // infinities and NaN, too
  if (magnitude >= static_cast<double>(kWholeLimit)) {
    for (int e = -1; e >= kMinExponent; --e) {
      if (ToMantissa(v, e, &m)) return e;
    }
    return kRawExponent;
  }
  for (int e = 1; e <= kMaxExponent; ++e) {
    if (magnitude * kPowersOfTen[e] >= static_cast<double>(kScaledLimit)) break;
    if (ToMantissa(v, e, &m)) return e;
  }
  return kRawExponent;
}

}  // namespace fodc::recorder
