// SPDX-License-Identifier: Apache-2.0
// Plain processes in real memory cgroups, rolled one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/deploy/roll_fixture.h"
#include "tests/kernel/group.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RollingUpdateProcessTest : public RollTest {
 protected:
  void SetUp() override {
    const std::string root = Cgroup1Root("memory");
    if (::geteuid() != 0 || root.empty()) {
      GTEST_SKIP() << "SKIPPED: needs root and the memory controller of cgroup "
                      "v1";
    }
    parent_.emplace(StrCat("fodc-roll-test-", ::getpid()), root);
  }
  void TearDown() override {
    for (const std::string name : {"a", "b", "c"}) {
      const std::string procs = StrCat(GroupOf(name), "/cgroup.procs");
      const auto text = ReadFile(procs);
      if (text.ok()) {
        for (const std::string_view line : Split(*text, '\n')) {
          const auto pid = ParseUint(line);
          if (pid) (void)::kill(static_cast<pid_t>(*pid), SIGKILL);
        }
      }
      if (PidOf(name) > 0) (void)::kill(PidOf(name), SIGKILL);
      // Its keeper ends with it, and writes until then.
      (void)WaitUntil(
          [&] { return PidOf(name) == 0 || !Read(name + "/exit").empty(); },
          10s);
    }
  }

  std::string GroupOf(const std::string& name) const {
    return parent_ ? StrCat(parent_->path(), "/", name) : "";
  }
  std::uint64_t LimitOf(const std::string& name) const {
    const auto text = ReadFile(StrCat(GroupOf(name), "/memory.limit_in_bytes"));
    return text.ok() ? ParseUint(Trim(*text)).value_or(0) : 0;
  }
  // 0 if it never ran.
  pid_t PidOf(const std::string& name) const {
    const std::string text = Read(name + "/pid");
    return static_cast<pid_t>(
        ParseUint(text.substr(0, text.find(' '))).value_or(0));
  }
  bool InGroup(const std::string& name) const {
    const auto text = ReadFile(StrCat(GroupOf(name), "/cgroup.procs"));
    return text.ok() && *text == StrCat(PidOf(name), "\n");
  }
  std::uint16_t PortOf(const std::string& name) {
    auto [it, is_new] = ports_.try_emplace(name, 0);
    if (is_new) it->second = FreePort();
    return it->second;
  }
  bool Answers(const std::string& name) {
    return Get(StrCat("http://127.0.0.1:", PortOf(name), "/")).status == 200;
  }

  // Nodes a and b, or those of `names`.
  std::string Config(const std::vector<std::string>& names = {"a", "b"}) {
    std::string text = StrCat(
        "RUNNER=process\nCONTAINER_MEMORY_LIMIT=128m\n"
        "DEFAULT_EXTRA_ENV=GOMEMLIMIT=90MiB\n"
        "HEALTH_INTERVAL_SECONDS=0\nHEALTH_DEADLINE_SECONDS=60\n"
        "HEALTH_TIMEOUT_SECONDS=10\n"
        "GRACE_SECONDS=20\n",
        "RUN_DIR=", File("{node}"), "\n", "CGROUP=fodc-roll-test-", ::getpid(),
        "/{node}\n");
    for (const std::string& name : names) {
      text +=
          StrCat("[", name, "]\nCOMMAND=/usr/bin/python3 ",
                 SourcePath("tests/deploy/fakes/node.py"), " ", PortOf(name),
                 "\nHEALTH_URL=http://{host}:", PortOf(name), "/healthz\n");
    }
    return WriteConfig(text);
  }
  Output RollNodes(Words args = {},
                   const std::map<std::string, std::string>& env = {}) {
    args.insert(args.begin(), Config());
    return Roll(args, env);
  }

 private:
  std::optional<Group> parent_;
  std::map<std::string, std::uint16_t> ports_;
};

TEST_F(RollingUpdateProcessTest, LimitIsInForceAndTheNodesServe) {
  const Output output = RollNodes();
  ASSERT_EQ(output.exit_code, 0) << output.err << output.out;
  for (const std::string name : {"a", "b"}) {
    EXPECT_TRUE(Answers(name));
    EXPECT_EQ(LimitOf(name), 128u << 20);
    EXPECT_TRUE(InGroup(name));
    const auto environment =
        ReadFile(StrCat("/proc/", PidOf(name), "/environ"));
    ASSERT_TRUE(environment.ok());
    EXPECT_THAT(*environment, HasSubstr("GOMEMLIMIT=90MiB"));
    // Only what it was given: not what the run itself had.
    EXPECT_THAT(*environment, Not(HasSubstr("FAKE_DIR")));
  }
  EXPECT_THAT(output.out, HasSubstr("summary: rolled=2 unchanged=0 failed=0 "
                                    "untouched=0"));
}

