// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/quantity_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace fodc::detect {
namespace {

TEST(QuantityTextTest, HasFewDigits) {
  EXPECT_EQ(SecondsText(1.9512e-6), "2µs");
  EXPECT_EQ(SecondsText(0.00389), "3.9ms");
  EXPECT_EQ(SecondsText(3600), "1h0m0s");
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(0.123), "0.12");
  EXPECT_EQ(CountText(25'049), "25000");
  EXPECT_EQ(CountText(99.6), "100");
  EXPECT_EQ(DecimalText(1.25), "1.3");
  EXPECT_EQ(BytesText(512), "512 B");
  EXPECT_EQ(BytesText(400.0 * 1024 * 1024), "400 MiB");
  EXPECT_EQ(RoundToDigits(419430400, 4), 419400000);
}

TEST(QuantityTextTest, TakesAnyNumber) {
  for (const double odd :
       {std::numeric_limits<double>::quiet_NaN(),
        std::numeric_limits<double>::infinity(), -1.0, 5e-324, 1.7e308}) {
    EXPECT_NE(SecondsText(odd), "");
    EXPECT_NE(CountText(odd), "");
    EXPECT_NE(BytesText(odd), "");
  }
}

}  // namespace
}  // namespace fodc::detect
