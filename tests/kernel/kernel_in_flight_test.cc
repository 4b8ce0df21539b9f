// SPDX-License-Identifier: Apache-2.0
// Calls in flight while something changes: who is counted, where a process is,
// whether calls are sampled.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <string>

#include "fodc/base/scan_text.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

int pipe_ends[2];

class KernelInFlightTest : public KernelTest {
 protected:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    (void)Path();
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  }
  void TearDown() override {
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }

  // Two calls of the pipe, told apart by their numbers, each of which waits for
  // a byte.
  static void ReadThenReadv() {
    char byte = 0;
    iovec v{&byte, 1};
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
    if (::readv(pipe_ends[0], &v, 1) != 1) ::abort();
  }
  static void LetOneGo() { FODC_CHECK(::write(pipe_ends[1], "x", 1) == 1); }

  // The one process of the group that is not `pid`.
  static pid_t OtherIn(const Group& group, pid_t pid) {
    pid_t other = 0;
    FODC_CHECK(test::WaitUntil([&] {
      const auto text = ReadFile(group.path() + "/cgroup.procs");
      std::string_view rest = text.ok() ? std::string_view(*text) : "";
      std::string_view line;
      while (NextLine(&rest, &line)) {
        const auto found = ParseUint(line);
        if (found && static_cast<pid_t>(*found) != pid) {
          other = static_cast<pid_t>(*found);
        }
      }
      return other != 0;
    }));
    return other;
  }
  static CallReading Pipe(const TargetReading& r) {
    return r.read->OfKind(FileKind::kPipe);
  }
  static std::uint64_t NoExit(const TargetReading& r) {
    return r.lost[static_cast<std::size_t>(Loss::kNoExit)];
  }
};

TEST_F(KernelInFlightTest, TwoCallsAroundAChangeOfTheFilterAreNeverOne) {
  Group group("fodc_in_flight");
  Worker target({&group}, [] {
    if (::fork() == 0) {
      ReadThenReadv();
      ::_exit(0);
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  ASSERT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  target.Run();
  const pid_t child = OtherIn(group, target.pid());
  AwaitSleepIn(child, SYS_read);
  {
    // As by `docker exec`: now the child is nobody's.
    Worker foreign({&group}, [] {});
    Set(*telemetry, {target.pid()});
    ASSERT_EQ(Read(*telemetry).state, FilterState::kByThreadGroup);
    LetOneGo();
    AwaitSleepIn(child, SYS_readv);
  }
  Set(*telemetry, {target.pid()});
  ASSERT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  LetOneGo();
  ASSERT_TRUE(test::WaitUntil([&] { return NoExit(Read(*telemetry)) == 1; }));
  EXPECT_EQ(Pipe(Read(*telemetry)).latency.Count(), 0u);
}

TEST_F(KernelInFlightTest, TwoCallsAroundAMoveOutAndBackAreNeverOne) {
  for (const std::size_t budget : {std::size_t{1} << 20, std::size_t{0}}) {
    Group group("fodc_in_flight");
    Worker target({&group}, ReadThenReadv);
    auto telemetry = Make({.in_flight_budget_bytes = budget});
    Set(*telemetry, {target.pid()});
    target.Go();
    AwaitSleepIn(target.pid(), SYS_read);
    Group::AddToRoot(target.pid());
    LetOneGo();
    AwaitSleepIn(target.pid(), SYS_readv);
    group.Add(target.pid());
    LetOneGo();
    target.AwaitDone();
    const auto r = Read(*telemetry);
    EXPECT_EQ(Pipe(r).latency.Count(), 0u);
    EXPECT_EQ(NoExit(r), 1u);
  }
}

TEST_F(KernelInFlightTest, AMoreOfThreadGroupsLeavesCallsInFlightAlone) {
  // In the root group: told by their numbers.
  Worker target({}, [] {
    char byte = 0;
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
  });
  Worker second({}, [] {});
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  target.Go();
  AwaitSleepIn(target.pid(), SYS_read);
  Set(*telemetry, {target.pid(), second.pid()});
  LetOneGo();
  target.AwaitDone();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Pipe(r).latency.Count(), 1u);
  EXPECT_EQ(Lost(r), 0u);
}

}  // namespace
}  // namespace fodc::kernel
