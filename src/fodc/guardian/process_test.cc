// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"

namespace fodc::guardian {
namespace {

using target::ChildProcess;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ProcessName NameOf(pid_t pid) {
  const auto stat = ReadProcessStat(kProcRoot, pid);
  EXPECT_TRUE(stat.ok()) << stat.status().ToString();
  return {.pid = pid, .start_ticks = stat.ok() ? stat->start_ticks : 0};
}

class ProcessTest : public ::testing::Test {
 protected:
  std::optional<Process> Open(const ProcessName& who,
                              const ProcessOptions& options = {}) {
    return Process::Open(who, options, &refusal_, &detail_);
  }
  // A tree in which `pid` is in `group`, we in `ours`, and the process
  // namespace is that inode.
  ProcessOptions Tree(const ProcessName& who, const std::string& group,
                      const std::string& ours,
                      const std::string& ns = "4026532000") {
    const std::string proc = tree_.File("proc");
    for (const std::string& pid : {std::to_string(who.pid), std::string("self"),
                                   std::to_string(::getpid())}) {
      EXPECT_TRUE(MakeDirectories(StrCat(proc, "/", pid, "/ns")).ok());
      Write(StrCat("proc/", pid, "/cgroup"),
            StrCat("4:memory:", pid == std::to_string(who.pid) ? group : ours,
                   "\n"));
      Write(StrCat("proc/", pid, "/stat"),
            StrCat(pid, " (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 ",
                   who.start_ticks, " 1 1\n"));
    }
    Write("proc/self/mountinfo",
          "30 1 0:26 / /memory rw - cgroup cgroup rw,memory\n");
    EXPECT_EQ(::symlink(StrCat("pid:[", ns, "]").c_str(),
                        (proc + "/self/ns/pid").c_str()),
              0);
    for (const std::string& path : {group, ours})
      EXPECT_TRUE(MakeDirectories(tree_.File("memory") + path).ok());
    return {.proc_root = proc, .sys_root = tree_.path()};
  }
  void Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(tree_.File(name), text).ok());
  }

  TempDirectory tree_;
  Refusal refusal_ = Refusal::kNone;
  std::string detail_;
};

TEST_F(ProcessTest, SignalsThroughItsDescriptor) {
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  const auto process = Open(who, Tree(who, "/pod/db", "/pod/agent"));
  ASSERT_TRUE(process) << detail_;
  EXPECT_FALSE(process->HasEnded());
  EXPECT_EQ(process->Release(), EINVAL);  // it is not dying
  EXPECT_EQ(process->Signal(SIGTERM), 0);
  child.AwaitEnd();
  EXPECT_TRUE(process->HasEnded());
  int status = 0;
  ASSERT_EQ(::waitpid(child.pid(), &status, 0), child.pid());
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_EQ(process->Signal(SIGTERM), ESRCH);
}

TEST_F(ProcessTest, APidThatIsUsedAgainIsNobodys) {
  ChildProcess child("guarded", -1);
  ProcessName who = NameOf(child.pid());
  ++who.start_ticks;
  EXPECT_FALSE(Open(who));
  EXPECT_EQ(refusal_, Refusal::kPidReused);
}

TEST_F(ProcessTest, WhoIsGoneOrNobodyIsNoTarget) {
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  child.Kill();
  child.AwaitEnd();
  EXPECT_FALSE(Open(who));  // a zombie
  EXPECT_EQ(refusal_, Refusal::kNoTarget);
  child.Reap();
  EXPECT_FALSE(Open(who));
  EXPECT_EQ(refusal_, Refusal::kNoTarget);
  EXPECT_FALSE(Open({}));
  EXPECT_EQ(refusal_, Refusal::kNoTarget);
}

TEST_F(ProcessTest, NeverItself) {
  EXPECT_FALSE(Open(NameOf(::getpid())));
  EXPECT_EQ(refusal_, Refusal::kOwnProcess);
}

TEST_F(ProcessTest, NeverPidOneOfTheHost) {
  // The inode of the host's process namespace, which every kernel has.
  EXPECT_FALSE(
      Open({.pid = 1, .start_ticks = 5},
           Tree({.pid = 1, .start_ticks = 5}, "/a", "/b", "4026531836")));
  EXPECT_EQ(refusal_, Refusal::kHostInit);
  EXPECT_THAT(detail_, HasSubstr("host"));
}

