// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/time_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <ctime>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::backup {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

TEST(TimeDirTest, IsOfTheLocalDayOrHour) {
  ::setenv("TZ", "Asia/Tokyo", 1);
  ::tzset();
  const UnixTime at = ParseRfc3339("2026-08-21T15:30:00Z").value();
  EXPECT_EQ(TimeDirName(at, TimeStyle::kDaily), "2026-08-22");
  EXPECT_EQ(TimeDirName(at, TimeStyle::kHourly), "2026-08-22-00");
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(TimeDirName(at, TimeStyle::kDaily), "2026-08-21");
  EXPECT_EQ(TimeDirName(at, TimeStyle::kHourly), "2026-08-21-15");
}

TEST(TimeDirTest, KnowsItsNames) {
  for (const char* name :
       {"2026-08-21", "2024-02-29", "2026-08-21-00", "2026-08-21-23"}) {
    EXPECT_TRUE(IsTimeDirName(name)) << name;
  }
  for (const char* name : {"", "2026-8-21", "2026-02-30", "2026-08-21-24",
                           "2026-08-21 00", "2026-08-21-0", "2026/08/21",
                           "+026-08-21", "stream", "2026-08-21-000"}) {
    EXPECT_FALSE(IsTimeDirName(name)) << name;
  }
}

TEST(TimeDirTest, StylesAreTwo) {
  EXPECT_THAT(ParseTimeStyle("daily"), IsOkAndHolds(TimeStyle::kDaily));
  EXPECT_THAT(ParseTimeStyle("hourly"), IsOkAndHolds(TimeStyle::kHourly));
  EXPECT_THAT(ParseTimeStyle("weekly"),
              StatusIs(Code::kInvalidArgument, HasSubstr("weekly")));
}

TEST(TimeDirTest, FilesHaveTheNameAndNothingElse) {
  const TempDirectory dir;
  const std::string catalog = dir.File("root/stream");
  ASSERT_THAT(WriteTimeDir(catalog, "2026-08-21"), IsOk());
  EXPECT_THAT(ReadFile(catalog + "/time-dir"), IsOkAndHolds("2026-08-21"));
  struct stat stat {};
  ASSERT_EQ(::stat((catalog + "/time-dir").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(catalog.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 0777, 0700u);
  EXPECT_THAT(ReadTimeDir(catalog), IsOkAndHolds("2026-08-21"));
  // Somebody's editor was there.
  ASSERT_THAT(WriteFileAtomically(catalog + "/time-dir", " 2026-08-21 \n"),
              IsOk());
  EXPECT_THAT(ReadTimeDir(catalog), IsOkAndHolds("2026-08-21"));
  EXPECT_THAT(RemoveTimeDir(catalog), IsOk());
  EXPECT_THAT(RemoveTimeDir(catalog), IsOk());
  EXPECT_THAT(ReadTimeDir(catalog), StatusIs(Code::kNotFound, _));
  for (const char* text : {"", " \n", "../x", "a/b", "..", "a\nb"}) {
    ASSERT_THAT(WriteFileAtomically(catalog + "/time-dir", text), IsOk());
    EXPECT_THAT(ReadTimeDir(catalog), StatusIs(Code::kInvalidArgument, _));
  }
}

}  // namespace
}  // namespace fodc::backup
