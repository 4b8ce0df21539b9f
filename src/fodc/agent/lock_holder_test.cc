// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/lock_holder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "fodc/base/file.h"

namespace fodc::agent {
namespace {

TEST(LockHolderTest, ReadsTheKernelsTable) {
  const char* locks =
      "1: POSIX  ADVISORY  WRITE 11 08:01:9 0 EOF\n"
      "2: -> FLOCK  ADVISORY  WRITE 12 08:01:9 0 EOF\n"
      "3: FLOCK  ADVISORY  WRITE 4711 08:01:9 0 EOF\n"
      "4: FLOCK  ADVISORY  WRITE -1 08:01:8 0 EOF\n"
      "5: FLOCK\n";
  EXPECT_EQ(ParseLockHolder(locks, "08:01:9"), 4711);
  EXPECT_EQ(ParseLockHolder(locks, "08:01:8"), std::nullopt);
  EXPECT_EQ(ParseLockHolder(locks, "08:01:7"), std::nullopt);
  EXPECT_EQ(ParseLockHolder("", "08:01:7"), std::nullopt);
}

TEST(LockHolderTest, FindsARealOne) {
  TempDirectory dir;
  const std::string path = dir.File("LOCK");
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(LockHolder(path), std::nullopt);
  EXPECT_EQ(LockHolder(dir.File("none")), std::nullopt);
  ASSERT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  const auto pid = LockHolder(path);
  if (!pid) GTEST_SKIP() << "SKIPPED: /proc/locks does not tell of this disk";
  EXPECT_EQ(*pid, ::getpid());
}

}  // namespace
}  // namespace fodc::agent
