// SPDX-License-Identifier: Apache-2.0
// On files in place of memory.oom_control, and a process that really dies.
#include "fodc/guardian/wall_keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/guardian/wall_timer.h"
#include "tests/support/wait.h"

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;

class WallKeeperTest : public ::testing::Test {
 protected:
  // A file that says that a killer is off.
  UniqueFd MakeControl(const std::string& name) {
    EXPECT_TRUE(WriteFileAtomically(dir_.File(name), "1").ok());
    UniqueFd fd(::open(dir_.File(name).c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(fd.ok());
    return fd;
  }
  std::string Read(const std::string& name) const {
    return ReadFile(dir_.File(name)).value_or("");
  }

  TempDirectory dir_;
};

TEST_F(WallKeeperTest, AfterASigkillItSwitchesOnWhatWasKept) {
  const UniqueFd kept = MakeControl("kept");
  const UniqueFd dropped = MakeControl("dropped");
  const UniqueFd replaced = MakeControl("replaced");
  const UniqueFd instead = MakeControl("instead");
  const pid_t dying = ::fork();
  ASSERT_GE(dying, 0);
  if (dying == 0) {
    const auto keeper = WallKeeper::Start(3);
    if (!keeper.ok() || !(*keeper)->Keep(0, kept.get()) ||
        !(*keeper)->Keep(1, dropped.get()) ||
        !(*keeper)->Keep(2, replaced.get()) ||
        !(*keeper)->Keep(2, instead.get())) {
      ::_exit(1);
    }
    (*keeper)->Drop(1);
    // What supervisors send to all that a service left.
    (void)::kill((*keeper)->pid(), SIGTERM);
    (void)::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(dying, &status, 0), dying);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_TRUE(
      test::WaitUntil([&] { return Read("instead") == "0"; }, 10s, 1ms));
  EXPECT_EQ(Read("kept"), "0");  // rows come in their order
  EXPECT_EQ(Read("dropped"), "1");
  EXPECT_EQ(Read("replaced"), "1");
}

TEST_F(WallKeeperTest, ItEndsWithItsOwnerAndLeavesNoZombie) {
  const UniqueFd control = MakeControl("control");
  auto keeper = WallKeeper::Start(1);
  ASSERT_TRUE(keeper.ok()) << keeper.status().ToString();
  const pid_t pid = (*keeper)->pid();
  ASSERT_TRUE((*keeper)->Keep(0, control.get()));
  keeper->reset();
  EXPECT_EQ(Read("control"), "0");
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(WallKeeperTest, NobodyReliesOnOneThatIsGone) {
  const UniqueFd control = MakeControl("control");
  auto keeper = WallKeeper::Start(1);
  ASSERT_TRUE(keeper.ok()) << keeper.status().ToString();
  const pid_t pid = (*keeper)->pid();
  const Clock& clock = SystemClock();
  WallTimer timer(1, clock, *std::move(keeper));
  ASSERT_TRUE(timer.Set(0, control.get(), clock.Monotonic() + 1h));
  timer.Clear(0);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT),
            0);
  EXPECT_FALSE(timer.Set(0, control.get(), clock.Monotonic() + 1h));
}

}  // namespace
}  // namespace fodc::guardian
