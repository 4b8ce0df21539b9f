// SPDX-License-Identifier: Apache-2.0
// Captures on a disk that fails at the last. All calls of fsync(2) of the
// program go through here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "fodc/capture/capture_runner_testing.h"

namespace {

// Whether fsync of the directory of events fails.
std::atomic<bool> fails{false};

}  // namespace

extern "C" int fsync(int fd) {
  if (fails.load()) {
    std::error_code error;
    const auto path = std::filesystem::read_symlink(
        "/proc/self/fd/" + std::to_string(fd), error);
    if (path.filename() == "events") {
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace fodc::capture {
namespace {

TEST_F(CaptureRunnerTest, AnEventThatIsThereIsNoFailure) {
  Start();
  fails.store(true);
  const CaptureResult result = Capture(Request());
  fails.store(false);
  ASSERT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.has_evidence);
  EXPECT_FALSE(result.rest.ok());
  EXPECT_THAT(Ids(), testing::ElementsAre(result.event_id));
  EXPECT_GT(result.artifacts, 0u);
  // It is told of, so that it is listed.
  AwaitCommits(1);
  MutexLock lock(mutex_);
  EXPECT_EQ(commits_.back().first, result.event_id);
}

}  // namespace
}  // namespace fodc::capture
