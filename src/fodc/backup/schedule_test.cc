// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "fodc/base/status_matchers.h"

namespace fodc::backup {
namespace {

using ::testing::HasSubstr;

class ScheduleTest : public ::testing::Test {
 protected:
  void SetUp() override { SetZone("UTC"); }
  void TearDown() override { SetZone("UTC"); }
  static void SetZone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  static std::string Next(std::string_view schedule, std::string_view after) {
    const auto s = Schedule::Parse(schedule);
    EXPECT_THAT(s, IsOk()) << schedule;
    if (!s.ok()) return "";
    const auto next = s->Next(ParseRfc3339(after).value());
    return next ? FormatRfc3339(*next, 0) : "never";
  }
};

TEST_F(ScheduleTest, KnowsDescriptors) {
  const char* now = "2026-08-21T14:30:10Z";
  EXPECT_EQ(Next("@hourly", now), "2026-08-21T15:00:00Z");
  EXPECT_EQ(Next("@daily", now), "2026-08-22T00:00:00Z");
  EXPECT_EQ(Next("@midnight", now), "2026-08-22T00:00:00Z");
  EXPECT_EQ(Next("@weekly", now), "2026-08-23T00:00:00Z");
  EXPECT_EQ(Next("@monthly", now), "2026-09-01T00:00:00Z");
  EXPECT_EQ(Next("@yearly", now), "2027-01-01T00:00:00Z");
  EXPECT_EQ(Next("@annually", now), "2027-01-01T00:00:00Z");
  EXPECT_EQ(Next("@every 90m", now), "2026-08-21T16:00:10Z");
  EXPECT_EQ(Next("@every 1.9s", now), "2026-08-21T14:30:11Z");
}

TEST_F(ScheduleTest, KnowsFields) {
  const char* now = "2026-08-21T14:30:00Z";  // a Friday
  EXPECT_EQ(Next("30 14 * * *", now), "2026-08-22T14:30:00Z");
  EXPECT_EQ(Next("31 14 * * *", now), "2026-08-21T14:31:00Z");
  EXPECT_EQ(Next("*/20 * * * *", now), "2026-08-21T14:40:00Z");
  EXPECT_EQ(Next("5/25 * * * *", now), "2026-08-21T14:55:00Z");
  EXPECT_EQ(Next("0 8-10,20 * * *", now), "2026-08-21T20:00:00Z");
  EXPECT_EQ(Next("0 0 * * mon", now), "2026-08-24T00:00:00Z");
  EXPECT_EQ(Next("0 0 * * 7", now), "2026-08-23T00:00:00Z");
  EXPECT_EQ(Next("0 0 29 FEB ?", now), "2028-02-29T00:00:00Z");
  EXPECT_EQ(Next("0 0 31 * *", now), "2026-08-31T00:00:00Z");
  // Either day will do.
  EXPECT_EQ(Next("0 0 1 * sat", now), "2026-08-22T00:00:00Z");
  EXPECT_EQ(Next("59 23 31 12 *", now), "2026-12-31T23:59:00Z");
}

TEST_F(ScheduleTest, GoesByTheProcesssZone) {
  SetZone("Europe/Berlin");
  EXPECT_EQ(Next("0 3 * * *", "2026-08-21T14:30:00Z"), "2026-08-22T01:00:00Z");
  // The clock goes from 2 to 3.
  EXPECT_EQ(Next("30 2 * * *", "2026-03-28T12:00:00Z"), "2026-03-30T00:30:00Z");
  EXPECT_EQ(Next("0 * * * *", "2026-03-29T00:30:00Z"), "2026-03-29T01:00:00Z");
  // And from 3 to 2.
  EXPECT_EQ(Next("30 2 * * *", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
  EXPECT_EQ(Next("0 * * * *", "2026-10-25T00:30:00Z"), "2026-10-25T01:00:00Z");
  // Where midnight is left out.
  SetZone("America/Santiago");
  EXPECT_EQ(Next("0 12 * * *", "2026-09-05T17:00:00Z"), "2026-09-06T15:00:00Z");
}

// Upstream's ticks wander: each is counted from when the one before was seen.
TEST_F(ScheduleTest, TicksStayOnTheClockHoweverLateOneIsTaken) {
  const auto hourly = Schedule::Parse("@hourly").value();
  const auto begin = ParseRfc3339("2026-01-01T00:00:00Z").value();
  UnixTime late = begin;
  for (int hour = 1; hour <= 24 * 366; ++hour) {
    const auto next = hourly.Next(late);
    ASSERT_TRUE(next);
    ASSERT_EQ(*next, begin + std::chrono::hours(hour));
    // Up to an hour less a second.
    late = *next + std::chrono::seconds(hour * 37 % 3600);
  }
  // Of an interval: from the tick before, whatever its run took.
  const auto every = Schedule::Parse("@every 10m").value();
  UnixTime tick = begin;
  for (int i = 0; i < 1000; ++i) tick = every.Next(tick).value();
  EXPECT_EQ(tick, begin + std::chrono::minutes(10'000));
}

TEST_F(ScheduleTest, NamesItsZone) {
  EXPECT_EQ(Schedule::Parse("TZ=Asia/Tokyo @daily")->zone(), "Asia/Tokyo");
  EXPECT_EQ(Schedule::Parse("CRON_TZ=UTC 0 0 * * *")->zone(), "UTC");
  EXPECT_EQ(Schedule::Parse("@daily")->zone(), "");
}

TEST_F(ScheduleTest, SaysWhatIsWrong) {
  const auto refuses = [](std::string_view text, const char* why) {
    EXPECT_THAT(Schedule::Parse(text),
                StatusIs(Code::kInvalidArgument, HasSubstr(why)))
        << text;
  };
  refuses("", "has 0 fields");
  refuses("@fortnightly", "has 1 fields");
  refuses("* * * *", "five are wanted");
  refuses("60 * * * *", "the minute \"60\" is none: 0 to 59");
  refuses("* 24 * * *", "0 to 23");
  refuses("* * 0 * *", "1 to 31");
  refuses("* * * 13 *", "1 to 12");
  refuses("* * * * 8", "0 to 7");
  refuses("5-3 * * * *", "minute");
  refuses("*/0 * * * *", "minute");
  refuses("a * * * *", "minute");
  refuses(", * * * *", "minute");
  refuses("0 0 31 2 *", "never comes");
  refuses("@every 500ms", "less than 1s");
  refuses("@every x", "x");
  refuses("@every 2000000h", "never comes");
  refuses("TZ= @daily", "no zone");
  refuses("TZ=Europe\x01 @daily", "no zone");
}

}  // namespace
}  // namespace fodc::backup
