// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/file_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FileDownloadTest : public ::testing::Test {
 protected:
  std::vector<std::string> Files() { return *ListDirectory(tree_.path()); }
  Result<FileDownload> Begin() { return FileDownload::Begin(tree_.path()); }

  TempDirectory tree_{"fodc-download"};
};
using FileDownloadDeathTest = FileDownloadTest;

TEST_F(FileDownloadTest, GetsItsNameWhenItIsWhole) {
  auto file = Begin();
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Append("of the first try"), IsOk());
  ASSERT_THAT(file->Clear(), IsOk());
  ASSERT_THAT(file->Append("whole"), IsOk());
  EXPECT_EQ(Files().size(), 1u);
  ASSERT_THAT(file->Publish(tree_.File("name"), /*replace=*/false), IsOk());
  EXPECT_THAT(Files(), ElementsAre("name"));
  EXPECT_THAT(ReadFile(tree_.File("name")), IsOkAndHolds("whole"));
}

TEST_F(FileDownloadTest, GoesWithItsOwner) {
  for (int i = 0; i < 2; ++i) {
    auto file = Begin();
    ASSERT_THAT(file, IsOk());
    const FileDownload moved = *std::move(file);
    EXPECT_EQ(Files().size(), 1u);
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(FileDownloadDeathTest, ASignalThatEndsTheProcessLeavesNothing) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          auto file = Begin();
          if (file.ok()) (void)::raise(number);
        },
        ::testing::KilledBySignal(number), "");
    EXPECT_THAT(Files(), IsEmpty()) << number;
  }
}

TEST_F(FileDownloadDeathTest, WhatIsIgnoredStaysIgnored) {
  EXPECT_EXIT(
      {
        (void)::signal(SIGHUP, SIG_IGN);
        auto file = Begin();
        (void)::raise(SIGHUP);
        std::exit(file.ok() && Files().size() == 1 ? 7 : 1);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST_F(FileDownloadTest, NoDeviceOrPipeIsReplaced) {
  const std::string pipe = tree_.File("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto file = Begin();
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(file->Append("x"), IsOk());
  EXPECT_THAT(
      file->Publish(pipe, /*replace=*/true),
      StatusIs(Code::kInvalidArgument, testing::HasSubstr("no regular file")));
  struct stat s {};
  ASSERT_EQ(::lstat(pipe.c_str(), &s), 0);
  EXPECT_TRUE(S_ISFIFO(s.st_mode));
}

}  // namespace
}  // namespace fodc::ctl
