// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/latency_histogram.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace fodc::kernel {
namespace {

TEST(LatencyHistogramTest, CountsEveryBoundInItsOwnSlotAndTheNextBeyond) {
  std::uint64_t below = 0;
  for (std::size_t slot = 0; slot + 1 < LatencyHistogram::kSlots; ++slot) {
    const auto bound = LatencyHistogram::UpperBoundNs(slot);
    ASSERT_TRUE(bound.has_value()) << slot;
    ASSERT_GT(*bound, below) << slot;
    EXPECT_EQ(LatencyHistogram::SlotOf(below + 1), slot) << below + 1;
    EXPECT_EQ(LatencyHistogram::SlotOf(*bound - 1), slot) << *bound - 1;
    EXPECT_EQ(LatencyHistogram::SlotOf(*bound), slot) << *bound;
    EXPECT_EQ(LatencyHistogram::SlotOf(*bound + 1), slot + 1) << *bound + 1;
    below = *bound;
  }
  EXPECT_EQ(below, LatencyHistogram::kHighestNs);
}

TEST(LatencyHistogramTest, TakesWhatIsOutsideOfTheRange) {
  EXPECT_EQ(LatencyHistogram::SlotOf(0), 0u);
  EXPECT_EQ(LatencyHistogram::SlotOf(1), 0u);
  EXPECT_EQ(LatencyHistogram::SlotOf(UINT64_MAX), LatencyHistogram::kSlots - 1);
  EXPECT_FALSE(
      LatencyHistogram::UpperBoundNs(LatencyHistogram::kSlots - 1).has_value());
}

TEST(LatencyHistogramTest, HasFourSlotsToTheOctave) {
  for (std::size_t slot = 0; slot + 1 < LatencyHistogram::kSlots; ++slot) {
    const std::uint64_t bound = *LatencyHistogram::UpperBoundNs(slot);
    EXPECT_EQ(LatencyHistogram::EndsOctave(slot), (bound & (bound - 1)) == 0)
        << bound;
    if (slot == 0) continue;
    const std::uint64_t lower = *LatencyHistogram::UpperBoundNs(slot - 1);
    EXPECT_LE((bound - lower) * 4, lower) << bound;
  }
  EXPECT_FALSE(LatencyHistogram::EndsOctave(LatencyHistogram::kSlots - 1));
}

TEST(LatencyHistogramTest, AddsSlotBySlot) {
  LatencyHistogram a;
  a.counts[3] = 5;
  a.sum_ns = 100;
  LatencyHistogram b;
  b.counts[3] = 2;
  b.counts[4] = 1;
  b.sum_ns = 11;
  a.Add(b);
  EXPECT_EQ(a.counts[3], 7u);
  EXPECT_EQ(a.Count(), 8u);
  EXPECT_EQ(a.sum_ns, 111u);
}

}  // namespace
}  // namespace fodc::kernel
