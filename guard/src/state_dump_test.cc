// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "fodc/guard/panic.h"

namespace fodc::guard {
namespace {

TEST(StateDumpTest, IsIndentedJson) {
  StateDump dump(1000);
  dump.Add("name", "a\"b");
  dump.Add("n", -3);
  dump.BeginObject("inner");
  dump.Add("yes", true);
  dump.BeginList("list");
  dump.Add("", std::uint64_t{18446744073709551615u});
  dump.Add("", 0.5);
  dump.Add("", std::numeric_limits<double>::quiet_NaN());
  dump.End();
  dump.BeginList("empty");
  dump.End();
  dump.End();
  dump.End();  // of nothing
  dump.Add("last", std::int64_t{1});
  EXPECT_EQ(dump.Finish(), R"({
  "name": "a\"b",
  "n": -3,
  "inner": {
    "yes": true,
    "list": [
      18446744073709551615,
      0.5,
      null
    ],
    "empty": []
  },
  "last": 1
}
)");
}

TEST(StateDumpTest, WhatIsOpenIsEnded) {
  StateDump dump(1000);
  dump.BeginList("a");
  dump.BeginObject("");
  EXPECT_EQ(nlohmann::json::parse(dump.Finish()),
            nlohmann::json::parse(R"({"a":[{}]})"));
  EXPECT_EQ(StateDump(10).Finish(), "{}\n");
}

TEST(StateDumpTest, OverTheLimitNothingIsKept) {
  const std::string whole = [] {
    StateDump dump(1000);
    dump.Add("k", "value");
    return dump.Finish();
  }();
  StateDump fits(whole.size());
  fits.Add("k", "value");
  EXPECT_EQ(fits.Finish(), whole);
  EXPECT_FALSE(fits.is_over_limit());
  StateDump over(whole.size() - 1);
  over.Add("k", "value");
  EXPECT_EQ(over.Finish(), "");
  EXPECT_TRUE(over.is_over_limit());
  StateDump far_over(64);
  for (int i = 0; i < 1000; ++i) far_over.Add("k", std::string(100, 'x'));
  far_over.Add("k", 1);
  EXPECT_EQ(far_over.Finish(), "");
}

}  // namespace
}  // namespace fodc::guard
