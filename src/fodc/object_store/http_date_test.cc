// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/http_date.h"

#include <gtest/gtest.h>

namespace fodc::object_store {
namespace {

TEST(HttpDate, ReadsWhatItWrites) {
  const UnixTime at{std::chrono::seconds(1'767'225'600)};
  EXPECT_EQ(FormatHttpDate(at), "Thu, 01 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(ParseHttpDate("Thu, 01 Jan 2026 00:00:00 GMT"), at);
  EXPECT_EQ(ParseHttpDate("Thu, 01 Jan 1970 00:00:00 GMT"), UnixTime());
}

TEST(HttpDate, TakesNoOther) {
  for (const char* const text :
       {"", "now", "Fri, 01 Jan 2026 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT ", "Thu, 01 Jan 2026 00:00:00 CET",
        "Wed, 31 Jun 2026 00:00:00 GMT"}) {
    EXPECT_FALSE(ParseHttpDate(text)) << text;
  }
}

TEST(HttpDate, TakesNoYearThatNanosecondsDoNotHold) {
  EXPECT_TRUE(ParseHttpDate("Tue, 31 Dec 2261 23:59:59 GMT"));
  EXPECT_FALSE(ParseHttpDate("Fri, 01 Jan 2602 00:00:00 GMT"));
  EXPECT_FALSE(ParseHttpDate("Fri, 31 Dec 9999 23:59:59 GMT"));
  EXPECT_FALSE(ParseHttpDate("Wed, 31 Dec 1969 23:59:59 GMT"));
  EXPECT_FALSE(ParseHttpDate("Sat, 01 Jan 1600 00:00:00 GMT"));
}

}  // namespace
}  // namespace fodc::object_store
