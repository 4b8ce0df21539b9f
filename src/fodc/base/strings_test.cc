// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/strings.h"

#include <cmath>
#include <limits>

#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

TEST(SplitTest, KeepsEmptyPieces) {
  EXPECT_THAT(Split("a,b,,c", ','), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
}

TEST(ParseUintTest, TakesTheWholeTextOrNothing) {
  EXPECT_THAT(ParseUint("18446744073709551615"), Optional(UINT64_MAX));
  EXPECT_EQ(ParseUint("18446744073709551616"), std::nullopt);
  EXPECT_EQ(ParseUint(""), std::nullopt);
  EXPECT_EQ(ParseUint("-1"), std::nullopt);
  EXPECT_EQ(ParseUint("1 "), std::nullopt);
}

TEST(ParseDoubleTest, ReadsWhatPrometheusWrites) {
  EXPECT_THAT(ParseDouble("1.8593032e+07"), Optional(18593032.0));
  EXPECT_THAT(ParseDouble("+Inf"),
              Optional(std::numeric_limits<double>::infinity()));
  EXPECT_THAT(ParseDouble("-inf"),
              Optional(-std::numeric_limits<double>::infinity()));
  ASSERT_TRUE(ParseDouble("NaN"));
  EXPECT_TRUE(std::isnan(*ParseDouble("NaN")));
  EXPECT_TRUE(std::signbit(*ParseDouble("-0")));
  EXPECT_THAT(ParseDouble("1e999"),
              Optional(std::numeric_limits<double>::infinity()));
  EXPECT_THAT(ParseDouble("1e-999"), Optional(0.0));
  // The exponent alone does not tell.
  const std::string zeros(400, '0');
  EXPECT_THAT(ParseDouble("0." + zeros + "1"), Optional(0.0));
  EXPECT_THAT(ParseDouble("-1" + zeros + "e-5"),
              Optional(-std::numeric_limits<double>::infinity()));
  EXPECT_EQ(ParseDouble("0x10"), std::nullopt);
  EXPECT_EQ(ParseDouble("+-1"), std::nullopt);
  EXPECT_EQ(ParseDouble("nan(1)"), std::nullopt);
}

TEST(Utf8Test, RefusesSurrogatesAndOverlongForms) {
  EXPECT_TRUE(IsValidUtf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_FALSE(IsValidUtf8("\xed\xa0\x80"));
  EXPECT_FALSE(IsValidUtf8("\xc0\xaf"));
  EXPECT_FALSE(IsValidUtf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(IsValidUtf8("\xe2\x82"));
  EXPECT_EQ(ToValidUtf8("a\xff\xfe b"), "a\xef\xbf\xbd b");
}

TEST(JsonStringTest, EscapesAsGoDoes) {
  std::string out;
  AppendJsonString(&out, "a\"\\\n\x01<&>\xe2\x80\xa8\xff\xc3\xa9");
  EXPECT_EQ(out,
            "\"a\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003e\\u2028\\ufffd\xc3\xa9"
            "\"");
}

TEST(GoDurationTest, RoundTrips) {
  EXPECT_THAT(ParseGoDuration("10s"), IsOkAndHolds(10s));
  EXPECT_THAT(ParseGoDuration("1m30s"), IsOkAndHolds(90s));
  EXPECT_THAT(ParseGoDuration("1.5h"), IsOkAndHolds(90min));
  EXPECT_THAT(ParseGoDuration("200ms"), IsOkAndHolds(200ms));
  EXPECT_THAT(ParseGoDuration("-2s"), IsOkAndHolds(-2s));
  EXPECT_THAT(ParseGoDuration("0"), IsOkAndHolds(0s));
  EXPECT_EQ(FormatGoDuration(10s), "10s");
  EXPECT_EQ(FormatGoDuration(5min), "5m0s");
  EXPECT_EQ(FormatGoDuration(1500ms), "1.5s");
  EXPECT_EQ(FormatGoDuration(90min), "1h30m0s");
  EXPECT_EQ(FormatGoDuration(0s), "0s");
  EXPECT_EQ(FormatGoDuration(std::chrono::nanoseconds::min()),
            "-2562047h47m16.854775808s");
}

TEST(GoDurationTest, NamesTheBadText) {
  for (const char* bad : {"", "10", "s", "10x", "1..5s", "999999999h"}) {
    EXPECT_THAT(ParseGoDuration(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr(bad)));
  }
}

TEST(ParseBytesTest, KnowsBinaryUnits) {
  EXPECT_THAT(ParseBytes("10485760"), IsOkAndHolds(10485760u));
  EXPECT_THAT(ParseBytes("10MiB"), IsOkAndHolds(10485760u));
  EXPECT_THAT(ParseBytes("1GiB"), IsOkAndHolds(1073741824u));
  EXPECT_THAT(ParseBytes("ten"),
              StatusIs(Code::kInvalidArgument, HasSubstr("ten")));
  EXPECT_THAT(ParseBytes("99999999999999GiB"),
              StatusIs(Code::kInvalidArgument, HasSubstr("GiB")));
}

TEST(MebibytesTextTest, Rounds) {
  EXPECT_EQ(MebibytesText(0), "0 MiB");
  EXPECT_EQ(MebibytesText((1u << 19) - 1), "0 MiB");
  EXPECT_EQ(MebibytesText(1u << 19), "1 MiB");
  EXPECT_EQ(MebibytesText(std::uint64_t{512} << 20), "512 MiB");
  EXPECT_EQ(MebibytesText(~std::uint64_t{0}), "17592186044416 MiB");
}

}  // namespace
}  // namespace fodc
