// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/file_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace fodc::ctl
