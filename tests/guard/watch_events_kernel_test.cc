// SPDX-License-Identifier: Apache-2.0
// The events of a group of cgroup v2, on a real file of the kernel's. There may
// be no memory controller in v2 here, so the group's cgroup.events stands for
// its memory.events: the kernel tells of both in the same way.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "guard/src/watch_waiter.h"
#include "tests/kernel/group.h"

namespace fodc::guard {
namespace {

using Woke = WatchWaiter::Woke;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

TEST(WatchEventsTest, AnEventOfTheGroupEndsTheWaitOnceUntilTheGroupGoes) {
  if (::geteuid() != 0 || test::Cgroup2Root().empty()) {
    std::puts("SKIPPED: not root, or no cgroup2");
    GTEST_SKIP();
  }
  test::Group group("fodc-events-" + std::to_string(::getpid()));
  const TempDirectory tree;
  const std::string kernels = group.path() + "/cgroup.events";
  ASSERT_EQ(::symlink(kernels.c_str(), tree.File("memory.events").c_str()), 0);
  auto waiter = MakeWatchWaiter();
  ASSERT_THAT(waiter, IsOk());
  const auto watch = [&] {
    return (*waiter)->WatchGroup({.version = CgroupVersion::kV2,
                                  .mount = tree.path(),
                                  .path = tree.path()},
                                 1, 2);
  };
  ASSERT_THAT(watch(), IsOk());
  EXPECT_EQ((*waiter)->Wait(0s, 0s), Woke::kTime);

  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) (void)::pause();
  }
  group.Add(child);
  EXPECT_EQ((*waiter)->Wait(1h, 0s), Woke::kThreshold);
  EXPECT_EQ((*waiter)->Wait(0s, 0s), Woke::kTime);
  // As after a limit was changed: asked for anew, and what was is no news.
  ASSERT_THAT(watch(), IsOk());
  EXPECT_EQ((*waiter)->Wait(0s, 0s), Woke::kTime);
  (void)::kill(child, SIGKILL);
  (void)::waitpid(child, nullptr, 0);
  EXPECT_EQ((*waiter)->Wait(1h, 0s), Woke::kThreshold);

  // A file that is gone always has news: it is let go.
  group.Remove();
  EXPECT_EQ((*waiter)->Wait(1h, 0s), Woke::kThreshold);
  EXPECT_EQ((*waiter)->Wait(0s, 0s), Woke::kTime);
}

}  // namespace
}  // namespace fodc::guard
