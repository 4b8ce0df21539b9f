// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/held_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {
namespace {

UniqueFd Make(const std::string& path) {
  EXPECT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

TEST(FindHeldLockTest, FindsThoseOfRunningDatabases) {
  const TempDirectory dir;
  EXPECT_THAT(FindHeldLock(dir.File("none")), IsOkAndHolds(""));
  const UniqueFd group = Make(dir.File("default/lock"));
  const UniqueFd own = Make(dir.File("LOCK"));
  const UniqueFd other = Make(dir.File("other/data"));
  EXPECT_THAT(FindHeldLock(dir.path()), IsOkAndHolds("")) << "nobody has them";
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  EXPECT_THAT(FindHeldLock(dir.path()), IsOkAndHolds("")) << "it is no lock";
  ASSERT_EQ(::flock(group.get(), LOCK_EX), 0);
  EXPECT_THAT(FindHeldLock(dir.path()), IsOkAndHolds(dir.File("default/lock")));
  ASSERT_EQ(::flock(group.get(), LOCK_UN), 0);
  EXPECT_THAT(FindHeldLock(dir.path()), IsOkAndHolds(""));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(own.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_THAT(FindHeldLock(dir.path()), IsOkAndHolds(dir.File("LOCK")));
}

}  // namespace
}  // namespace fodc::backup
