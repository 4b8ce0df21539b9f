// SPDX-License-Identifier: Apache-2.0
#include "bpf/elapsed.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "bpf/histogram.h"

namespace fodc::kernel {
namespace {

TEST(ElapsedTest, IsTheDifference) {
  EXPECT_EQ(fodc_elapsed(100, 117), 17u);
  EXPECT_EQ(fodc_elapsed(0, UINT64_MAX), UINT64_MAX);
}

TEST(ElapsedTest, IsNothingIfTheClockOfAnotherCpuIsBehind) {
  EXPECT_EQ(fodc_elapsed(100, 100), 0u);
  EXPECT_EQ(fodc_elapsed(100, 99), 0u);
  EXPECT_EQ(fodc_elapsed(UINT64_MAX, 1), 0u);
  EXPECT_EQ(fodc_histogram_slot(fodc_elapsed(100, 99)), 0u);
}

}  // namespace
}  // namespace fodc::kernel
