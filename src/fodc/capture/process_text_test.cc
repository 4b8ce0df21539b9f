// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/process_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"

namespace fodc::capture {
namespace {

using target::ChildProcess;
using ::testing::AllOf;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kPlenty = 1 << 20;

class ProcessTextTest : public ::testing::Test {
 protected:
  static HeldProcesses Hold(pid_t pid) {
    const auto stat = ReadProcessStat(kProcRoot, pid);
    auto held = HeldProcess::Open(
        "/proc", {.pid = pid, .start_ticks = stat->start_ticks});
    EXPECT_THAT(held, IsOk());
    return {std::make_shared<const HeldProcess>(*std::move(held))};
  }
  static auto Text(const testing::Matcher<const std::string&>& text) {
    return IsOkAndHolds(
        AllOf(Field(&StepText::text, text), Field(&StepText::cut_reason, "")));
  }

  ChildProcess child_{"kvnode", 0};
  HeldProcesses processes_ = Hold(child_.pid());
};

TEST_F(ProcessTextTest, CountersTellTheDecisionTheProcessAndTheMachine) {
  CaptureRequest request = {.target = "db",
                            .trigger = {.kind = "memory_pressure",
                                        .summary = "near the limit",
                                        .inputs = {{"charge_bytes", 805}}},
                            .limit_bytes = 1000,
                            .seconds_to_limit = 1.5};
  const StepText text = CountersText(request, processes_, "/proc", kPlenty);
  EXPECT_THAT(
      text.text,
      AllOf(HasSubstr("trigger memory_pressure\n"),
            HasSubstr("limit_bytes 1000\n"), HasSubstr("charge_bytes 805\n"),
            HasSubstr("seconds_to_limit 1.5\n"),
            HasSubstr(StrCat("==> /proc/", child_.pid(), "/stat <==\n",
                             child_.pid(), " (kvnode)")),
            HasSubstr("MemAvailable:")));
  EXPECT_THAT(CountersText({}, {}, "/nowhere", kPlenty).text,
              HasSubstr("decision"));
}

TEST_F(ProcessTextTest, FilesAreAsTheKernelWritesThem) {
  EXPECT_THAT(ProcessFilesText(processes_, "status", kPlenty),
              Text(HasSubstr("Name:\tkvnode\n")));
  EXPECT_THAT(ProcessFilesText(processes_, "smaps_rollup", kPlenty),
              Text(HasSubstr("Rss:")));
  EXPECT_THAT(ProcessFilesText(processes_, "limits", kPlenty),
              Text(HasSubstr("Max open files")));
  EXPECT_THAT(ProcessFilesText(processes_, "mountinfo", kPlenty),
              Text(HasSubstr(" / ")));
  EXPECT_THAT(ProcessFilesText(processes_, "none", kPlenty),
              StatusIs(Code::kNotFound, HasSubstr("none")));
}

TEST_F(ProcessTextTest, SaysWhenItIsCut) {
  const auto text = ProcessFilesText(processes_, "status", 100);
  ASSERT_THAT(text, IsOk());
  EXPECT_LE(text->text.size(), 100u);
  EXPECT_NE(text->cut_reason, "");
}

TEST_F(ProcessTextTest, TheGroupIsThatOfTheNode) {
  const auto text = CgroupText(processes_, kPlenty);
  if (!text.ok()) {
    std::cout << "SKIPPED: " << text.status().ToString() << "\n";
    GTEST_SKIP();
  }
  EXPECT_THAT(text->text, HasSubstr("cpu.stat <=="));
}

TEST_F(ProcessTextTest, CountsSocketsAndDescriptors) {
  EXPECT_THAT(SocketsText(processes_, kPlenty),
              Text(AllOf(HasSubstr("sockets: used"), HasSubstr("LISTEN "),
                         HasSubstr("socket 1\n"))));
}

TEST_F(ProcessTextTest, TellsWhatEachThreadDoes) {
  EXPECT_THAT(ThreadsText(processes_, kPlenty),
              Text(AllOf(HasSubstr(StrCat("thread ", child_.pid(), " kvnode")),
                         HasSubstr("  state "))));
}

TEST_F(ProcessTextTest, OfOneThatIsGoneThereIsNothing) {
  child_.Kill();
  child_.Reap();
  for (const auto read :
       {CgroupText, SocketsText, ThreadsText, ArgumentsText, EnvironmentText}) {
    EXPECT_FALSE(read(processes_, kPlenty).ok());
  }
  EXPECT_FALSE(ProcessFilesText(processes_, "status", kPlenty).ok());
}

TEST_F(ProcessTextTest, ArgumentsAndEnvironmentLoseTheirSecrets) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char* const variables[] = {"DB_PASSWORD=hunter2", "ZONE=b", nullptr};
    ::execle("/bin/sleep", "sleep", "600", nullptr, variables);
    ::_exit(1);
  }
  // Until it is another program; it has its name before its arguments.
  while (!ReadFile(StrCat("/proc/", pid, "/cmdline"))
              .value_or("")
              .starts_with("sleep")) {
    ::usleep(1000);
  }
  const HeldProcesses held = Hold(pid);
  EXPECT_THAT(ArgumentsText(held, kPlenty), Text(HasSubstr("sleep\n600\n")));
  EXPECT_THAT(EnvironmentText(held, kPlenty),
              Text(AllOf(HasSubstr("DB_PASSWORD=[redacted]\n"),
                         HasSubstr("ZONE=b\n"), Not(HasSubstr("hunter2")))));
  (void)::kill(pid, SIGKILL);
  (void)::waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace fodc::capture
