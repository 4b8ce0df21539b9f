// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc::ctl {
namespace {

using testing::ElementsAre;

TEST(TableTest, PadsColumnsButTheLast) {
  EXPECT_THAT(RenderTable({{"A", "NUMBER", "Z"},
                           {"long", "1", ""},
                           {"\xc3\xa9\x1b", "12", "end"}},
                          {false, true, false}),
              ElementsAre("A     NUMBER  Z", "long       1  ",
                          "\xc3\xa9?        12  end"));
}

TEST(TableTest, SizesAndDurationsAreShort) {
  EXPECT_EQ(HumanBytes(512), "512 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(150.0 * 1024 * 1024), "150 MiB");
  EXPECT_EQ(HumanDuration(59'999), "59s");
  EXPECT_EQ(HumanDuration(750'000), "12m30s");
  EXPECT_EQ(HumanDuration(3'900'000), "1h05m");
  EXPECT_EQ(HumanDuration(90'000'000), "1d1h");
  EXPECT_EQ(HumanDuration(-5), "0s");
}

}  // namespace
}  // namespace fodc::ctl
