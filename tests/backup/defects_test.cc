// SPDX-License-Identifier: Apache-2.0
// What is wrong with the Go original, as the program would show it: README.md
// has the whole list.
#include <gmock/gmock.h>

#include "tests/backup/cycle_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class DefectsTest : public BackupCycleTest {
 protected:
  // What is here before a restore.
  void WriteOld() const {
    Write("old", "is here", Restored());
    Write("a", "older", Restored());
  }
};

TEST_F(DefectsTest, ARestoreOfDamagedObjectsEndsWith4AndPutsNoneThere) {
  Write("a", std::string(1000, 'a'));
  Write("b", std::string(1000, 'b'));
  ASSERT_EQ(Backup().exit_code, 0);
  // One bit, and as large as before.
  std::string rotten(1000, 'a');
  rotten[500] ^= 1;
  Write("a", rotten, There());
  const Output bad = Verify();
  EXPECT_EQ(bad.exit_code, 4) << bad.err << bad.out;
  EXPECT_THAT(bad.out, HasSubstr("/measure/a"));
  WriteOld();
  const Output restored = Restore(Day());
  EXPECT_EQ(restored.exit_code, 4) << restored.err << restored.out;
  EXPECT_THAT(restored.err, HasSubstr("/measure/a"));
  EXPECT_EQ(ReadFile(Restored() + "/a").value_or(""), "older");
  EXPECT_EQ(ReadFile(Restored() + "/old").value_or(""), "is here");
  // The next one tries again.
  EXPECT_TRUE(ReadFile(dir_.File("restored/measure/time-dir")).ok());
}

TEST_F(DefectsTest, ARestoreOfAnotherDayTouchesNothing) {
  Write("a", "x");
  ASSERT_EQ(Backup().exit_code, 0);
  WriteOld();
  const auto before = FilesIn(Restored());
  const Output restored = Restore("1999-12-31");
  EXPECT_EQ(restored.exit_code, 1) << restored.err << restored.out;
  EXPECT_THAT(restored.err, HasSubstr("1999-12-31/measure/"));
  EXPECT_THAT(FilesIn(Restored()), ElementsAreArray(before));
}

TEST_F(DefectsTest, TheLogDoesNotGrowWithTheFiles) {
  for (int i = 0; i < 300; ++i) Write(StrCat("g", i % 5, "/f", i), "x");
  const Output run = Backup({"--log-level=info"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("backed up"));
  EXPECT_LT(Split(run.err, '\n').size(), 10U) << run.err;
}

}  // namespace
}  // namespace fodc::test
