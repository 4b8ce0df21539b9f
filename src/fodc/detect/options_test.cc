// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::detect {
namespace {

using ::testing::HasSubstr;

Status Parse(std::vector<std::string> texts, Options* options) {
  return ParseBounds(texts, options);
}

TEST(OptionsTest, DefaultsAreWithinTheirLimits) {
  EXPECT_THAT(Options().Check(), IsOk());
}

TEST(OptionsTest, EveryBoundIsReadBackFromItsText) {
  std::set<std::string_view> names;
  for (const Bound& b : AllBounds()) {
    EXPECT_TRUE(names.insert(b.name).second) << b.name;
    const std::string text = BoundText(b, Options().*b.field);
    Options changed;
    changed.*b.field = -1;
    ASSERT_THAT(Parse({StrCat(b.name, "=", text)}, &changed), IsOk());
    EXPECT_DOUBLE_EQ(changed.*b.field, Options().*b.field) << b.name << text;
  }
}

TEST(OptionsTest, EveryBoundHasItsLimits) {
  for (const Bound& b : AllBounds()) {
    for (const double bad : {b.min - 1, b.max * 2 + 1}) {
      Options o;
      o.*b.field = bad;
      EXPECT_THAT(o.Check(),
                  StatusIs(Code::kInvalidArgument, HasSubstr(b.name)));
    }
  }
}

TEST(OptionsTest, BoundsComeOneByOneOrTogether) {
  Options o;
  ASSERT_THAT(Parse({"window=2s,factor=4", "min-reads=7", " history = 20 ",
                     "min-increase=1ms", "dontneed-bytes=2MiB", "factor=5"},
                    &o),
              IsOk());
  EXPECT_EQ(o.window_seconds, 2);
  EXPECT_EQ(o.factor, 5);
  EXPECT_EQ(o.min_reads, 7);
  EXPECT_EQ(o.history_windows, 20);
  EXPECT_EQ(o.min_increase_seconds, 1e-3);
  EXPECT_EQ(o.dontneed_bytes, 2097152);
}

TEST(OptionsTest, WhatIsWrongIsNamed) {
  Options o;
  const auto error = [&o](const std::string& text) {
    return Parse({text}, &o).message();
  };
  EXPECT_THAT(error("factor"), HasSubstr("'factor' is not NAME=VALUE"));
  EXPECT_THAT(error("speed=3"), HasSubstr("'speed' is not a bound; there are "
                                          "window, factor"));
  EXPECT_THAT(error("factor=x"), HasSubstr("factor: 'x' is not a number"));
  EXPECT_THAT(error("factor=nan"), HasSubstr("factor: "));
  EXPECT_THAT(error("window=10"), HasSubstr("window: "));
  EXPECT_THAT(error("history=2.5"), HasSubstr("not a whole number"));
  EXPECT_THAT(error("dontneed-bytes=-1"), HasSubstr("dontneed-bytes: "));
  EXPECT_THAT(error(""), HasSubstr("NAME=VALUE"));
}

TEST(OptionsTest, BoundsFitTogether) {
  Options o;
  o.min_history_windows = 200;
  EXPECT_THAT(o.Check(),
              StatusIs(Code::kInvalidArgument, HasSubstr("min-history=200")));
  o = {};
  o.window_seconds = 90;
  EXPECT_THAT(o.Check(),
              StatusIs(Code::kInvalidArgument, HasSubstr("stale-after")));
}

}  // namespace
}  // namespace fodc::detect
