// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/page_pair.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace fodc::detect {
namespace {

std::optional<PagePair> Find(
    const std::vector<std::pair<std::string, double>>& lines) {
  recorder::Recording recording(1, {});
  const recorder::SourceId page = recording.OpenSource("page", "data");
  std::vector<exposition::SeriesDesc> series;
  std::vector<double> values;
  for (const auto& [name, value] : lines) {
    series.emplace_back();
    series.back().name = name;
    series.back().family = name;
    values.push_back(value);
  }
  recording.SpliceLines(page, 0, 0, series);
  recording.Append(page, {.monotonic_ms = 1, .unix_ms = 1}, values, {});
  return FindPagePair(recording.Latest().at(0));
}

TEST(PagePairTest, BothOfOnePage) {
  const auto pair = Find({{"other", 1},
                          {std::string(kPageLimit), 1000},
                          {std::string(kPageMemory), 800}});
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->bytes, 800U);
  EXPECT_EQ(pair->limit_bytes, 1000U);
}

TEST(PagePairTest, OneAloneIsNone) {
  EXPECT_FALSE(Find({{std::string(kPageMemory), 800}}));
  EXPECT_FALSE(Find({{std::string(kPageLimit), 800}}));
}

TEST(PagePairTest, AbsurdValuesAreNone) {
  const double nan = std::nan("");
  EXPECT_FALSE(
      Find({{std::string(kPageMemory), nan}, {std::string(kPageLimit), 5}}));
  EXPECT_FALSE(Find(
      {{std::string(kPageMemory), 1},
       {std::string(kPageLimit), std::numeric_limits<double>::infinity()}}));
  const auto none =
      Find({{std::string(kPageMemory), 1}, {std::string(kPageLimit), -1}});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->limit_bytes, 0U);
}

}  // namespace
}  // namespace fodc::detect
