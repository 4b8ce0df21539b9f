// SPDX-License-Identifier: Apache-2.0
// The thread, with a real process whose memory is what a file says.
#include "fodc/guardian/guardian.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"
#include "tests/support/wait.h"

namespace fodc::guardian {
namespace {

using test::WaitUntil;

class GuardianTest : public ::testing::Test {
 protected:
  GuardianTest() {
    rules_.levels = {.capture = Level::Bytes(100u << 20),
                     .term = Level::Bytes(200u << 20),
                     .kill = {}};
  }
  // A tree without cgroups in which the process has that much memory.
  std::unique_ptr<KernelSubject> Open(pid_t pid, std::uint64_t mib) {
    const auto stat = ReadFile(StrCat("/proc/", pid, "/stat"));
    const auto parsed = ReadProcessStat(kProcRoot, pid);
    EXPECT_TRUE(stat.ok() && parsed.ok());
    Write(StrCat(pid, "/stat"), *stat);
    Write(StrCat(pid, "/statm"),
          StrCat(mib * 1024, " ", (mib << 20) / PageBytes(), " 0 0 0 0 0\n"));
    Write("meminfo", "MemTotal: 16777216 kB\nMemAvailable: 16777216 kB\n");
    return KernelSubject::Open(
        {.pid = pid, .start_ticks = parsed->start_ticks},
        {.proc_root = tree_.path(), .sys_root = tree_.path()}, rules_.levels,
        &refusal_, &detail_);
  }
  // Its memory cgroup, of that version, with that limit; none: there is no such
  // file.
  void PutInGroup(pid_t pid, CgroupVersion version,
                  const std::optional<std::string>& limit) {
    const bool is_v2 = version == CgroupVersion::kV2;
    Write(StrCat(pid, "/cgroup"), is_v2 ? "0::/a\n" : "4:memory:/a\n");
    Write("self/mountinfo",
          is_v2 ? "35 31 0:32 / /m rw - cgroup2 x rw\n"
                : "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    Write("m/a/memory.usage_in_bytes", StrCat(70u << 20));
    Write("m/a/memory.current", StrCat(70u << 20));
    Write("m/a/memory.stat",
          "inactive_file 0\nactive_file 0\n"
          "total_inactive_file 0\ntotal_active_file 0\n");
    if (limit)
      Write(is_v2 ? "m/a/memory.max" : "m/a/memory.limit_in_bytes", *limit);
  }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = tree_.File(name);
    EXPECT_TRUE(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  }
  void StartGuardian(std::size_t rows) {
    auto started =
        Guardian::Start({.rules = rules_, .rows = rows}, SystemClock());
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    guardian_ = *std::move(started);
  }
  // Until it has told of that.
  testing::AssertionResult Tells(ReportKind kind) {
    const bool told = WaitUntil(
        [&] {
          while (const auto r = guardian_->TakeReport()) {
            if (r->kind == kind) return true;
          }
          return false;
        },
        std::chrono::seconds(20), std::chrono::milliseconds(1));
    return told ? testing::AssertionSuccess() : testing::AssertionFailure();
  }

  TempDirectory tree_;
  Rules rules_;
  Refusal refusal_ = Refusal::kNone;  // of the last Open
  std::string detail_;
  std::unique_ptr<Guardian> guardian_;
};

TEST_F(GuardianTest, StopsWhoIsOverTheLineAndNobodyElse) {
  ASSERT_NO_FATAL_FAILURE(StartGuardian(2));
  target::ChildProcess wide("wide", -1);
  target::ChildProcess narrow("narrow", -1);
  guardian_->Guard(0, Open(wide.pid(), 300), SystemClock().Monotonic());
  guardian_->Guard(1, Open(narrow.pid(), 50), SystemClock().Monotonic());
  EXPECT_TRUE(Tells(ReportKind::kTerm));
  wide.AwaitEnd();
  EXPECT_TRUE(Tells(ReportKind::kEnded));
  EXPECT_EQ(guardian_->counts().of(Action::kTermSent), 1U);
  ASSERT_TRUE(WaitUntil([&] { return guardian_->States()[1].is_armed; }));
  EXPECT_FALSE(guardian_->States()[0].is_armed);
  EXPECT_EQ(guardian_->States()[1].bytes, 50U << 20);
  EXPECT_EQ(guardian_->States()[1].limit_bytes, std::uint64_t{16} << 30);
  EXPECT_EQ(::waitpid(narrow.pid(), nullptr, WNOHANG), 0);
}

TEST_F(GuardianTest, WhoIsLetGoIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(StartGuardian(1));
  target::ChildProcess child("child", -1);
  guardian_->Guard(0, Open(child.pid(), 50), SystemClock().Monotonic());
  EXPECT_TRUE(Tells(ReportKind::kArmed));
  pollfd p{guardian_->report_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 0), 0);  // all were taken
  guardian_->LetGo(0);
  EXPECT_TRUE(Tells(ReportKind::kLost));
  EXPECT_FALSE(guardian_->States()[0].is_armed);
  guardian_->FreeRetired();
  EXPECT_EQ(::waitpid(child.pid(), nullptr, WNOHANG), 0);
}

TEST_F(GuardianTest, LookedUpAnewAgainAndAgainNothingIsLost) {
  ASSERT_NO_FATAL_FAILURE(StartGuardian(1));
  target::ChildProcess child("child", -1);
  for (int i = 0; i < 50; ++i)
    guardian_->Guard(0, Open(child.pid(), 50), SystemClock().Monotonic());
  EXPECT_TRUE(Tells(ReportKind::kArmed));
  guardian_->Guard(0, Open(child.pid(), 300), SystemClock().Monotonic());
  EXPECT_TRUE(Tells(ReportKind::kTerm));
  child.AwaitEnd();
}

TEST_F(GuardianTest, ALimitThatIsNoneIsTheMachines) {
  rules_.levels = {};
  target::ChildProcess child("child", -1);
  for (const CgroupVersion version : {CgroupVersion::kV1, CgroupVersion::kV2}) {
    // First without a file: what is written once stays.
    for (const auto& limit : std::initializer_list<std::optional<std::string>>{
             {},
             "max",
             "0",
             "-1",
             "",
             "8MiB",
             "1000000000000000001",
             "18446744073709551616"}) {
      PutInGroup(child.pid(), version, limit);
      const auto subject = Open(child.pid(), 300);
      ASSERT_NE(subject, nullptr) << detail_;
      EXPECT_FALSE(subject->has_cgroup_limit()) << limit.value_or("no file");
      EXPECT_EQ(subject->limit_bytes(), std::uint64_t{16} << 30);
      EXPECT_EQ(subject->ReadBytes(), 300U << 20);
      EXPECT_EQ(rules_.levels.At(subject->limit_bytes())->capture,
                std::uint64_t{12} << 30);
    }
  }
  PutInGroup(child.pid(), CgroupVersion::kV2, StrCat(100u << 20));
  const auto subject = Open(child.pid(), 300);
  ASSERT_NE(subject, nullptr) << detail_;
  EXPECT_EQ(subject->limit_bytes(), 100U << 20);
  EXPECT_EQ(subject->ReadBytes(), 70U << 20);
}

TEST_F(GuardianTest, LinesThatDoNotRiseAtItsLimitAreARefusal) {
  rules_.levels = {.capture = Level::Bytes(95u << 20),
                   .term = Level::Percent(90),
                   .kill = {}};
  target::ChildProcess child("child", -1);
  PutInGroup(child.pid(), CgroupVersion::kV2, StrCat(100u << 20));
  EXPECT_EQ(Open(child.pid(), 300), nullptr);
  EXPECT_EQ(refusal_, Refusal::kLevels);
  EXPECT_THAT(detail_, ::testing::HasSubstr("--guardian-capture"));
  PutInGroup(child.pid(), CgroupVersion::kV2, StrCat(200u << 20));
  EXPECT_NE(Open(child.pid(), 300), nullptr) << detail_;
}

TEST_F(GuardianTest, AMeasureThatCannotBeReadIsARefusal) {
  target::ChildProcess child("child", -1);
  ASSERT_NE(Open(child.pid(), 300), nullptr) << detail_;
  const auto stat = ReadProcessStat(kProcRoot, child.pid());
  ASSERT_TRUE(stat.ok());
  Write(StrCat(child.pid(), "/statm"), "");
  EXPECT_EQ(KernelSubject::Open(
                {.pid = child.pid(), .start_ticks = stat->start_ticks},
                {.proc_root = tree_.path(), .sys_root = tree_.path()},
                rules_.levels, &refusal_, &detail_),
            nullptr);
  EXPECT_EQ(refusal_, Refusal::kNoMeasure);
}

TEST_F(GuardianTest, EndsAtOnceWhileItWaits) {
  ASSERT_NO_FATAL_FAILURE(StartGuardian(1));
  target::ChildProcess child("child", -1);
  guardian_->Guard(0, Open(child.pid(), 50), SystemClock().Monotonic());
  guardian_.reset();
  EXPECT_EQ(::waitpid(child.pid(), nullptr, WNOHANG), 0);
}

}  // namespace
}  // namespace fodc::guardian
