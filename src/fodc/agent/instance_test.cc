// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kUuid[] =
    "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";

TEST(InstanceIdTest, IsKeptInTheRecordersDirectory) {
  TempDirectory dir;
  const std::string path = dir.File("not/yet/there");
  const std::string id = InstanceId(path, true, "pod-0", "boot");
  EXPECT_THAT(id, MatchesRegex(kUuid));
  EXPECT_EQ(InstanceId(path, true, "pod-0", "other-boot"), id);
  EXPECT_NE(InstanceId(dir.File("elsewhere"), true, "pod-0", "boot"), id);
}

TEST(InstanceIdTest, AnotherPodsIsReplaced) {
  TempDirectory dir;
  const LogCapture log;
  const std::string first = InstanceId(dir.path(), true, "pod-0", "boot");
  EXPECT_EQ(ReadFile(dir.File("instance-id")).value_or(""),
            StrCat(first, "\npod-0\n"));
  EXPECT_TRUE(log.Lines("another pod").empty());
  const std::string second = InstanceId(dir.path(), true, "pod-1", "boot");
  EXPECT_THAT(second, MatchesRegex(kUuid));
  EXPECT_NE(second, first);
  ASSERT_EQ(log.Lines("another pod").size(), 1u);
  EXPECT_THAT(log.Lines("another pod")[0],
              AllOf(HasSubstr(dir.path()), HasSubstr("was_of=pod-0"),
                    HasSubstr("pod_name=pod-1")));
  EXPECT_EQ(InstanceId(dir.path(), true, "pod-1", "boot"), second);
}

TEST(InstanceIdTest, OneThatDoesNotSayWhoseItIsBecomesThisPods) {
  TempDirectory dir;
  const std::string id = InstanceId(dir.path(), true, "pod-0", "boot");
  ASSERT_TRUE(WriteFileAtomically(dir.File("instance-id"), id + "\n").ok());
  EXPECT_EQ(InstanceId(dir.path(), true, "pod-1", "boot"), id);
  EXPECT_NE(InstanceId(dir.path(), true, "pod-0", "boot"), id);
}

TEST(InstanceIdTest, DamageGivesANewOneAndIsLogged) {
  TempDirectory dir;
  const LogCapture log;
  const std::string id = InstanceId(dir.path(), true, "pod-0", "boot");
  ASSERT_TRUE(WriteFileAtomically(dir.File("instance-id"), "rubbish").ok());
  const std::string other = InstanceId(dir.path(), true, "pod-0", "boot");
  EXPECT_THAT(other, MatchesRegex(kUuid));
  EXPECT_NE(other, id);
  ASSERT_EQ(log.Lines("cannot be read").size(), 1u);
  EXPECT_THAT(log.Lines("cannot be read")[0],
              HasSubstr(dir.File("instance-id")));
}

TEST(InstanceIdTest, NothingIsWrittenWhereNothingMayBe) {
  TempDirectory dir;
  const LogCapture log;
  const std::string derived = InstanceId(dir.path(), false, "pod-0", "boot");
  EXPECT_EQ(derived, InstanceId("", true, "pod-0", "boot"));
  EXPECT_EQ(ReadFile(dir.File("instance-id")).status().code(), Code::kNotFound);
  const std::string kept = InstanceId(dir.path(), true, "pod-0", "boot");
  EXPECT_EQ(InstanceId(dir.path(), false, "pod-0", "boot"), kept);
  EXPECT_NE(InstanceId(dir.path(), false, "pod-1", "boot"), kept);
  EXPECT_EQ(KeptPodName(dir.path()), "pod-0");
  EXPECT_TRUE(log.Lines("").empty());
}

TEST(InstanceIdTest, IsKeptLate) {
  TempDirectory dir;
  const std::string id = InstanceId("", true, "pod-0", "boot");
  InstanceId(dir.path(), true, "pod-1", "boot");
  ASSERT_THAT(KeepInstanceId(dir.path(), id, "pod-0"), IsOk());
  EXPECT_EQ(InstanceId(dir.path(), true, "pod-0", "other-boot"), id);
}

TEST(InstanceIdTest, WithoutADirectoryItComesFromPodAndBoot) {
  const std::string id = InstanceId("", true, "pod-0", "boot");
  EXPECT_THAT(id, MatchesRegex(kUuid));
  EXPECT_EQ(InstanceId("", true, "pod-0", "boot"), id);
  EXPECT_NE(InstanceId("", true, "pod-1", "boot"), id);
  EXPECT_NE(InstanceId("", true, "pod-0", "boot2"), id);
  // A directory that cannot be made is no reason to fail.
  EXPECT_EQ(InstanceId("/proc/nothing/here", true, "pod-0", "boot"), id);
}

TEST(NewIncarnationTest, GrowsEvenWhenTheClockWasSetBack) {
  FakeClock clock;
  const auto first = NewIncarnation(clock, 0);
  clock.StepUnix(-std::chrono::hours(24));
  const auto second = NewIncarnation(clock, first);
  EXPECT_GT(second, first);
  clock.StepUnix(std::chrono::hours(48));
  EXPECT_GT(NewIncarnation(clock, second), second + 1);
}

TEST(HostTest, HasANameAndABoot) {
  EXPECT_FALSE(HostName().empty());
  EXPECT_FALSE(BootId().empty());
}

}  // namespace
}  // namespace fodc::agent
