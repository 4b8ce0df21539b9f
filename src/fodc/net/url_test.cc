// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/url.h"

#include <gmock/gmock.h>

#include "fodc/base/status_matchers.h"

namespace fodc::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PercentDecodeTest, DecodesEveryByte) {
  EXPECT_THAT(PercentDecode("a%20b%2Fc%2f%00"),
              IsOkAndHolds(std::string("a b/c/\0", 7)));
  EXPECT_THAT(PercentDecode("a+b"), IsOkAndHolds("a+b"));
  EXPECT_THAT(PercentDecode("a+b", true), IsOkAndHolds("a b"));
}

TEST(PercentDecodeTest, NamesBadEncoding) {
  for (const char* text : {"%", "x%2", "%zz", "%2%20"}) {
    EXPECT_THAT(PercentDecode(text),
                StatusIs(Code::kInvalidArgument, HasSubstr("\"%")))
        << text;
  }
}

TEST(PercentEncodeTest, IsReadBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_THAT(PercentDecode(PercentEncode(all), true), IsOkAndHolds(all));
  EXPECT_EQ(PercentEncode("a-b_c.d~e/ "), "a-b_c.d~e%2F%20");
  const std::string kilobyte(1000, ' ');
  EXPECT_EQ(PercentEncode(kilobyte).size(), 3000);
  std::string behind = "x=";
  AppendPercentEncoded("a b", &behind);
  EXPECT_EQ(behind, "x=a%20b");
}

TEST(QueryTest, TheFirstValueWinsAndAllAreKept) {
  const auto q = Query::Parse("a=1&b&c=&a=2&match%5B%5D=x%3D1&&d=e=f+g");
  ASSERT_THAT(q, IsOk());
  EXPECT_EQ(q->Get("a"), "1");
  EXPECT_THAT(q->GetAll("a"), ElementsAre("1", "2"));
  EXPECT_EQ(q->Get("b"), "");
  EXPECT_EQ(q->Get("c"), "");
  EXPECT_EQ(q->Get("match[]"), "x=1");
  EXPECT_EQ(q->Get("d"), "e=f g");
  EXPECT_EQ(q->Get("z"), std::nullopt);
  EXPECT_EQ(q->GetOr("z"), "");
}

TEST(QueryTest, RefusesBadEncodingAndNamesTheParameter) {
  EXPECT_THAT(Query::Parse("role=%G0"),
              StatusIs(Code::kInvalidArgument, HasSubstr("role")));
  EXPECT_THAT(Query::Parse("%=1"), StatusIs(Code::kInvalidArgument,
                                            "bad "
                                            "percent encoding at \"%\""));
}

TEST(SplitTargetTest, TakesOriginAndAbsoluteForm) {
  const auto a = SplitTarget("/x/y?a=b?c");
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(a->path, "/x/y");
  EXPECT_EQ(a->query, "a=b?c");
  const auto b = SplitTarget("http://host:1/m?q");
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ(b->path, "/m");
  EXPECT_EQ(b->query, "q");
  const auto c = SplitTarget("http://host");
  ASSERT_THAT(c, IsOk());
  EXPECT_EQ(c->path, "/");
  const auto d = SplitTarget("https://host?z");
  ASSERT_THAT(d, IsOk());
  EXPECT_EQ(d->path, "/");
  EXPECT_EQ(d->query, "z");
}

TEST(SplitTargetTest, RefusesOtherForms) {
  for (const char* text : {"", "*", "host:80", "metrics", "ftp://x/y"}) {
    EXPECT_THAT(SplitTarget(text),
                StatusIs(Code::kInvalidArgument, HasSubstr("target")))
        << text;
  }
}

TEST(CleanPathTest, RemovesWhatIsNotCanonical) {
  EXPECT_EQ(CleanPath("/"), "/");
  EXPECT_EQ(CleanPath("//"), "/");
  EXPECT_EQ(CleanPath("/a//b"), "/a/b");
  EXPECT_EQ(CleanPath("/a/./b/"), "/a/b/");
  EXPECT_EQ(CleanPath("/a/../../b"), "/b");
  EXPECT_EQ(CleanPath("/a/.."), "/");
  EXPECT_EQ(CleanPath("/a/b/."), "/a/b/");
  EXPECT_EQ(CleanPath("/a%2F..%2Fb"), "/a%2F..%2Fb");
}

TEST(UrlTest, UserInfoIsLeftOut) {
  const std::pair<const char*, const char*> kCases[] = {
      {"http://h:1/m", "http://h:1/m"},
      {"http://u:p@h:1/m?a=b", "http://h:1/m?a=b"},
      {"https://u@h", "https://h"},
      {"http://u:p@x@h/m", "http://h/m"},
      {"http://h/a@b", "http://h/a@b"},
      {"http://h?q=a@b", "http://h?q=a@b"},
      {"u:p@h/m", "h/m"},
      {"", ""}};
  for (const auto& [url, shown] : kCases) {
    EXPECT_EQ(WithoutUserInfo(url), shown) << url;
  }
}

}  // namespace
}  // namespace fodc::net
