// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>

namespace fodc::exposition {
namespace {

TEST(AppendNumberTest, WritesTheShortestTextThatReadsBack) {
  const auto text = [](double v) {
    std::string out;
    AppendNumber(&out, v);
    return out;
  };
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(-0.0), "-0");
  EXPECT_EQ(text(9), "9");
  EXPECT_EQ(text(10), "10");
  EXPECT_EQ(text(-12345), "-12345");
  EXPECT_EQ(text(18593032), "18593032");
  EXPECT_EQ(text(999999999999999), "999999999999999");
  EXPECT_EQ(text(1e15), "1e+15");
  EXPECT_EQ(text(9007199254740992), "9007199254740992");
  EXPECT_EQ(text(0.25), "0.25");
  EXPECT_EQ(text(100.005), "100.005");
  EXPECT_EQ(text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(text(1.000000001), "1.000000001");
  EXPECT_EQ(text(1.5e-07), "1.5e-07");
  EXPECT_EQ(text(5e-324), "5e-324");
  EXPECT_EQ(text(std::numeric_limits<double>::max()),
            "1.7976931348623157e+308");
  EXPECT_EQ(text(std::nan("")), "NaN");
  EXPECT_EQ(text(INFINITY), "+Inf");
  EXPECT_EQ(text(-INFINITY), "-Inf");
}

TEST(AppendNumberTest, ReadsBackToTheSameBits) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300'000; ++i) {
    double v = 0;
    switch (i % 4) {
      case 0: {
        const std::uint64_t bits = random();
        std::memcpy(&v, &bits, sizeof v);
        break;
      }
      case 1:
        v = static_cast<double>(random() % 1'000'000) / 1e3;
        break;
      case 2:
        v = static_cast<double>(random() >> (random() % 64));
        break;
      default:
        v = static_cast<double>(random() % 1'000'000'007) / 1e9;
        break;
    }
    if (v != v) continue;
    char text[kMaxNumberBytes];
    char* end = AppendNumber(text, v);
    ASSERT_LE(end - text, 24);
    double back = 0;
    ASSERT_TRUE(
        ParseNumber({text, static_cast<std::size_t>(end - text)}, &back));
    ASSERT_EQ(std::bit_cast<std::uint64_t>(v),
              std::bit_cast<std::uint64_t>(back))
        << std::string(text, end) << " for " << v;
    char shortest[64];
    (void)std::snprintf(shortest, sizeof shortest, "%.15g", v);
    if (std::strtod(shortest, nullptr) == v && std::fabs(v) >= 1e-3 &&
        std::fabs(v) < 1e15) {
      ASSERT_LE(static_cast<std::size_t>(end - text), std::strlen(shortest));
    }
  }
}

}  // namespace
}  // namespace fodc::exposition
