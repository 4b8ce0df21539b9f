// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/file.h"

#include <sys/stat.h>

#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadFileTest, NamesThePathAndTheLimit) {
  TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("a"), std::string(1000, 'x')),
              IsOk());
  EXPECT_THAT(ReadFile(dir.File("a")), IsOkAndHolds(std::string(1000, 'x')));
  EXPECT_THAT(ReadFile(dir.File("a"), 999),
              StatusIs(Code::kResourceExhausted, HasSubstr("999")));
  EXPECT_THAT(ReadFile(dir.File("none")),
              StatusIs(Code::kNotFound, HasSubstr(dir.File("none"))));
}

TEST(ReadFileTest, ReadsFilesWithoutASize) {
  const auto text = ReadFile("/proc/self/status");
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(*text, HasSubstr("VmRSS:"));
}

TEST(WriteFileAtomicallyTest, ReplacesWholeAndLeavesNothingBeside) {
  TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("a"), "one", 0600), IsOk());
  ASSERT_THAT(WriteFileAtomically(dir.File("a"), "two", 0600), IsOk());
  EXPECT_THAT(ReadFile(dir.File("a")), IsOkAndHolds("two"));
  EXPECT_THAT(ListDirectory(dir.path()), IsOkAndHolds(ElementsAre("a")));
  struct stat st {};
  ASSERT_EQ(::stat(dir.File("a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST(WriteFileAtomicallyTest, FailsWithoutADirectory) {
  EXPECT_THAT(WriteFileAtomically("/no/such/dir/a", "x"),
              StatusIs(Code::kNotFound, HasSubstr("/no/such/dir/a")));
}

TEST(MakeDirectoriesTest, MakesParentsAndAcceptsExisting) {
  TempDirectory dir;
  EXPECT_THAT(MakeDirectories(dir.File("a/b/c")), IsOk());
  EXPECT_THAT(MakeDirectories(dir.File("a/b/c")), IsOk());
  ASSERT_THAT(WriteFileAtomically(dir.File("f"), ""), IsOk());
  EXPECT_FALSE(MakeDirectories(dir.File("f")).ok());
  EXPECT_THAT(
      MakeDirectories(dir.File("f/g/h")),
      StatusIs(Code::kInvalidArgument, dir.File("f") + " is not a directory"));
}

}  // namespace
}  // namespace fodc