TEST_F(RollingUpdateProcessTest, SameFingerprintIsLeftAlone) {
  ASSERT_EQ(RollNodes().exit_code, 0);
  const pid_t a = PidOf("a");
  const pid_t b = PidOf("b");
  const Output again = RollNodes();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("rolled=0 unchanged=2"));
  EXPECT_EQ(PidOf("a"), a);
  EXPECT_EQ(PidOf("b"), b);
  // Forced, and one of them.
  EXPECT_EQ(RollNodes({"--force", "--nodes=b"}).exit_code, 0);
  EXPECT_EQ(PidOf("a"), a);
  EXPECT_NE(PidOf("b"), b);
}

TEST_F(RollingUpdateProcessTest, ChangedLimitAloneRecreates) {
  ASSERT_EQ(RollNodes().exit_code, 0);
  const pid_t a = PidOf("a");
  const Output output = RollNodes({"--container-memory-limit=96m"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("a: changed: fingerprint "));
  EXPECT_NE(PidOf("a"), a);
  EXPECT_NE(::kill(a, 0), 0);
  EXPECT_EQ(LimitOf("a"), 96u << 20);
  EXPECT_TRUE(InGroup("a"));
  // No limit: out of the group, which goes.
  ASSERT_EQ(RollNodes({"--container-memory-limit="}).exit_code, 0);
  EXPECT_TRUE(Answers("a"));
  EXPECT_EQ(LimitOf("a"), 0u);
}

TEST_F(RollingUpdateProcessTest, DryRunStartsNothing) {
  const Output output = RollNodes({"--dry-run"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("a: dry run: not there yet"));
  EXPECT_EQ(PidOf("a"), 0);
  EXPECT_NE(::access(File("a").c_str(), F_OK), 0);
  EXPECT_NE(::access(GroupOf("a").c_str(), F_OK), 0);
}

TEST_F(RollingUpdateProcessTest, UnhealthyNodeStopsTheRun) {
  ASSERT_EQ(RollNodes().exit_code, 0);
  const pid_t b = PidOf("b");
  const Output sick =
      RollNodes({"--health-deadline-seconds=1"}, {{"EXTRA_ENV", "SICK=1"}});
  EXPECT_EQ(sick.exit_code, 12);
  EXPECT_THAT(sick.err,
              AllOf(HasSubstr("a: it is not healthy"), HasSubstr("503")));
  EXPECT_THAT(sick.out, HasSubstr("summary: a failed\nsummary: b untouched\n"));
  EXPECT_EQ(PidOf("b"), b);
  EXPECT_TRUE(Answers("b"));
  // The same again does not go past it, though nothing changed.
  const Output again =
      RollNodes({"--health-deadline-seconds=1"}, {{"EXTRA_ENV", "SICK=1"}});
  EXPECT_EQ(again.exit_code, 12);
  EXPECT_EQ(PidOf("b"), b);
  // What was right before is right again.
  EXPECT_EQ(RollNodes().exit_code, 0);
}

TEST_F(RollingUpdateProcessTest, HealthTakesSeveralSuccessesInARow) {
  const Output output =
      RollNodes({"--nodes=a", "--health-successes=3",
                 StrCat("--health-command=echo x >>", File("probes"),
                        "; test $(wc -l <", File("probes"), ") -ne 2")});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  // The second failed, so three more were needed.
  EXPECT_EQ(Read("probes"), "x\nx\nx\nx\nx\n");
}

TEST_F(RollingUpdateProcessTest, NodeThatIgnoresSigtermIsNotKilledUnasked) {
  const std::map<std::string, std::string> stubborn{
      {"EXTRA_ENV", "STUBBORN=1"}};
  ASSERT_EQ(RollNodes({}, stubborn).exit_code, 0);
  const pid_t a = PidOf("a");
  const Output refused = RollNodes({"--grace-seconds=1"});
  EXPECT_EQ(refused.exit_code, 10);
  EXPECT_THAT(refused.err, HasSubstr(StrCat("process ", a,
                                            " is still there 1 s after "
                                            "SIGTERM; it is not killed without "
                                            "--force-kill")));
  EXPECT_THAT(refused.out,
              HasSubstr("summary: a failed\nsummary: b untouched"));
  EXPECT_EQ(PidOf("a"), a);
  EXPECT_TRUE(Answers("a"));
  const Output forced = RollNodes({"--grace-seconds=1", "--force-kill"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_THAT(forced.out, HasSubstr("a: stopped (exit code 137"));
  EXPECT_TRUE(InGroup("a"));
}

TEST_F(RollingUpdateProcessTest, StopUnderPressureIsTold) {
  const std::map<std::string, std::string> env{{"EXTRA_ENV", "EXIT_CODE=2"}};
  ASSERT_EQ(RollNodes({"--nodes=a"}, env).exit_code, 0);
  const Output rolled = RollNodes({"--nodes=a", "--force"}, env);
  EXPECT_THAT(rolled.out, HasSubstr("a: stopped (exit code 2: it stopped "
                                    "itself under memory pressure)"));
  // By itself, between two runs.
  ASSERT_EQ(::kill(PidOf("a"), SIGTERM), 0);
  ASSERT_TRUE(WaitUntil([&] { return !Read("a/exit").empty(); }));
  const Output found = RollNodes({"--nodes=a"}, env);
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("a: not running (exit code 2: it stopped "
                                   "itself under memory pressure)"));
}

TEST_F(RollingUpdateProcessTest, NodeThatIsOverItsLimitIsKilledAlone) {
  // It grows once its health is asked for: an earlier end would be a start
  // that failed.
  Write("grow.py", StrCat("import os, time\n"
                          "while not os.path.exists('",
                          File("asked"),
                          "'): time.sleep(0.01)\n"
                          "x = bytearray(256 << 20)\n"));
  const Output output = RollNodes(
      {"--nodes=a", StrCat("--command=/usr/bin/python3 ", File("grow.py")),
       "--health-url=",
       StrCat("--health-command=touch ", File("asked"), "; false")});
  EXPECT_EQ(output.exit_code, 12) << output.out;
  EXPECT_THAT(output.err, HasSubstr("exit code 137"));
}

TEST_F(RollingUpdateProcessTest, ProcessesLeftInItsGroupAreNotForgotten) {
  const std::map<std::string, std::string> env{{"EXTRA_ENV", "CHILD=1"}};
  ASSERT_EQ(RollNodes({"--nodes=a"}, env).exit_code, 0);
  const Output refused = RollNodes({"--nodes=a", "--grace-seconds=1"});
  EXPECT_EQ(refused.exit_code, 10);
  EXPECT_THAT(refused.err, HasSubstr("left processes in its cgroup"));
  EXPECT_EQ(
      RollNodes({"--nodes=a", "--grace-seconds=1", "--force-kill"}).exit_code,
      0);
  EXPECT_TRUE(InGroup("a"));
}

TEST_F(RollingUpdateProcessTest, CommandThatIsNotThereLeavesTheNodeAlone) {
  ASSERT_EQ(RollNodes().exit_code, 0);
  const pid_t a = PidOf("a");
  const Output output = RollNodes({"--command=/nowhere/kvnode"});
  EXPECT_EQ(output.exit_code, 11);
  EXPECT_THAT(output.err, HasSubstr("there is no program '/nowhere/kvnode'"));
  EXPECT_EQ(PidOf("a"), a);
  EXPECT_TRUE(Answers("a"));
}

TEST_F(RollingUpdateProcessTest, CommandThatEndsAtOnceIsTold) {
  const Output output = RollNodes({"--command=/bin/false"});
  EXPECT_THAT(output.exit_code, testing::AnyOf(11, 12));
  EXPECT_THAT(output.err, HasSubstr("exit code 1"));
  EXPECT_THAT(output.out, HasSubstr("summary: b untouched"));
}

// A number that another process got after the node ended is not the node's.
TEST_F(RollingUpdateProcessTest, ReusedPidIsNotSignalled) {
  ASSERT_EQ(RollNodes({"--nodes=a"}).exit_code, 0);
  const pid_t a = PidOf("a");
  ASSERT_EQ(::kill(a, SIGTERM), 0);
  ASSERT_TRUE(WaitUntil([&] { return !Read("a/exit").empty(); }));
  ProcessOptions options;
  options.argv = {"sleep", "600"};
  Process other = Process::Start(std::move(options));
  std::string text = Read("a/pid");
  text.replace(0, text.find(' '), std::to_string(other.pid()));
  Write("a/pid", text);
  EXPECT_EQ(RollNodes({"--nodes=a"}).exit_code, 0);
  EXPECT_TRUE(other.Running());
  EXPECT_TRUE(Answers("a"));
}

TEST_F(RollingUpdateProcessTest, OtherRunIsRefusedAndNodesDoNotHoldTheLock) {
  {
    const UniqueFd lock(::open(File("lock").c_str(), O_CREAT | O_RDWR, 0600));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
    const Output output = RollNodes();
    EXPECT_EQ(output.exit_code, 75);
    EXPECT_THAT(output.err, HasSubstr("another run holds"));
    EXPECT_EQ(PidOf("a"), 0);
  }
  ASSERT_EQ(RollNodes().exit_code, 0);
  // Nodes that were started by that run are still there.
  EXPECT_EQ(RollNodes().exit_code, 0);
}

// Two at once, of which the first waits for a node that never gets healthy.
TEST_F(RollingUpdateProcessTest, InterruptedRunSaysHowFarItCame) {
  ProcessOptions options;
  options.argv = Argv({Config(), "--health-deadline-seconds=600"},
                      {{"EXTRA_ENV", "SICK=1"}});
  options.log_path = File("first.log");
  Process first = Process::Start(std::move(options));
  ASSERT_TRUE(WaitUntil([&] { return PidOf("a") > 0; }));
  EXPECT_EQ(RollNodes().exit_code, 75);
  first.Signal(SIGTERM);
  EXPECT_EQ(first.WaitExitCode(20s), 143);
  EXPECT_THAT(first.Log(), HasSubstr("summary: a failed\nsummary: b "
                                     "untouched\n"));
  // The node that it started outlives it.
  EXPECT_EQ(::kill(PidOf("a"), 0), 0);
  EXPECT_TRUE(InGroup("a"));
}

TEST_F(RollingUpdateProcessTest, RemoteNodesAreRolledAsLocalOnes) {
  ASSERT_EQ(RollNodes({"--nodes=a", "--host=localhost"},
                      {{"EXTRA_ENV", "Q=it's$HOME"}})
                .exit_code,
            0);
  EXPECT_TRUE(Answers("a"));
  EXPECT_EQ(LimitOf("a"), 128u << 20);
  const auto environment = ReadFile(StrCat("/proc/", PidOf("a"), "/environ"));
  ASSERT_TRUE(environment.ok());
  EXPECT_THAT(*environment, HasSubstr("Q=it's$HOME"));
  EXPECT_THAT(RollNodes({"--nodes=a", "--host=localhost"},
                        {{"EXTRA_ENV", "Q=it's$HOME"}})
                  .out,
              HasSubstr("unchanged=1"));
}

// Where the kernel has the memory controller on cgroup v1, the files of v2 are
// written in a tree of plain files.
TEST_F(RollingUpdateProcessTest, CgroupV2GetsItsOwnFiles) {
  ASSERT_TRUE(MakeDirectories(File("tree")).ok());
  Write("tree/cgroup.controllers", "memory pids\n");
  const Output output = RollNodes(
      {"--nodes=a", StrCat("--cgroup-root=", File("tree")), "--cgroup=n/{node}",
       "--container-memory-limit=100m", "--memory-swap=150m"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(Read("tree/cgroup.subtree_control"), "+memory\n");
  EXPECT_EQ(Read("tree/n/cgroup.subtree_control"), "+memory\n");
  EXPECT_EQ(Read("tree/n/a/memory.max"), "104857600\n");
  EXPECT_EQ(Read("tree/n/a/memory.high"), "99614720\n");
  EXPECT_EQ(Read("tree/n/a/memory.swap.max"), "52428800\n");
  EXPECT_EQ(Read("tree/n/a/cgroup.procs"), StrCat(PidOf("a"), "\n"));
}

TEST_F(RollingUpdateProcessTest, LimitThatCannotBeSetIsNoStart) {
  ASSERT_TRUE(MakeDirectories(File("tree/n")).ok());
  ASSERT_TRUE(MakeDirectories(File("tree/n/memory.limit_in_bytes")).ok());
  const Output output = RollNodes(
      {"--nodes=a", StrCat("--cgroup-root=", File("tree")), "--cgroup=n"});
  EXPECT_EQ(output.exit_code, 11);
  EXPECT_THAT(output.err, HasSubstr("memory.limit_in_bytes cannot be set"));
  EXPECT_EQ(PidOf("a"), 0);
}

}  // namespace
}  // namespace fodc::test
