// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/memory_arbiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fodc::fleet {
namespace {

TEST(PoolBytesTest, IsOneShareForEachUpToTheTotal) {
  const MemoryLimits limits{.per_agent_bytes = 10, .total_bytes = 100};
  EXPECT_EQ(PoolBytes(limits, 3, 0), 30u);
  EXPECT_EQ(PoolBytes(limits, 50, 0), 100u);
  EXPECT_EQ(PoolBytes(limits, 50, 40), 60u);
  EXPECT_EQ(PoolBytes(limits, 50, 400), 0u);
}

TEST(WaterLevelTest, LeavesEverybodyAloneWhileItFits) {
  const std::vector<std::size_t> used{1, 2, 3};
  EXPECT_EQ(WaterLevel(used, 6), SIZE_MAX);
  EXPECT_EQ(WaterLevel({}, 0), SIZE_MAX);
}

TEST(WaterLevelTest, GivesWhatTheSmallDoNotNeedToTheLarge) {
  const std::vector<std::size_t> used{100, 2, 100};
  EXPECT_EQ(WaterLevel(used, 62), 30u);
}

TEST(WaterLevelTest, TakesFromTheLargestOnly) {
  const std::vector<std::size_t> used{10, 20, 70};
  const std::size_t level = WaterLevel(used, 90);
  EXPECT_EQ(level, 60u);
  std::size_t sum = 0;
  for (std::size_t u : used) sum += std::min(u, level);
  EXPECT_EQ(sum, 90u);
}

TEST(WaterLevelTest, SharesEquallyWhenAllWantMore) {
  const std::vector<std::size_t> used{50, 60, 70, 80};
  EXPECT_EQ(WaterLevel(used, 100), 25u);
}

}  // namespace
}  // namespace fodc::fleet
