// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::exposition {
namespace {

using ::testing::HasSubstr;

bool Takes(std::string_view selector, std::string_view name,
           std::vector<Label> labels = {}) {
  auto parsed = Selector::Parse(selector);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return parsed.ok() && parsed->Matches(name, labels);
}

std::string ErrorOf(std::string_view selector) {
  auto parsed = Selector::Parse(selector);
  return parsed.ok() ? "" : parsed.status().message();
}

TEST(SelectorTest, TakesAName) {
  EXPECT_TRUE(Takes("up", "up"));
  EXPECT_FALSE(Takes("up", "upper"));
  EXPECT_TRUE(Takes(" job:rate:sum ", "job:rate:sum"));
}

TEST(SelectorTest, ComparesLabels) {
  EXPECT_TRUE(Takes(R"(x{a="1", b!="2"})", "x", {{"a", "1"}, {"b", "3"}}));
  EXPECT_FALSE(Takes(R"(x{a="1", b!="2"})", "x", {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(Takes(R"(x{a="1"})", "x", {{"a", "2"}}));
  EXPECT_TRUE(Takes(R"(x{a="1",})", "x", {{"a", "1"}}));
}

TEST(SelectorTest, AnchorsExpressions) {
  EXPECT_TRUE(Takes(R"({__name__=~"go_.*"})", "go_threads"));
  EXPECT_FALSE(Takes(R"({__name__=~"go"})", "go_threads"));
  EXPECT_TRUE(Takes(R"(x{a=~"b|cc"})", "x", {{"a", "cc"}}));
  EXPECT_FALSE(Takes(R"(x{a=~"b|cc"})", "x", {{"a", "bcc"}}));
  EXPECT_FALSE(Takes(R"(x{a!~"b.*"})", "x", {{"a", "bcc"}}));
  EXPECT_TRUE(Takes("x{a=~\".*\"}", "x", {{"a", "two\nlines"}}));
}

TEST(SelectorTest, ReadsAnAbsentLabelAsEmpty) {
  EXPECT_TRUE(Takes(R"(x{a=""})", "x"));
  EXPECT_FALSE(Takes(R"(x{a!=""})", "x"));
  EXPECT_TRUE(Takes(R"(x{a!="1"})", "x"));
}

TEST(SelectorTest, DecodesTheThreeQuotes) {
  const std::vector<Label> labels = {{"a", "q\"\n\\"}};
  EXPECT_TRUE(Takes(R"(x{a="q\"\n\\"})", "x", labels));
  EXPECT_TRUE(Takes(R"(x{a='q"\x0a\\'})", "x", labels));
  EXPECT_TRUE(Takes("x{a=`q\"\n\\`}", "x", labels));
}

TEST(SelectorTest, NamesWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("at least one matcher"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("at least one matcher"));
  EXPECT_THAT(ErrorOf(R"({a=~".*"})"), HasSubstr("at least one matcher"));
  EXPECT_THAT(ErrorOf("x{a}"), HasSubstr("one of ="));
  EXPECT_THAT(ErrorOf("x{a=1}"), HasSubstr("quoted string"));
  EXPECT_THAT(ErrorOf("x{a=\"1"), HasSubstr("does not end"));
  EXPECT_THAT(ErrorOf("x{a=\"1\""), HasSubstr("comma or }"));
  EXPECT_THAT(ErrorOf("x{=\"1\"}"), HasSubstr("label name"));
  EXPECT_THAT(ErrorOf("x{a=\"\\q\"}"), HasSubstr("unknown escape"));
  EXPECT_THAT(ErrorOf("x{a=~\"(\"}"), HasSubstr("bad expression"));
  EXPECT_THAT(ErrorOf("x[5m]"), HasSubstr("unexpected"));
  EXPECT_THAT(ErrorOf("x{a=\"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf(std::string(5000, 'x')), HasSubstr("limit of 4096"));
  EXPECT_THAT(ErrorOf(R"(x{a=~"((a{100}){100}){100}"})"),
              HasSubstr("bad expression"));
}

TEST(SelectorSetTest, TakesWhatAnyTakes) {
  const std::vector<std::string_view> texts = {"a", R"(b{c="1"})"};
  auto set = SelectorSet::Parse(texts);
  ASSERT_TRUE(set.ok());
  EXPECT_TRUE(set->Matches("a", {}));
  EXPECT_TRUE(set->Matches("b", std::vector<Label>{{"c", "1"}}));
  EXPECT_FALSE(set->Matches("b", {}));
  EXPECT_TRUE(set->MayMatchName("b"));
  EXPECT_FALSE(set->MayMatchName("c"));
  EXPECT_TRUE(SelectorSet().Matches("anything", {}));
}

TEST(SelectorSetTest, RefusesTooMany) {
  const std::vector<std::string_view> texts(65, "a");
  EXPECT_THAT(SelectorSet::Parse(texts).status().message(),
              HasSubstr("limit of 64"));
}

// Each takes memory and time on the loop before the first byte goes out.
TEST(SelectorSetTest, RefusesTooManyExpressions) {
  std::string one = "a{";
  for (int i = 0; i < 17; ++i) one += StrCat("l", i, "=~\"x|y\",");
  one += "}";
  EXPECT_THAT(SelectorSet::Parse(std::vector<std::string_view>{one}).status(),
              IsOk());
  EXPECT_THAT(
      SelectorSet::Parse(std::vector<std::string_view>{one, one}).status(),
      StatusIs(Code::kInvalidArgument,
               HasSubstr("more than 32 regular expressions")));
}

}  // namespace
}  // namespace fodc::exposition
