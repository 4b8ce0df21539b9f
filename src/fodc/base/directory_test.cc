// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() : dir_(Directory::Open(tree_.path()).value()) {}

  TempDirectory tree_;
  Directory dir_;
};

TEST_F(DirectoryTest, TakesNoNameThatLeadsElsewhere) {
  const std::string nul("a\0b", 3);
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"),
        std::string("/etc"), std::string("a/b"), nul}) {
    const auto refused = StatusIs(Code::kInvalidArgument, HasSubstr("no name"));
    EXPECT_THAT(dir_.OpenFile(name), refused) << name;
    EXPECT_THAT(dir_.OpenDirectory(name), refused) << name;
    EXPECT_THAT(dir_.CreateFile(name), refused) << name;
    EXPECT_THAT(dir_.MakeDirectory(name), refused) << name;
    EXPECT_THAT(dir_.RemoveFile(name), refused) << name;
    EXPECT_THAT(dir_.RemoveDirectory(name), refused) << name;
    EXPECT_THAT(dir_.Rename(name, "b"), refused) << name;
    EXPECT_THAT(dir_.Rename("a", name), refused) << name;
    EXPECT_THAT(dir_.Stat(name), refused) << name;
  }
}

// As of a kernel with openat2 and of one without.
class OpenInTest : public DirectoryTest,
                   public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(, OpenInTest, ::testing::Bool());

TEST_P(OpenInTest, FollowsNoLink) {
  WriteTree(tree_.path(), {{"real/file", "x"}, {"file", "y"}});
  ASSERT_EQ(::symlink("file", tree_.File("link").c_str()), 0);
  ASSERT_EQ(::symlink("real", tree_.File("dir").c_str()), 0);
  const auto is_link =
      StatusIs(Code::kInvalidArgument, HasSubstr("symbolic link"));
  EXPECT_THAT(OpenIn(dir_.fd(), "link", O_RDONLY, 0, GetParam()), is_link);
  EXPECT_THAT(OpenIn(dir_.fd(), "dir", O_RDONLY | O_DIRECTORY, 0, GetParam()),
              is_link);
  EXPECT_THAT(OpenIn(dir_.fd(), "file", O_RDONLY, 0, GetParam()), IsOk());
  EXPECT_THAT(OpenIn(dir_.fd(), "none", O_RDONLY, 0, GetParam()),
              StatusIs(Code::kNotFound, HasSubstr("none")));
}

