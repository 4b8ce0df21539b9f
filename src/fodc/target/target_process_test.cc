// SPDX-License-Identifier: Apache-2.0
// The table over real processes of this machine.
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"
#include "fodc/target/pidfd.h"
#include "fodc/target/target.h"

namespace fodc::target {
namespace {

using ::testing::SizeIs;

class ProcessTableTest : public ::testing::Test {
 protected:
  void Watch(TargetSpec spec) {
    TableOptions options;
    options.search_interval = std::chrono::nanoseconds(0);
    table_ = std::make_unique<TargetTable>(
        std::vector<TargetSpec>{std::move(spec)}, options, SystemClock());
  }
  const Row& Check() {
    events_.clear();
    table_->Check(&events_);
    return table_->rows()[0];
  }
  // Waits for the table's descriptor, which is all that an agent's loop does.
  bool WaitForDeath() const {
    pollfd p{table_->poll_fd(), POLLIN, 0};
    return ::poll(&p, 1, 10'000) == 1;
  }
  std::unique_ptr<TargetTable> table_;
  std::vector<Event> events_;
};

TEST_F(ProcessTableTest, FollowsAKilledServerToItsSuccessorOnTheSamePort) {
  auto first = std::make_unique<ChildProcess>("fodc-t-server", 0);
  const std::uint16_t port = first->port();
  Watch({.endpoint_ports = {port}});
  const Row& row = Check();
  ASSERT_TRUE(row.instance) << row.problem;
  EXPECT_EQ(row.instance->pid, first->pid());
  EXPECT_EQ(row.instance->comm, "fodc-t-server");
  const auto age = SystemClock().Unix() - row.instance->started_at;
  EXPECT_LT(age, std::chrono::seconds(60));
  EXPECT_GT(age, std::chrono::seconds(-2));

  first->Kill();
  ASSERT_TRUE(WaitForDeath());
  first->AwaitEnd();
  Check();
  EXPECT_FALSE(row.instance);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_LT(row.last_uptime_seconds.value_or(1e9), 60);
  EXPECT_EQ(row.last_exit.signal, SIGKILL);
  EXPECT_EQ(ExitText(row.last_exit), "signal 9");
  ASSERT_THAT(events_, SizeIs(1));
  first->Reap();

  ChildProcess second("fodc-t-server", port);
  Check();
  ASSERT_TRUE(row.instance) << row.problem;
  EXPECT_EQ(row.instance->pid, second.pid());
  EXPECT_EQ(row.instance->number, 2u);
  EXPECT_EQ(row.restarts_total, 1u);
  EXPECT_EQ(events_.at(0).kind, EventKind::kRestarted);
  // Nothing is left that would wake the loop again.
  pollfd p{table_->poll_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 0), 0);
}

TEST_F(ProcessTableTest, ALoopOfCrashesIsCountedEachTime) {
  Watch({.comm_prefix = "fodc-t-loop"});
  Check();
  const Row& row = table_->rows()[0];
  for (unsigned char i = 1; i <= 3; ++i) {
    ChildProcess child("fodc-t-loop", -1);
    Check();
    ASSERT_TRUE(row.instance) << row.problem;
    EXPECT_EQ(row.instance->pid, child.pid());
    child.Exit(i);
    ASSERT_TRUE(WaitForDeath());
    child.AwaitEnd();
    Check();
    EXPECT_EQ(row.deaths_total, i);
    EXPECT_EQ(row.restarts_total, i - 1u);
    EXPECT_EQ(row.last_exit.status, i);
    EXPECT_EQ(ExitText(row.last_exit), StrCat("status ", i));
  }
}

// The kernel tells 0 to whoever may not trace the process, root or not.
TEST_F(ProcessTableTest, WithoutTheRightToTraceAKilledProcessHasNotEndedWell) {
  ChildProcess child("fodc-t-untraced", -1);
  Watch({.comm_prefix = "fodc-t-untraced"});
  ASSERT_TRUE(Check().instance);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2];
  ASSERT_EQ(::syscall(SYS_capget, &header, held), 0);
  __user_cap_data_struct less[2] = {held[0], held[1]};
  less[0].effective &= ~(1u << CAP_SYS_PTRACE);
  child.Kill();
  ASSERT_TRUE(WaitForDeath());
  child.AwaitEnd();
  ASSERT_EQ(::syscall(SYS_capset, &header, less), 0);
  const Row& row = Check();
  ASSERT_EQ(::syscall(SYS_capset, &header, held), 0);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_FALSE(row.last_exit.status) << *row.last_exit.status;
}

TEST_F(ProcessTableTest, TheExitIsKnownAfterTheParentWaitedIfTheKernelTells) {
  auto child = std::make_unique<ChildProcess>("fodc-t-exit", -1);
  const UniqueFd pidfd = OpenPidfd(child->pid());
  ASSERT_TRUE(pidfd.ok()) << "this kernel has no pidfd";
  Watch({.comm_prefix = "fodc-t-exit"});
  ASSERT_TRUE(Check().instance);
  child->Exit(3);
  child->Reap();
  const Row& row = Check();
  EXPECT_EQ(row.deaths_total, 1u);
  if (!ExitCodeOf(pidfd.get())) {
    GTEST_SKIP() << "SKIPPED: pidfd tells no exit code before Linux 6.15";
  }
  EXPECT_EQ(row.last_exit.status, 3);
}

TEST_F(ProcessTableTest, TakesNoOtherProcessOfTheNameForTheDeadOne) {
  ChildProcess beside("fodc-t-two", -1);
  auto first = std::make_unique<ChildProcess>("fodc-t-two", 0);
  Watch({.comm_prefix = "fodc-t-two", .endpoint_ports = {first->port()}});
  ASSERT_TRUE(Check().instance);
  EXPECT_EQ(table_->rows()[0].instance->pid, first->pid());
  // So that a tick of the kernel's clock lies between the start of the one
  // beside and this check.
  const auto stat = ReadProcessStat(kProcRoot, beside.pid());
  while (*ReadUptimeSeconds(kProcRoot) * 100 <
         static_cast<double>(stat->start_ticks) + 3) {
  }
  Check();
  first.reset();
  EXPECT_FALSE(Check().instance);
  EXPECT_EQ(table_->rows()[0].candidates, 1u);
}

TEST_F(ProcessTableTest, IsNotItsOwnTarget) {
  const auto own = ReadComm(kProcRoot, ::getpid());
  Watch({.comm_prefix = *own});
  const Row& row = Check();
  EXPECT_TRUE(!row.instance || row.instance->pid != ::getpid());
}

}  // namespace
}  // namespace fodc::target
