// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/work_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class WorkDirectoryTest : public ::testing::Test {
 protected:
  WorkDirectoryTest() {
    const char* const before = ::getenv("TMPDIR");
    before_ = before == nullptr ? "" : before;
    ::setenv("TMPDIR", dir_.path().c_str(), 1);
  }
  ~WorkDirectoryTest() override {
    if (before_.empty()) {
      ::unsetenv("TMPDIR");
    } else {
      ::setenv("TMPDIR", before_.c_str(), 1);
    }
  }
  // With a file in it, as of so many seconds ago.
  std::string Make(const std::string& name, int age) const {
    const std::string path = dir_.File(name);
    EXPECT_THAT(MakeDirectories(path + "/below"), IsOk());
    EXPECT_THAT(WriteFileAtomically(path + "/below/file", "text"), IsOk());
    timespec times[2] = {};
    ::clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= age;
    times[1] = times[0];
    EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    return path;
  }

  const TempDirectory dir_;
  std::string before_;
};

TEST_F(WorkDirectoryTest, GoesWithItsOwner) {
  std::string path;
  {
    const auto made = WorkDirectory::Make("fodc-x", SystemClock());
    ASSERT_THAT(made, IsOk());
    path = made->path();
    EXPECT_TRUE(path.starts_with(dir_.File("fodc-x-")));
    EXPECT_THAT(WriteFileAtomically(made->File("f"), "text"), IsOk());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(WorkDirectoryTest, WhatTheKilledHaveLeftGoes) {
  const std::string left = Make("fodc-x-killed", 3600);
  const std::string young = Make("fodc-x-young", 10);
  const std::string others = Make("fodc-xyz-killed", 3600);
  const std::string held = Make("fodc-x-held", 3600);
  const UniqueFd lock(::open(held.c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  const auto made = WorkDirectory::Make("fodc-x", SystemClock());
  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(young + "/below/file"));
  EXPECT_TRUE(std::filesystem::exists(others + "/below/file"));
  EXPECT_TRUE(std::filesystem::exists(held + "/below/file"));
}

TEST_F(WorkDirectoryTest, NoPlaceForItIsAnErrorThatNamesIt) {
  ::setenv("TMPDIR", dir_.File("none").c_str(), 1);
  EXPECT_THAT(WorkDirectory::Make("fodc-x", SystemClock()),
              StatusIs(Code::kNotFound, HasSubstr(dir_.File("none"))));
}

}  // namespace
}  // namespace fodc::backup
