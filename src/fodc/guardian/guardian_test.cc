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
    Refusal refusal = Refusal::kNone;
    std::string detail;
    auto subject = KernelSubject::Open(
        {.pid = pid, .start_ticks = parsed->start_ticks},
        {.proc_root = tree_.path(), .sys_root = tree_.path()}, rules_.levels,
        &refusal, &detail);
    EXPECT_NE(subject, nullptr) << detail;
    return subject;
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

TEST_F(GuardianTest, EndsAtOnceWhileItWaits) {
  ASSERT_NO_FATAL_FAILURE(StartGuardian(1));
  target::ChildProcess child("child", -1);
  guardian_->Guard(0, Open(child.pid(), 50), SystemClock().Monotonic());
  guardian_.reset();
  EXPECT_EQ(::waitpid(child.pid(), nullptr, WNOHANG), 0);
}

}  // namespace
}  // namespace fodc::guardian