TEST_F(ProcessTest, PidOneOfAContainerIsATargetLikeOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root to look at pid 1";
  const ProcessName who{.pid = 1, .start_ticks = 5};
  EXPECT_TRUE(Open(who, Tree(who, "/a", "/b"))) << detail_;
}

TEST_F(ProcessTest, WithoutANamespacePidOneMayBeTheHosts) {
  const ProcessName who{.pid = 1, .start_ticks = 5};
  ProcessOptions options = Tree(who, "/a", "/b");
  ASSERT_EQ(::unlink((options.proc_root + "/self/ns/pid").c_str()), 0);
  EXPECT_FALSE(Open(who, options));
  EXPECT_EQ(refusal_, Refusal::kHostInit);
}

TEST_F(ProcessTest, NeverItsOwnCgroupButTheRootIsNobodys) {
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  EXPECT_FALSE(Open(who, Tree(who, "/pod/db", "/pod/db")));
  EXPECT_EQ(refusal_, Refusal::kOwnCgroup);
  EXPECT_THAT(detail_, HasSubstr("/pod/db"));
}

TEST_F(ProcessTest, BesideItsOwnCgroupIsAllowed) {
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  EXPECT_TRUE(Open(who, Tree(who, "/pod/db", "/pod/agent"))) << detail_;
}

TEST_F(ProcessTest, TheRootCgroupIsNobodysOwn) {
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  EXPECT_TRUE(Open(who, Tree(who, "/", "/"))) << detail_;
}

TEST_F(ProcessTest, WhoMayNotBeSignalledIsRefusedBeforeItMatters) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root to be another";
  ChildProcess child("guarded", -1);
  const ProcessName who = NameOf(child.pid());
  const ProcessOptions tree = Tree(who, "/pod/db", "/pod/agent");
  ASSERT_EQ(::chmod(tree_.path().c_str(), 0755), 0);
  ASSERT_EQ(::setresuid(65534, 65534, 0), 0);  // CAP_KILL goes, too
  const bool opened = Open(who, tree).has_value();
  ASSERT_EQ(::setresuid(0, 0, 0), 0);
  EXPECT_FALSE(opened);
  EXPECT_EQ(refusal_, Refusal::kNoPermission);
}

TEST_F(ProcessTest, EveryRefusalHasAName) {
  for (std::size_t i = 1; i < kRefusals; ++i)
    EXPECT_NE(RefusalName(static_cast<Refusal>(i)), "") << i;
  EXPECT_EQ(RefusalName(Refusal::kLevels), "levels");
}

class TermProblemTest : public ProcessTest {
 protected:
  std::string Of(const std::string& ns_pids, const std::string& blocked,
                 const std::string& ignored, const std::string& caught) {
    EXPECT_TRUE(MakeDirectories(tree_.File("7")).ok());
    Write("7/status",
          StrCat("NSpid:\t", ns_pids, "\nSigBlk:\t", blocked, "\nSigIgn:\t",
                 ignored, "\nSigCgt:\t", caught, "\n"));
    return TermProblem(7, tree_.path());
  }
};

TEST_F(TermProblemTest, TellsWhatSigtermDoes) {
  constexpr auto kTerm = "0000000000004000";
  EXPECT_THAT(Of("7", "0", "0", kTerm), IsEmpty());
  EXPECT_THAT(Of("7 1", "0", "0", kTerm), IsEmpty());
  EXPECT_THAT(Of("7 1", kTerm, "0", "0"), IsEmpty());  // signalfd, sigwait
  EXPECT_THAT(Of("7 1", "0", "0", "0"), HasSubstr("pid 1 of its container"));
  EXPECT_THAT(Of("7", "0", kTerm, "0"), HasSubstr("ignores"));
  EXPECT_THAT(Of("7", "0", "0", "0"), HasSubstr("at once"));
  EXPECT_THAT(TermProblem(8, tree_.path()), IsEmpty());
}

}  // namespace
}  // namespace fodc::guardian
