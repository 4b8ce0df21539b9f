// SPDX-License-Identifier: Apache-2.0
// The guardian on the real kernel: real processes that grow in real memory
// cgroups. Each is stopped in good order before the kernel kills it, or left
// alone where it must be.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/guardian.h"
#include "fodc/guardian/wall.h"
#include "fodc/guardian/wall_record.h"
#include "tests/guard/growing.h"

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;
using test::MemoryGroup;
using test::WaitUntil;
using ::testing::HasSubstr;
Result<MemoryGauge> GaugeOf(pid_t pid) {
  MemoryGaugeOptions options;
  options.pid = pid;
  return MemoryGauge::Open(options);
}

constexpr std::uint64_t kMib = 1 << 20;
constexpr std::uint64_t kRaise = 64 * kMib;

// Of Process::WaitExitCode.
constexpr int kKilled = 128 + SIGKILL;

ProcessName NameOf(pid_t pid) {
  const auto stat = ReadProcessStat(kProcRoot, pid);
  EXPECT_TRUE(stat.ok()) << stat.status().ToString();
  return {.pid = pid, .start_ticks = stat.ok() ? stat->start_ticks : 0};
}

class GuardianKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = test::NoMemoryGroups(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
  }
  void MakeGroup(std::uint64_t limit_mib) {
    group_ = std::make_unique<MemoryGroup>("guardian", limit_mib);
  }
  void StartGuardian() {
    auto guardian =
        Guardian::Start({.rules = rules_, .rows = 1}, SystemClock());
    ASSERT_TRUE(guardian.ok()) << guardian.status().ToString();
    guardian_ = *std::move(guardian);
  }
  // Its process, guarded; it does not grow yet.
  test::Process Grow(std::vector<std::string> flags) {
    test::Process process = StartGrower(*group_, dir_, std::move(flags));
    Guard(NameOf(process.pid()));
    EXPECT_TRUE(WaitUntil([&] { return Told(ReportKind::kArmed) > 0; }, 10s));
    return process;
  }
  void Guard(const ProcessName& who) {
    Refusal refusal = Refusal::kNone;
    std::string detail;
    auto subject =
        KernelSubject::Open(who, {}, rules_.levels, &refusal, &detail);
    ASSERT_NE(subject, nullptr) << detail;
    guardian_->Guard(0, std::move(subject), SystemClock().Monotonic());
  }
  std::size_t Told(ReportKind kind) {
    while (auto report = guardian_->TakeReport()) reports_.push_back(*report);
    std::size_t count = 0;
    for (const Report& r : reports_) count += r.kind == kind ? 1 : 0;
    return count;
  }
  std::uint64_t Count(Action action) const {
    return guardian_->counts().of(action);
  }

  TempDirectory dir_{"fodc-guardian"};
  std::unique_ptr<MemoryGroup> group_;
  Rules rules_;
  std::unique_ptr<Guardian> guardian_;
  std::vector<Report> reports_;
};

