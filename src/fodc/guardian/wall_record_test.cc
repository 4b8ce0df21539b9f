// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/wall_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fodc/base/file.h"
#include "fodc/base/kept_text.h"
#include "fodc/base/status_matchers.h"

namespace fodc::guardian {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const WallRecord kRecord{.path = "/sys/fs/cgroup/memory/a b",
                         .inode = 77,
                         .limit_bytes = 1 << 30,
                         .memsw_bytes = 0,
                         .raised_bytes = (1 << 30) + 4096};

TEST(WallRecordTest, ReadsBackWhatItWrote) {
  EXPECT_THAT(DecodeWallRecord(EncodeWallRecord(kRecord)),
              IsOkAndHolds(kRecord));
}

TEST(WallRecordTest, AnyOtherByteIsDamage) {
  const std::string good = EncodeWallRecord(kRecord);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(DecodeWallRecord(bad).status().code(), Code::kDataLoss) << i;
    EXPECT_FALSE(DecodeWallRecord(good.substr(0, i)).ok()) << i;
  }
  for (const char* lines :
       {"", "/a\n", "/a\n1 2 3\n", "/a\n1 2 3 4 5\n", "/a\n1 0 3 4\n",
        "/a\n1 3 3 2\n", "a\n1 2 3 4\n", "/a/../b\n1 2 3 4\n",
        "/a\n1 2 3 4\nmore\n", "/a\n-1 2 3 4\n"}) {
    EXPECT_EQ(
        DecodeWallRecord(SealText("fodc-wall 2\n", lines)).status().code(),
        Code::kDataLoss)
        << lines;
  }
}

// Whatever a record says: what is no cgroup is not written to.
TEST(RepairWallsTest, TouchesNothingButThatVeryGroup) {
  const TempDirectory dir;
  const std::string group = dir.File("group");
  ASSERT_THAT(MakeDirectories(group), IsOk());
  const std::string control = group + "/memory.oom_control";
  ASSERT_THAT(WriteFileAtomically(control, "oom_kill_disable 1\n"), IsOk());
  struct stat s {};
  ASSERT_EQ(::stat(group.c_str(), &s), 0);
  ASSERT_THAT(WriteFileAtomically(dir.File(WallRecordName({42, 7})),
                                  EncodeWallRecord({.path = group,
                                                    .inode = s.st_ino,
                                                    .limit_bytes = 1 << 30,
                                                    .raised_bytes = 2u << 30})),
              IsOk());
  EXPECT_THAT(RepairWalls(dir.path()), IsEmpty());
  EXPECT_THAT(ReadFile(control), IsOkAndHolds("oom_kill_disable 1\n"));
  EXPECT_FALSE(
      ReadFile(dir.File(WallRecordName({42, 7}))).ok());  // it is done with
}

TEST(RepairWallsTest, NamesADamagedRecord) {
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File(WallRecordName({43, 7})), "junk"),
              IsOk());
  EXPECT_THAT(RepairWalls(dir.path()),
              ElementsAre(HasSubstr(WallRecordName({43, 7}))));
  EXPECT_THAT(RepairWalls(dir.path()), IsEmpty());
  EXPECT_THAT(RepairWalls("/nonexistent"), IsEmpty());
}

// A target may be called "wall-1".
TEST(RepairWallsTest, LeavesOtherFilesAlone) {
  const TempDirectory dir;
  for (const char* name :
       {"guardian-wall-1.json", "guardian-wall-.stops", "guardian-wall-1-.json",
        "guardian-wall-", "guardian-wall-1"}) {
    ASSERT_THAT(WriteFileAtomically(dir.File(name), "{}"), IsOk());
    EXPECT_THAT(RepairWalls(dir.path()), IsEmpty()) << name;
    EXPECT_THAT(ReadFile(dir.File(name)), IsOkAndHolds("{}"));
  }
}

}  // namespace
}  // namespace fodc::guardian
