// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/incident_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::api {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Result<IncidentFilter> Parse(const std::string& query) {
  return IncidentFilter::Parse(*net::Query::Parse(query));
}

evidence::Incident Lasting(std::int64_t from, std::int64_t to) {
  evidence::Incident i;
  i.verdict = "W3";
  i.started_ms = from;
  i.ended_ms = to;
  return i;
}

bool Takes(const std::string& query, const evidence::Incident& incident) {
  const auto filter = Parse(query);
  EXPECT_THAT(filter, IsOk());
  return filter.ok() && filter->Takes(incident);
}

TEST(IncidentFilterTest, TakesEverythingWithoutParameters) {
  for (const char* query : {"", "verdict=&state=&start_time=&limit=", "x=y"}) {
    EXPECT_TRUE(Takes(query, Lasting(1000, 0)));
    EXPECT_TRUE(Takes(query, Lasting(1000, 2000)));
    EXPECT_EQ(Parse(query)->limit, 100u);
  }
}

TEST(IncidentFilterTest, ChoosesByVerdictAndState) {
  EXPECT_TRUE(Takes("verdict=w3", Lasting(1000, 0)));
  EXPECT_FALSE(Takes("verdict=W4", Lasting(1000, 0)));
  EXPECT_FALSE(Takes("verdict=W", Lasting(1000, 0)));
  EXPECT_TRUE(Takes("state=open", Lasting(1000, 0)));
  EXPECT_FALSE(Takes("state=open", Lasting(1000, 2000)));
  EXPECT_FALSE(Takes("state=ended", Lasting(1000, 0)));
  EXPECT_TRUE(Takes("state=ended&verdict=W3", Lasting(1000, 2000)));
}

TEST(IncidentFilterTest, TakesWhatLastedInTheRangeInPart) {
  const auto ended = Lasting(10'000, 20'000);
  EXPECT_TRUE(Takes("start_time=20&end_time=30", ended));
  EXPECT_FALSE(Takes("start_time=20.001&end_time=30", ended));
  EXPECT_TRUE(Takes("start_time=1&end_time=10", ended));
  EXPECT_FALSE(Takes("start_time=1&end_time=9.999", ended));
  EXPECT_TRUE(Takes("start_time=1&end_time=30", ended));
  EXPECT_TRUE(Takes("start_time=12&end_time=13", ended));
  // Each counts by itself.
  EXPECT_TRUE(Takes("start_time=1970-01-01T00:00:20Z", ended));
  EXPECT_FALSE(Takes("start_time=1970-01-01T00:00:21Z", ended));
  EXPECT_TRUE(Takes("end_time=10", ended));
  EXPECT_FALSE(Takes("end_time=9", ended));
  // It lasts.
  EXPECT_TRUE(Takes("start_time=9999", Lasting(10'000, 0)));
  EXPECT_FALSE(Takes("end_time=9", Lasting(10'000, 0)));
}

TEST(IncidentFilterTest, NamesWhatIsWrong) {
  const auto refuses = [](const std::string& query, const auto& matcher) {
    EXPECT_THAT(Parse(query), StatusIs(Code::kInvalidArgument, matcher))
        << query;
  };
  refuses("state=closed",
          HasSubstr("state \"closed\"; there are: open, ended"));
  for (const char* limit :
       {"0", "1001", "-1", "ten", "1e2", "99999999999999999999"}) {
    refuses(StrCat("limit=", limit), AllOf(HasSubstr("limit"), HasSubstr(limit),
                                           HasSubstr("from 1 to 1000")));
  }
  refuses("start_time=noon", HasSubstr("Invalid start_time format"));
  refuses("end_time=noon", HasSubstr("Invalid end_time format"));
  refuses("start_time=2&end_time=1",
          HasSubstr("start_time 2 is after end_time 1"));
  EXPECT_EQ(Parse("limit=1000")->limit, 1000u);
  EXPECT_EQ(Parse("limit=1")->limit, 1u);
}

}  // namespace
}  // namespace fodc::api