// What happens to it without a guardian: the kernel kills it. All that follows
// would prove nothing otherwise.
TEST_F(GuardianKernelTest, WithoutAGuardianTheKernelKills) {
  MakeGroup(128);
  test::Process grower = StartGrower(*group_, dir_, {"--rate=400"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(group_->OomKills(), 1U);
}

class RateTest : public GuardianKernelTest,
                 public ::testing::WithParamInterface<std::tuple<int, int>> {};

TEST_P(RateTest, IsStoppedInGoodOrderBeforeTheKernelKills) {
  const auto [rate, percent] = GetParam();
  MakeGroup(512);
  rules_.levels.capture = Level::Percent(percent - 15);
  rules_.levels.term = Level::Percent(percent);
  StartGuardian();
  test::Process grower = Grow({StrCat("--rate=", rate)});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << grower.Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  EXPECT_EQ(Count(Action::kTermSent), 1U);
  EXPECT_EQ(Count(Action::kCaptureRaised), 1U);
  ASSERT_TRUE(WaitUntil([&] { return Told(ReportKind::kEnded) == 1; }, 10s));
  for (const Report& r : reports_) {
    if (r.kind != ReportKind::kTerm) continue;
    EXPECT_GE(r.bytes, r.lines.term);
    EXPECT_TRUE(r.has_cgroup_limit);
    EXPECT_EQ(r.limit_bytes, std::uint64_t{512} << 20);
  }
}

INSTANTIATE_TEST_SUITE_P(RatesAndLines, RateTest,
                         ::testing::Combine(::testing::Values(50, 200, 1000),
                                            ::testing::Values(75, 90)));

TEST_F(GuardianKernelTest, ADryRunTouchesNothing) {
  MakeGroup(128);
  rules_.dry_run = true;
  StartGuardian();
  test::Process grower = Grow({"--rate=100"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(group_->OomKills(), 1U);
  EXPECT_EQ(Count(Action::kDryRunCapture), 1U);
  EXPECT_EQ(Count(Action::kDryRunTerm), 1U);
  EXPECT_EQ(Count(Action::kTermSent), 0U);
}

TEST_F(GuardianKernelTest, ALimitThatIsLoweredMeanwhileIsHeeded) {
  MakeGroup(512);
  rules_.longest_wait = 100ms;
  StartGuardian();
  test::Process grower = Grow({"--rate=8"});
  grower.Signal(SIGUSR1);
  group_->Write("memory.limit_in_bytes", StrCat(64 * kMib));
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << grower.Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  EXPECT_EQ(Count(Action::kTermSent), 1U);
}

// It stays over both lines and does not heed SIGTERM.
TEST_F(GuardianKernelTest, KillsAfterTheGraceOnlyWhereThatIsConfigured) {
  MakeGroup(256);
  rules_.grace = 300ms;
  StartGuardian();
  test::Process grower = Grow({"--rate=400", "--until=245", "--stubborn"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(
      WaitUntil([&] { return Told(ReportKind::kGraceOver) == 1; }, 60s));
  EXPECT_TRUE(grower.Running());
  EXPECT_EQ(Count(Action::kTermSent), 1U);
  EXPECT_EQ(Count(Action::kKillSent), 0U);
  EXPECT_TRUE(reports_.back().is_still_over);

  reports_.clear();
  rules_.levels.kill = Level::Percent(93);
  guardian_.reset();
  StartGuardian();
  Guard(NameOf(grower.pid()));
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(Count(Action::kKillSent), 1U);
  EXPECT_EQ(group_->OomKills(), 0U);  // it was us
}

TEST_F(GuardianKernelTest, APageCacheThatFillsTheLimitIsNoPressure) {
  MakeGroup(128);
  const std::string file = dir_.File("wide");
  ASSERT_TRUE(WriteFileAtomically(file, std::string(300u << 20, 'x')).ok());
  {
    // Charged to whoever reads it, not to us who wrote it.
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  StartGuardian();
  test::Process grower =
      Grow({"--rate=10", "--until=10", "--read=" + file, "--reserve=1024"});
  grower.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil(
      [&] { return group_->Usage() > (std::uint64_t{120} << 20); }, 60s))
      << group_->Usage();
  // It has been looked at since.
  const auto looked = guardian_->States().at(0);
  EXPECT_LT(looked.bytes, looked.lines.capture);
  EXPECT_TRUE(grower.Running());
  grower.Stop();
  (void)WaitUntil([&] { return Told(ReportKind::kEnded) == 1; }, 10s);
  EXPECT_EQ(Told(ReportKind::kCapture), 0U);
  EXPECT_EQ(Count(Action::kTermSent), 0U);
}

TEST_F(GuardianKernelTest, TheCrashLoopGuardLeavesItToTheKernel) {
  MakeGroup(128);
  StartGuardian();
  for (int i = 1; i <= 3; ++i) {
    test::Process grower = Grow({"--rate=400"});
    grower.Signal(SIGUSR1);
    EXPECT_EQ(grower.WaitExitCode(60s), 0) << i;
    EXPECT_EQ(Count(Action::kTermSent), static_cast<std::uint64_t>(i));
    (void)Told(ReportKind::kEnded);
    reports_.clear();
  }
  test::Process grower = Grow({"--rate=100"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(Count(Action::kTermSent), 3U);
  EXPECT_EQ(Count(Action::kSuppressedByCrashLoop), 1U);
  EXPECT_EQ(group_->OomKills(), 1U);
  EXPECT_TRUE(guardian_->States().at(0).is_suppressed);
}

// A process of that pid; -1 if the kernel does not permit to choose one.
pid_t ForkAs(pid_t pid) {
  pid_t wanted[1] = {pid};
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<std::uintptr_t>(wanted);
  args.set_tid_size = 1;
  const auto child =
      static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0) {
    for (;;) ::pause();
  }
  return child;
}

TEST_F(GuardianKernelTest, APidThatIsUsedAgainIsNotSignalled) {
  MakeGroup(128);
  test::Process grower = StartGrower(*group_, dir_, {"--rate=1"});
  const ProcessName who = NameOf(grower.pid());
  Refusal refusal = Refusal::kNone;
  std::string detail;
  const auto subject =
      KernelSubject::Open(who, {}, rules_.levels, &refusal, &detail);
  ASSERT_NE(subject, nullptr) << detail;
  grower.Kill();
  const pid_t other = ForkAs(who.pid);
  if (other < 0) {
    std::printf("SKIPPED: clone3 does not give a chosen pid: errno %d\n",
                errno);
    GTEST_SKIP();
  }
  ASSERT_EQ(other, who.pid);
  EXPECT_TRUE(subject->HasEnded());
  EXPECT_EQ(subject->Signal(SIGKILL), ESRCH);
  EXPECT_EQ(KernelSubject::Open(who, {}, rules_.levels, &refusal, &detail),
            nullptr);
  // Both may have begun in the same hundredth of a second.
  if (NameOf(other) != who) {
    EXPECT_EQ(refusal, Refusal::kPidReused);
  }
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "it was hit";
  ASSERT_EQ(::kill(other, SIGKILL), 0);
  ASSERT_EQ(::waitpid(other, nullptr, 0), other);
}

TEST_F(GuardianKernelTest, AGroupThatVanishesDisarmsAndSignalsNobody) {
  MakeGroup(128);
  rules_.longest_wait = 20ms;
  StartGuardian();
  const MemoryGroup other("guardian_other", 128);
  test::Process grower = Grow({"--rate=400", "--until=60"});
  grower.Signal(SIGUSR1);
  other.Add(grower.pid());
  group_->Remove();
  ASSERT_TRUE(WaitUntil([&] { return Told(ReportKind::kLost) == 1; }, 10s));
  EXPECT_FALSE(guardian_->States().at(0).is_armed);
  EXPECT_TRUE(grower.Running());
  // Looked up anew, it is guarded where it is now.
  Guard(NameOf(grower.pid()));
  ASSERT_TRUE(
      WaitUntil([&] { return guardian_->States().at(0).is_armed; }, 10s));
  EXPECT_EQ(Count(Action::kTermSent), 0U);
}

TEST_F(GuardianKernelTest, WithoutALimitItsResidentMemoryCounts) {
  group_ = std::make_unique<MemoryGroup>("guardian", 1024);
  group_->Write("memory.limit_in_bytes", "-1");
  rules_.levels = {.capture = Level::Bytes(100u << 20),
                   .term = Level::Bytes(150u << 20),
                   .kill = {}};
  StartGuardian();
  test::Process grower = Grow({"--rate=200"});
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << grower.Log();
  EXPECT_EQ(Count(Action::kTermSent), 1U);
  EXPECT_FALSE(reports_.front().has_cgroup_limit);
}

// The line of SIGTERM is the limit itself, which it never gets over.
class WallTest : public GuardianKernelTest {
 protected:
  void StartWithWall(std::chrono::nanoseconds deadline) {
    rules_.levels.capture = Level::Percent(50);
    rules_.levels.term = Level::Percent(100);
    auto guardian = Guardian::Start({.rules = rules_,
                                     .rows = 1,
                                     .has_walls = true,
                                     .wall = {.deadline = deadline}},
                                    SystemClock());
    ASSERT_TRUE(guardian.ok()) << guardian.status().ToString();
    guardian_ = *std::move(guardian);
  }
  void PutWall(const ProcessName& who) {
    const auto gauge = GaugeOf(who.pid);
    ASSERT_TRUE(gauge.ok()) << gauge.status().ToString();
    auto wall = KernelWall::Open(*gauge, dir_.File(WallRecordName(who)),
                                 "/proc", kRaise);
    ASSERT_TRUE(wall.ok()) << wall.status().ToString();
    EXPECT_TRUE(ReadFile(dir_.File(WallRecordName(who))).ok());
    guardian_->PutWall(0, *std::move(wall), who);
  }
};

TEST_F(WallTest, StandsStillAtItsLimitAndLeavesByItself) {
  MakeGroup(128);
  const std::uint64_t limit = group_->Limit();
  StartWithWall(5s);
  test::Process grower = Grow({"--rate=1000"});
  const ProcessName who = NameOf(grower.pid());
  PutWall(who);
  EXPECT_FALSE(group_->IsKillerOff());
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 0) << grower.Log();
  EXPECT_EQ(group_->OomKills(), 0U);
  EXPECT_EQ(Count(Action::kRaiseDone), 1U);
  EXPECT_EQ(Count(Action::kTermSent), 1U);
  ASSERT_TRUE(WaitUntil([&] { return Told(ReportKind::kEnded) == 1; }, 10s));
  EXPECT_EQ(Told(ReportKind::kWall), 1U);
  // As it was.
  guardian_.reset();
  EXPECT_FALSE(group_->IsKillerOff());
  EXPECT_EQ(group_->Limit(), limit);
  EXPECT_FALSE(ReadFile(dir_.File(WallRecordName(who))).ok());
}

TEST_F(WallTest, WhoDoesNotLeaveInTimeIsTheKernelsAgain) {
  MakeGroup(128);
  StartWithWall(300ms);
  test::Process grower = Grow({"--rate=1000", "--stubborn"});
  PutWall(NameOf(grower.pid()));
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), kKilled);
  EXPECT_EQ(group_->OomKills(), 1U);
  EXPECT_FALSE(group_->IsKillerOff());
  EXPECT_EQ(Count(Action::kRaiseDone), 1U);
}

// A limit that an operator changed since the wall was put up: raised from what
// it is, and lowered to that.
TEST_F(WallTest, RaisesTheLimitThatIsThereByThen) {
  MakeGroup(128);
  test::Process grower = StartGrower(*group_, dir_, {"--rate=1"});
  const auto gauge = GaugeOf(grower.pid());
  ASSERT_TRUE(gauge.ok());
  auto wall = KernelWall::Open(*gauge, dir_.File("record"), "/proc", kRaise);
  ASSERT_TRUE(wall.ok()) << wall.status().ToString();
  group_->Write("memory.limit_in_bytes", StrCat(512 * kMib));
  int error = 0;
  ASSERT_EQ((*wall)->Raise(kRaise, &error), RaiseResult::kDone) << error;
  EXPECT_EQ(group_->Limit(), 512 * kMib + kRaise);
  (*wall)->Lower();
  EXPECT_EQ(group_->Limit(), 512 * kMib);
  // And one that was set after the raise stays.
  ASSERT_EQ((*wall)->Raise(kRaise, &error), RaiseResult::kDone) << error;
  group_->Write("memory.limit_in_bytes", StrCat(1024 * kMib));
  wall->reset();
  EXPECT_EQ(group_->Limit(), 1024 * kMib);
}

// The agent was killed: its record stays behind.
TEST_F(WallTest, RepairUndoesItsOwnRaiseAndNoOtherLimit) {
  MakeGroup(128);
  test::Process grower = StartGrower(*group_, dir_, {"--rate=1"});
  const auto gauge = GaugeOf(grower.pid());
  ASSERT_TRUE(gauge.ok());
  const std::string name = WallRecordName({42, 7});
  std::string record;
  {
    auto wall = KernelWall::Open(*gauge, dir_.File(name), "/proc", kRaise);
    ASSERT_TRUE(wall.ok()) << wall.status().ToString();
    record = ReadFile(dir_.File(name)).value_or("");
  }
  const auto repair_at = [&](std::uint64_t bytes) {
    group_->Write("memory.limit_in_bytes", StrCat(bytes));
    EXPECT_TRUE(WriteFileAtomically(dir_.File(name), record).ok());
    const auto said = RepairWalls(dir_.path());
    return said.empty() ? std::string() : said.front();
  };
  EXPECT_EQ(repair_at(128 * kMib), "");
  EXPECT_THAT(repair_at(128 * kMib + kRaise), HasSubstr("as it was"));
  EXPECT_EQ(group_->Limit(), 128 * kMib);
  EXPECT_THAT(repair_at(1024 * kMib), HasSubstr("somebody else"));
  EXPECT_EQ(group_->Limit(), 1024 * kMib);
}

TEST_F(WallTest, NeverWhereItWouldHoldOthersToo) {
  MakeGroup(128);
  const test::Group inner("inner", group_->path());
  test::Process grower = StartGrower(inner, dir_, {"--rate=1"});
  const auto gauge = GaugeOf(grower.pid());
  ASSERT_TRUE(gauge.ok());
  // The limit is that of the group around it.
  EXPECT_EQ(KernelWall::Open(*gauge, dir_.File("record"), "/proc", kRaise)
                .status()
                .code(),
            Code::kUnimplemented);
  EXPECT_FALSE(ReadFile(dir_.File("record")).ok());
}

TEST_F(WallTest, AKillerThatSomebodyElseSwitchedOffIsLeftAlone) {
  MakeGroup(128);
  test::Process grower = StartGrower(*group_, dir_, {"--rate=1"});
  group_->Write("memory.oom_control", "1");
  const auto gauge = GaugeOf(grower.pid());
  ASSERT_TRUE(gauge.ok());
  EXPECT_EQ(KernelWall::Open(*gauge, dir_.File("record"), "/proc", kRaise)
                .status()
                .code(),
            Code::kFailedPrecondition);
  EXPECT_TRUE(group_->IsKillerOff());
}

}  // namespace
}  // namespace fodc::guardian
