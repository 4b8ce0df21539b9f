// SPDX-License-Identifier: Apache-2.0
#include "dump_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;

bool IsInMemory(const UniqueFd& fd) {
  return std::filesystem::read_symlink(StrCat("/proc/self/fd/", fd.get()))
      .string()
      .starts_with("/memfd:");
}

// Of a container whose root is read-only: /proc takes no files.
TEST(OpenDumpFileTest, IsInMemoryOnlyWhileThatIsNotShort) {
  const auto file = OpenDumpFile("/proc", 80, 100);
  ASSERT_THAT(file, IsOk());
  EXPECT_TRUE(IsInMemory(*file));
  EXPECT_THAT(
      OpenDumpFile("/proc", 81, 100),
      StatusIs(Code::kUnavailable, HasSubstr("81 of 100 bytes), and /proc")));
}

TEST(OpenDumpFileTest, AFileSystemInMemoryIsNoDisk) {
  if (::access("/dev/shm", W_OK) != 0) {
    std::puts("SKIPPED: no /dev/shm");
    GTEST_SKIP();
  }
  EXPECT_THAT(OpenDumpFile("/dev/shm", 80, 100), IsOk());
  EXPECT_EQ(OpenDumpFile("/dev/shm", 81, 100).status().code(),
            Code::kUnavailable);
}

TEST(OpenDumpFileTest, OnDiskThereIsRoom) {
  // The build's own directory: where the tests lie there is a disk.
  const auto here = std::filesystem::read_symlink("/proc/self/exe");
  const auto file = OpenDumpFile(here.parent_path(), 100, 100);
  ASSERT_THAT(file, IsOk());
  EXPECT_FALSE(IsInMemory(*file));
}

}  // namespace
}  // namespace fodc::guard