TEST_P(OpenInTest, ClosesOnExec) {
  WriteTree(tree_.path(), {{"file", "y"}});
  const auto fd = OpenIn(dir_.fd(), "file", O_RDONLY, 0, GetParam());
  ASSERT_THAT(fd, IsOk());
  EXPECT_TRUE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(DirectoryTest, StaysWithWhatItOpened) {
  WriteTree(tree_.path(), {{"a/file", "old"}});
  const auto a = dir_.OpenDirectory("a");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(dir_.Rename("a", "b"), IsOk());
  WriteTree(tree_.path(), {{"a/file", "new"}});
  EXPECT_THAT(a->ReadFile("file", 100), IsOkAndHolds("old"));
}

TEST_F(DirectoryTest, ReadsRegularFilesOnly) {
  ASSERT_EQ(::mkfifo(tree_.File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(
      dir_.OpenFile("fifo"),
      StatusIs(Code::kInvalidArgument, HasSubstr("fifo is no regular file")));
  ASSERT_THAT(dir_.MakeDirectory("d"), IsOk());
  EXPECT_THAT(dir_.OpenFile("d"), StatusIs(Code::kInvalidArgument, _));
}

TEST_F(DirectoryTest, ReadsWithinABound) {
  WriteTree(tree_.path(), {{"file", std::string(40000, 'x')}});
  EXPECT_THAT(dir_.ReadFile("file", 40000), IsOkAndHolds(SizeIs(40000)));
  EXPECT_THAT(dir_.ReadFile("file", 39999),
              StatusIs(Code::kResourceExhausted,
                       AllOf(HasSubstr("file"), HasSubstr("39999"))));
}

TEST_F(DirectoryTest, WritesAtomicallyOverWhatWasLeft) {
  WriteTree(tree_.path(), {{"f", "old"}, {"f.tmp", "left behind"}});
  EXPECT_THAT(dir_.WriteFileAtomically("f", "new"), IsOk());
  EXPECT_THAT(dir_.ReadFile("f", 100), IsOkAndHolds("new"));
  EXPECT_THAT(dir_.List(10), IsOkAndHolds(UnorderedElementsAre("f")));
  EXPECT_EQ(dir_.Stat("f")->st_mode & 0777u, 0600u);
}

TEST_F(DirectoryTest, LeavesNothingOfAWriteThatFailed) {
  ASSERT_THAT(dir_.MakeDirectory("f"), IsOk());  // cannot be replaced
  EXPECT_THAT(dir_.WriteFileAtomically("f", "new"),
              StatusIs(Code::kInvalidArgument, HasSubstr("rename")));
  EXPECT_THAT(dir_.List(10), IsOkAndHolds(UnorderedElementsAre("f")));
}

TEST_F(DirectoryTest, CreatesNewFilesOnly) {
  EXPECT_THAT(dir_.CreateFile("f"), IsOk());
  EXPECT_THAT(dir_.CreateFile("f"),
              StatusIs(Code::kAlreadyExists, HasSubstr("f")));
  ASSERT_EQ(::symlink("/tmp/elsewhere", tree_.File("l").c_str()), 0);
  EXPECT_THAT(dir_.CreateFile("l"), StatusIs(Code::kAlreadyExists, _));
}

TEST_F(DirectoryTest, ExchangesTwoNames) {
  WriteTree(tree_.path(), {{"a/f", "1"}, {"b/f", "2"}});
  EXPECT_THAT(dir_.Exchange("a", "b"), IsOk());
  EXPECT_THAT(ReadFile(tree_.File("a/f")), IsOkAndHolds("2"));
  EXPECT_THAT(ReadFile(tree_.File("b/f")), IsOkAndHolds("1"));
  EXPECT_THAT(dir_.Exchange("a", "none"), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(dir_.Exchange("a", "../b"), StatusIs(Code::kInvalidArgument, _));
}

TEST_F(DirectoryTest, RemovesALinkAndNotWhatItLeadsTo) {
  WriteTree(tree_.path(), {{"kept/file", "x"}});
  ASSERT_EQ(::symlink("kept", tree_.File("link").c_str()), 0);
  EXPECT_THAT(dir_.RemoveDirectory("link"),
              StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(dir_.RemoveFile("link"), IsOk());
  EXPECT_THAT(dir_.RemoveFile("link"), IsOk());  // gone already
  EXPECT_THAT(ReadFile(tree_.File("kept/file")), IsOkAndHolds("x"));
  EXPECT_THAT(dir_.RemoveDirectory("kept"),
              StatusIs(Code::kFailedPrecondition, HasSubstr("kept")));
}

TEST_F(DirectoryTest, ListsWithinABoundAndAgain) {
  WriteTree(tree_.path(), {{"a", ""}, {"b", ""}, {"c", ""}});
  EXPECT_THAT(dir_.List(100),
              IsOkAndHolds(UnorderedElementsAre("a", "b", "c")));
  EXPECT_THAT(dir_.List(2), IsOkAndHolds(SizeIs(2)));
  EXPECT_THAT(dir_.List(100), IsOkAndHolds(SizeIs(3)));
}

TEST_F(DirectoryTest, KnowsThatItLostItsName) {
  ASSERT_THAT(dir_.MakeDirectory("d"), IsOk());
  const auto d = dir_.OpenDirectory("d");
  ASSERT_THAT(d, IsOk());
  EXPECT_FALSE(d->is_removed());
  ASSERT_THAT(dir_.RemoveDirectory("d"), IsOk());
  EXPECT_TRUE(d->is_removed());
  EXPECT_THAT(d->CreateFile("f"), StatusIs(Code::kNotFound, _));
}

TEST_F(DirectoryTest, TellsWhatIsFree) {
  const auto bytes = dir_.FreeBytes();
  ASSERT_THAT(bytes, IsOk());
  EXPECT_GT(*bytes, 0u);
}

}  // namespace
}  // namespace fodc
