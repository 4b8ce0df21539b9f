// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/request_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Labels = std::map<std::string, std::string>;

net::Query Q(std::string_view text) { return *net::Query::Parse(text); }

bool Takes(std::string_view query, std::string_view role, std::string_view pod,
           const Labels& labels = {}) {
  return NodeFilter::Parse(Q(query))->Takes(role, pod, labels);
}

TEST(NodeFilterTest, TakesEverythingWithoutParameters) {
  EXPECT_TRUE(Takes("", "ROLE_DATA", "a"));
  EXPECT_TRUE(Takes("role=&pod_name=", "ROLE_DATA", "a"));
  EXPECT_TRUE(NodeFilter::Parse(Q("x=y"))->takes_all());
}

TEST(NodeFilterTest, ComparesWithoutRegardToCase) {
  EXPECT_TRUE(Takes("role=role_data&pod_name=A-0", "ROLE_DATA", "a-0"));
  EXPECT_FALSE(Takes("role=role_data&pod_name=A-0", "ROLE_DATA", "a-1"));
  EXPECT_FALSE(Takes("role=role_data&pod_name=A-0", "ROLE_LIAISON", "a-0"));
  EXPECT_FALSE(Takes("role=nobody", "ROLE_DATA", "a-0"));
}

TEST(NodeFilterTest, KnowsTheWordsOfTheDesign) {
  EXPECT_TRUE(Takes("role=Liaison", "ROLE_LIAISON", "a"));
  EXPECT_TRUE(Takes("role=datanode", "ROLE_DATA", "a"));
  EXPECT_FALSE(Takes("role=datanode", "ROLE_LIAISON", "a"));
  EXPECT_TRUE(Takes("role=DataNode-Hot", "ROLE_DATA", "a", {{"type", "hot"}}));
  EXPECT_FALSE(
      Takes("role=datanode-hot", "ROLE_DATA", "a", {{"type", "warm"}}));
  EXPECT_FALSE(Takes("role=datanode-cold", "ROLE_DATA", "a"));
  EXPECT_TRUE(Takes("role=data", "ROLE_DATA", "a"));
  EXPECT_TRUE(Takes("role=Data-Hot", "ROLE_DATA", "a", {{"type", "hot"}}));
  EXPECT_FALSE(Takes("role=data-hot", "ROLE_DATA", "a", {{"type", "warm"}}));
  EXPECT_TRUE(Takes("role=data-lake", "data-lake", "a"));
}

TEST(NodeFilterTest, RefusesAKindOfDataNodeThatThereIsNot) {
  EXPECT_THAT(NodeFilter::Parse(Q("role=DataNode-frozen")),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("unknown role \"DataNode-frozen\"")));
  EXPECT_FALSE(NodeFilter::Parse(Q("role=datanode-")).ok());
}

TEST(ParseWindowTest, NeedsBothEnds) {
  auto one = ParseWindow(Q("start_time=2026-11-21T07:31:20Z"));
  ASSERT_TRUE(one.ok());
  EXPECT_FALSE(one->has_value());
  auto both = ParseWindow(
      Q("start_time=1970-01-01T00:00:01Z&end_time=1970-01-01T00:00:02.5Z"));
  ASSERT_TRUE(both.ok());
  ASSERT_TRUE(both->has_value());
  EXPECT_EQ((*both)->from_unix_ms, 1000);
  EXPECT_EQ((*both)->to_unix_ms, 2500);
}

TEST(ParseWindowTest, RefusesBadTimesStartFirst) {
  EXPECT_THAT(ParseWindow(Q("start_time=yesterday&end_time=x")),
              StatusIs(Code::kInvalidArgument,
                       StartsWith("Invalid start_time format: ")));
  EXPECT_THAT(ParseWindow(Q("end_time=yesterday")),
              StatusIs(Code::kInvalidArgument,
                       StartsWith("Invalid end_time format: ")));
  EXPECT_THAT(ParseWindow(Q("start_time=2026-11-21 07:31")),
              StatusIs(Code::kInvalidArgument,
                       StartsWith("Invalid start_time format: ")));
}

TEST(ParseWindowTest, TakesSecondsAndAnUnescapedPlus) {
  const auto seconds = ParseWindow(Q("start_time=1&end_time=2.5"));
  ASSERT_TRUE(seconds.ok() && seconds->has_value());
  EXPECT_EQ((*seconds)->from_unix_ms, 1000);
  EXPECT_EQ((*seconds)->to_unix_ms, 2500);
  // It is a blank then.
  const auto offset =
      ParseWindow(Q("start_time=1970-01-01T01:00:01+01:00&end_time=1970-01-01T"
                    "01:00:02%2B01:00"));
  ASSERT_TRUE(offset.ok() && offset->has_value());
  EXPECT_EQ((*offset)->from_unix_ms, 1000);
  EXPECT_EQ((*offset)->to_unix_ms, 2000);
}

TEST(ParseWindowTest, RefusesAStartAfterTheEnd) {
  EXPECT_THAT(
      ParseWindow(
          Q("start_time=1970-01-01T00:00:03Z&end_time=1970-01-01T00:00:02Z")),
      StatusIs(Code::kInvalidArgument, HasSubstr("is after end_time")));
}

TEST(ParseAtTest, TakesDatesAndSeconds) {
  EXPECT_EQ(*ParseAt(Q("at=1970-01-01T00:00:01.25Z")), 1250);
  EXPECT_EQ(*ParseAt(Q("at=1.25")), 1250);
  EXPECT_EQ(*ParseAt(Q("at=1970-01-01T00:00:01+00:00")), 1000);
  EXPECT_FALSE(ParseAt(Q(""))->has_value());
  EXPECT_THAT(ParseAt(Q("at=now")), StatusIs(Code::kInvalidArgument,
                                             StartsWith("Invalid at format")));
  EXPECT_THAT(ParseAt(Q("at=")), StatusIs(Code::kInvalidArgument,
                                          StartsWith("Invalid at format")));
  EXPECT_FALSE(ParseAt(Q("at=NaN")).ok());
  EXPECT_FALSE(ParseAt(Q("at=1e300")).ok());
}

TEST(ParseFormatTest, NamesWhatThereIs) {
  EXPECT_EQ(*ParseFormat(Q(""), {"json", "openmetrics"}), "json");
  EXPECT_EQ(*ParseFormat(Q("format=openmetrics"), {"json", "openmetrics"}),
            "openmetrics");
  EXPECT_THAT(ParseFormat(Q("format=xml"), {"json", "openmetrics"}),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("there are: json, openmetrics")));
}

}  // namespace
}  // namespace fodc::api
