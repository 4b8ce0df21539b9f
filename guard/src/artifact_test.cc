// SPDX-License-Identifier: Apache-2.0
#include "artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CleanComponentTest, HasNothingThatAPathWouldMisread) {
  EXPECT_EQ(CleanComponent("measure-flush"), "measure-flush");
  EXPECT_EQ(CleanComponent("/grpc/queue sub:1\\a/"), "grpc-queue-sub-1-a");
  EXPECT_EQ(CleanComponent("a\nb\x7f"), "a-b");
  EXPECT_EQ(CleanComponent(""), "unknown");
  EXPECT_EQ(CleanComponent("/ :"), "unknown");
  EXPECT_EQ(CleanComponent("\xc3\xa9\xff"), "\xc3\xa9\xef\xbf\xbd");
  EXPECT_EQ(CleanComponent(std::string(300, 'x')), std::string(100, 'x'));
  // What is no UTF-8 grows, and no character of three bytes is cut.
  std::string bad;
  for (int i = 0; i < 50; ++i) bad += "\xff!";
  EXPECT_EQ(CleanComponent(bad).size(), 100u);
  EXPECT_EQ(CleanComponent("??" + bad).size(), 98u);
}

class ArtifactTest : public ::testing::Test {
 protected:
  void Write(const std::string& id) {
    ASSERT_EQ(MakeArtifact(root_.c_str(), id), 0);
    ASSERT_EQ(WriteIntoArtifact(root_.c_str(), id, kPanicFile, "{}"), 0);
  }
  std::vector<std::string> Ids() { return *ListDirectory(root_); }

  TempDirectory temp_{"fodc-artifact"};
  std::string root_ = temp_.path();
};

TEST_F(ArtifactTest, NamesSortAsTheirTimesDo) {
  std::array<char, 256> memory{};
  RecordBuffer id(memory.data(), memory.size());
  AppendArtifactId(FromUnixMillis(1763710273857), "flush", 23766, &id);
  EXPECT_EQ(id.text(), "20251121T073113.857000000Z-flush-23766");
}

TEST_F(ArtifactTest, AFileIsThereWholeAndPrivate) {
  Write("1");
  const std::string file = root_ + "/1/panic.json";
  EXPECT_THAT(ReadFile(file), IsOkAndHolds("{}"));
  struct stat st {};
  ASSERT_EQ(::stat(file.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_THAT(ListDirectory(root_ + "/1"),
              IsOkAndHolds(ElementsAre("panic.json")));
}

TEST_F(ArtifactTest, AFailedWriteLeavesNothing) {
  EXPECT_EQ(WriteIntoArtifact(root_.c_str(), "none", kPanicFile, "{}"), ENOENT);
  ASSERT_EQ(MakeArtifact(root_.c_str(), "1"), 0);
  EXPECT_EQ(MakeArtifact(root_.c_str(), "1"), EEXIST);
  // What the rename cannot replace.
  ASSERT_THAT(MakeDirectories(root_ + "/1/panic.json/in the way"), IsOk());
  EXPECT_NE(WriteIntoArtifact(root_.c_str(), "1", kPanicFile, "{}"), 0);
  EXPECT_THAT(ListDirectory(root_ + "/1"),
              IsOkAndHolds(ElementsAre("panic.json")));
}

TEST_F(ArtifactTest, ARootThatWentIsMadeAgain) {
  root_ += "/crash";
  Write("1");
  EXPECT_THAT(Ids(), ElementsAre("1"));
}

TEST_F(ArtifactTest, TheNewestStayAndForeignDirectoriesAreNotTouched) {
  // Made in an order that is not theirs; more than go in one pass.
  for (int i = 0; i < 50; ++i) Write(std::to_string(100 + (i * 37) % 50));
  ASSERT_THAT(MakeDirectories(root_ + "/000"), IsOk());
  ASSERT_THAT(WriteFileAtomically(root_ + "/000/other", "x"), IsOk());
  ASSERT_THAT(WriteFileAtomically(root_ + "/101/deep-dump.json", "x"), IsOk());
  ASSERT_THAT(WriteFileAtomically(root_ + "/panic.json", "x"), IsOk());
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 0), 0);
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 50), 0);
  EXPECT_EQ(Ids().size(), 52u);
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 3), 0);
  EXPECT_THAT(Ids(), ElementsAre("000", "147", "148", "149", "panic.json"));
}

// A clock that was set back gives the newest the first name.
TEST_F(ArtifactTest, WhatWasJustWrittenStays) {
  for (const char* id : {"1", "2", "3", "4"}) Write(id);
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 2, "1"), 0);
  EXPECT_THAT(Ids(), ElementsAre("1", "4"));
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 1, "1"), 0);
  EXPECT_THAT(Ids(), ElementsAre("1"));
}

TEST_F(ArtifactTest, APanicFileOfAnyContentCounts) {
  Write("1");
  ASSERT_EQ(WriteIntoArtifact(root_.c_str(), "1", kPanicFile, "{\"comp"), 0);
  Write("2");
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 1), 0);
  EXPECT_THAT(Ids(), ElementsAre("2"));
}

TEST_F(ArtifactTest, ALinkIsNotFollowed) {
  TempDirectory other("fodc-other");
  ASSERT_THAT(MakeDirectories(other.File("a")), IsOk());
  ASSERT_THAT(WriteFileAtomically(other.File("a/panic.json"), "x"), IsOk());
  ASSERT_EQ(::symlink(other.File("a").c_str(), (root_ + "/0").c_str()), 0);
  Write("1");
  Write("2");
  EXPECT_EQ(PruneArtifacts(root_.c_str(), 1), 0);
  EXPECT_THAT(Ids(), ElementsAre("0", "2"));
  EXPECT_THAT(ReadFile(other.File("a/panic.json")), IsOkAndHolds("x"));
}

TEST_F(ArtifactTest, ADirectoryThatCannotBeSaysSo) {
  std::string root;
  EXPECT_THAT(PrepareRoot("", &root),
              StatusIs(Code::kInvalidArgument, HasSubstr("no path")));
  EXPECT_THAT(PrepareRoot(std::string(PATH_MAX, 'a'), &root),
              StatusIs(Code::kInvalidArgument, HasSubstr("limit")));
  EXPECT_THAT(root, IsEmpty());
  ASSERT_THAT(WriteFileAtomically(root_ + "/file", "x"), IsOk());
  EXPECT_FALSE(PrepareRoot(root_ + "/file/below/", &root).ok());
  EXPECT_EQ(root, root_ + "/file/below");
  EXPECT_THAT(PrepareRoot(root_ + "/a/b", &root), IsOk());
}

}  // namespace
}  // namespace fodc::guard
