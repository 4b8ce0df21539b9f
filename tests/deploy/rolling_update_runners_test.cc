// SPDX-License-Identifier: Apache-2.0
// How docker, systemctl and ssh are called, what makes a run recreate a node,
// and what a run that goes wrong leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fodc/base/strings.h"
#include "tests/deploy/roll_fixture.h"

namespace fodc::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RollingUpdateDockerTest : public RollTest {
 protected:
  // What `docker` was asked, in order: run, stop...
  Words Verbs() {
    Words verbs;
    for (const Words& call : Calls()) verbs.push_back(call.at(1));
    return verbs;
  }
  bool Recreates(const Words& args,
                 const std::map<std::string, std::string>& env = {}) {
    (void)Calls();
    Words all{"--node=n"};
    all.insert(all.end(), args.begin(), args.end());
    const Output output = RollDocker(all, env);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    const Words verbs = Verbs();
    const bool run = std::count(verbs.begin(), verbs.end(), "run") > 0;
    EXPECT_THAT(output.out,
                HasSubstr(run ? "summary: n rolled" : "summary: n unchanged"));
    return run;
  }
};

TEST_F(RollingUpdateDockerTest, StopsRemovesAndRunsInThatOrder) {
  const Words args{"--node=n",
                   "--runner=docker",
                   "--image=kv:1",
                   "--health-url=",
                   "--health-successes=1",
                   "--grace-seconds=7",
                   "--docker-args=--network host -v /d:/d",
                   "--command=serve --x"};
  ASSERT_EQ(Roll(args).exit_code, 0);
  const std::vector<Words> first = Calls();
  ASSERT_EQ(first.size(), 5u);
  EXPECT_EQ(first[0][1], "inspect");
  EXPECT_EQ(first[1], (Words{"docker", "pull", "--quiet", "kv:1"}));
  EXPECT_EQ(first[2], (Words{"docker", "image", "inspect", "--format",
                             "{{.Id}}", "kv:1"}));
  EXPECT_THAT(first[3],
              AllOf(Contains("--network"), Contains("-v"), Contains("/d:/d")));
  EXPECT_EQ(Words(first[3].end() - 3, first[3].end()),
            (Words{"kv:1", "serve", "--x"}));

  // The name of the image stands for another one now.
  Write("image", "sha256:two\n");
  const Output again = Roll(args, {{"FAKE_EXIT_CODE", "2"}});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("stopped (exit code 2: it stopped itself "
                                   "under memory pressure)"));
  const std::vector<Words> second = Calls();
  ASSERT_EQ(second.size(), 11u);
  EXPECT_EQ(second[3].back(), "n");  // its own signal is asked for
  EXPECT_EQ(second[4], (Words{"docker", "update", "--restart", "no", "n"}));
  EXPECT_EQ(second[5], (Words{"docker", "kill", "--signal", "SIGTERM", "n"}));
  EXPECT_EQ(second[8], (Words{"docker", "rm", "n"}));
  EXPECT_EQ(second[9][1], "run");
}

TEST_F(RollingUpdateDockerTest, IsStoppedByTheSignalOfItsImage) {
  ASSERT_TRUE(Recreates({}));
  (void)Calls();
  ASSERT_EQ(
      RollDocker({"--node=n", "--force"}, {{"FAKE_STOP_SIGNAL", "SIGINT"}})
          .exit_code,
      0);
  EXPECT_THAT(Calls(),
              Contains(Words{"docker", "kill", "--signal", "SIGINT", "n"}));
}

// A rolling update that nobody allowed to kill kills nobody.
TEST_F(RollingUpdateDockerTest, OneThatDoesNotEndIsKilledOnlyIfThatIsAllowed) {
  ASSERT_TRUE(Recreates({}));
  (void)Calls();
  const Output output = RollDocker({"--node=n", "--force", "--grace-seconds=0"},
                                   {{"FAKE_STUBBORN", "1"}});
  EXPECT_EQ(output.exit_code, 10);
  EXPECT_THAT(output.err, HasSubstr("n: it is still there after 0 s"));
  const Words verbs = Verbs();
  EXPECT_THAT(verbs, Not(Contains("stop")));
  EXPECT_THAT(verbs, Not(Contains("rm")));
  (void)RollDocker({"--node=n", "--force", "--grace-seconds=0"},
                   {{"FAKE_STUBBORN", "1"}});
  // As before, the engine starts it again if it crashes.
  EXPECT_EQ(Calls().back(),
            (Words{"docker", "update", "--restart", "unless-stopped", "n"}));

  EXPECT_EQ(
      RollDocker({"--node=n", "--force", "--grace-seconds=7", "--force-kill"},
                 {{"FAKE_STUBBORN", "1"}})
          .exit_code,
      0);
  EXPECT_THAT(Calls(), Contains(Words{"docker", "stop", "-t", "7", "n"}));
}

TEST_F(RollingUpdateDockerTest, OnlyWhatChangedIsRecreated) {
  EXPECT_TRUE(Recreates({}));
  EXPECT_FALSE(Recreates({}));
  EXPECT_TRUE(Recreates({"--container-memory-limit=2600m"}));
  EXPECT_FALSE(Recreates({"--container-memory-limit=2600m"}));
  EXPECT_TRUE(Recreates({"--container-memory-limit="}));
  EXPECT_TRUE(Recreates({}));
  EXPECT_TRUE(Recreates({"--memory-swap=-1"}));
  EXPECT_TRUE(Recreates({}, {{"EXTRA_ENV", "A=1"}}));
  EXPECT_TRUE(Recreates({}, {{"EXTRA_ENV", "A=2"}}));
  // The same list in other clothes is the same.
  EXPECT_FALSE(Recreates({}, {{"EXTRA_ENV", "\tA=2\r\n"}}));
  EXPECT_TRUE(Recreates({}, {{"DEFAULT_EXTRA_ENV", ""}}));
  EXPECT_TRUE(Recreates({"--command=a b"}));
  EXPECT_TRUE(Recreates({"--command=b a"}));
  EXPECT_TRUE(Recreates({"--docker-args=a", "--command=b"}));
  EXPECT_TRUE(Recreates({"--docker-args=a", "--command=b", "--image=kv:2"}));
  EXPECT_TRUE(Recreates({}));
  EXPECT_TRUE(Recreates({"--force"}));
  EXPECT_TRUE(Recreates({"--node-version=2"}));
  // What is not given to the node is no change.
  EXPECT_FALSE(Recreates({"--node-version=2", "--grace-seconds=5"}));
}

TEST_F(RollingUpdateDockerTest, ContainerThatEndedIsRecreated) {
  ASSERT_TRUE(Recreates({}));
  const std::string state = Read("container-n");
  Write("container-n", StrCat("exited 2 ", state.substr(10)));
  const Output output = RollDocker({"--node=n"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out,
              HasSubstr("not running (exit code 2: it stopped itself under "
                        "memory pressure)"));
}

TEST_F(RollingUpdateDockerTest, FirstFailureLeavesTheRestUntouched) {
  Write("docker-fails-run", "no space left");
  const Output output = RollDocker({"--node=a", "--node=b"});
  EXPECT_EQ(output.exit_code, 11);
  EXPECT_THAT(output.err, HasSubstr("a: docker run: no space left"));
  EXPECT_THAT(output.out,
              HasSubstr("summary: a failed\nsummary: b untouched\n"
                        "summary: rolled=0 unchanged=0 failed=1 untouched=1"));
  EXPECT_THAT(Calls(), Not(Contains(Contains("b"))));
}

TEST_F(RollingUpdateDockerTest, EachStepThatFailsHasItsExitCode) {
  const auto code = [&](const std::string& verb) {
    Write(StrCat("docker-fails-", verb), "broken");
    const Output output = RollDocker({"--node=n", "--force", "--pull"});
    EXPECT_THAT(output.err, HasSubstr("broken"));
    EXPECT_EQ(std::remove(File(StrCat("docker-fails-", verb)).c_str()), 0);
    return output.exit_code;
  };
  ASSERT_TRUE(Recreates({}));
  EXPECT_EQ(code("inspect"), 13);
  EXPECT_EQ(code("pull"), 11);
  EXPECT_EQ(code("update"), 10);
  EXPECT_EQ(code("kill"), 10);
  EXPECT_EQ(code("rm"), 10);
}

TEST_F(RollingUpdateDockerTest, ContainerThatDoesNotStayIsNotHealthy) {
  const Output output =
      RollDocker({"--node=a", "--node=b"}, {{"FAKE_STATE", "exited"}});
  EXPECT_EQ(output.exit_code, 12);
  EXPECT_THAT(output.err, HasSubstr("a: it is not healthy: it is ended"));
  EXPECT_THAT(output.out, HasSubstr("summary: b untouched"));
}

// The run before may have failed at this node's health.
TEST_F(RollingUpdateDockerTest, UnchangedButUnhealthyStopsTheRun) {
  ASSERT_EQ(RollDocker({"--node=a", "--node=b"}).exit_code, 0);
  (void)Calls();
  const Output output =
      RollDocker({"--node=a", "--node=b", "--health-command=exit 3",
                  "--health-deadline-seconds=1", "--health-interval-seconds=0",
                  "--image=kv:1"});
  EXPECT_EQ(output.exit_code, 12);
  EXPECT_THAT(output.err, HasSubstr("the health command ended with 3"));
  EXPECT_THAT(output.out, HasSubstr("summary: a failed\nsummary: b untouched"));
}

TEST_F(RollingUpdateDockerTest, OrderIsThatOfTheNodesAndASubsetIsKeptTo) {
  const std::string config = WriteConfig("[c]\n[a]\n[b]\n");
  const Output output = RollDocker({config, "--nodes=b, c"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  std::vector<std::string> names;
  for (const Words& call : Calls()) {
    if (call[1] == "run") names.push_back(call.at(4));
  }
  EXPECT_THAT(names, ElementsAre("c", "b"));
  EXPECT_THAT(output.out, HasSubstr("summary: c rolled\nsummary: a untouched\n"
                                    "summary: b rolled\n"));
  // Given and empty: none of them. Not given: all.
  const Output none = RollDocker({config, "--nodes="});
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.out, HasSubstr("no nodes are chosen"));
  EXPECT_THAT(Calls(), IsEmpty());
  EXPECT_THAT(RollDocker({config}).out, HasSubstr("summary: a rolled"));
  const Output unknown = RollDocker({config, "--nodes=d"});
  EXPECT_EQ(unknown.exit_code, 64);
  EXPECT_THAT(unknown.err, HasSubstr("there is no node 'd'"));
}

TEST_F(RollingUpdateDockerTest, BadSettingsAreNamedAndNothingIsDone) {
  const auto error = [&](Words args) {
    args.emplace_back("--node=n");
    const Output output = RollDocker(args);
    EXPECT_EQ(output.exit_code, 64) << output.out;
    EXPECT_THAT(Calls(), IsEmpty());
    return output.err;
  };
  EXPECT_THAT(error({"--imagine=1"}), HasSubstr("'--imagine' is not a flag"));
  EXPECT_THAT(error({"--grace_seconds=1"}), HasSubstr("is not a flag"));
  EXPECT_THAT(error({"n2"}), HasSubstr("'n2' is not a flag"));
  EXPECT_THAT(error({"--runner=podman"}), HasSubstr("RUNNER (--runner)"));
  EXPECT_THAT(error({"--image="}), HasSubstr("IMAGE is not set"));
  EXPECT_THAT(error({"--node=../x"}), HasSubstr("'../x' is not a node's name"));
  EXPECT_THAT(error({"--node=n"}), HasSubstr("'n' stands there twice"));
  EXPECT_THAT(error({"--node=o=-oProxyCommand=x"}),
              HasSubstr("is not a host for ssh"));
  EXPECT_THAT(error({"--grace-seconds=1.5"}),
              HasSubstr("GRACE_SECONDS (--grace-seconds) is '1.5'"));
  EXPECT_THAT(error({"--force=maybe"}), HasSubstr("neither yes nor no"));
  EXPECT_THAT(error({"--config=/nowhere"}), HasSubstr("'/nowhere'"));
  EXPECT_THAT(error({WriteConfig("A=1\n")}),
              HasSubstr("config:1: there is no setting 'A'"));
  EXPECT_THAT(error({WriteConfig("IMAGE=a\nIMAGE=b\n")}),
              HasSubstr("config:2: IMAGE stands there twice"));
  EXPECT_THAT(error({WriteConfig("\nCOMMAND=\"a\nb\n")}),
              HasSubstr("config:2: COMMAND: the quote is not closed"));
  EXPECT_THAT(error({WriteConfig("COMMAND='a' b\n")}),
              HasSubstr("config:1: COMMAND: something follows"));
  EXPECT_THAT(error({WriteConfig("[n]\nNODES=a\n")}),
              HasSubstr("config:2: NODES is of the whole run"));
  EXPECT_THAT(error({WriteConfig("[m]\n")}), HasSubstr("section [m]"));
  EXPECT_THAT(error({WriteConfig("serve\n")}), HasSubstr("config:1: 'serve'"));
  EXPECT_THAT(Roll({"--node=n", "--runner=docker", "--image=i"}).err,
              HasSubstr("neither HEALTH_URL nor HEALTH_COMMAND is set"));
  EXPECT_THAT(RollDocker({}).err, HasSubstr("there are no nodes"));
  // Nothing of the file is run.
  EXPECT_THAT(error({WriteConfig("$(touch x)=1\n")}), HasSubstr("config:1"));
}

TEST_F(RollingUpdateDockerTest, RemoteShellGetsWhatALocalOneDoes) {
  const std::map<std::string, std::string> env{
      {"EXTRA_ENV", "A=it's\r\nB=$HOME\tC=*;id D=\"q\" E=\\n F=`id`"}};
  ASSERT_EQ(RollDocker({"--node=n"}, env).exit_code, 0);
  const Words local = CallThatBegins({"docker", "run"});
  ASSERT_EQ(RollDocker({"--node=n=root@db-1", "--force"}, env).exit_code, 0);
  const std::vector<Words> calls = Calls();
  ASSERT_FALSE(calls.empty());
  EXPECT_EQ(calls[0], (Words{"ssh", "-o", "BatchMode=yes", "-o",
                             "ConnectTimeout=10", "root@db-1"}));
  EXPECT_THAT(calls, Contains(local));
  EXPECT_THAT(ValuesOf(local, "--env"),
              ElementsAre("GOMEMLIMIT=1800MiB", "A=it's", "B=$HOME", "C=*;id",
                          "D=\"q\"", "E=\\n", "F=`id`"));
}

TEST_F(RollingUpdateDockerTest, HostThatCannotBeReachedStopsTheRun) {
  Write("unreachable-db-1", "");
  const Output output =
      RollDocker({"--node=a=db-1", "--node=b=db-2", "--ssh-options="});
  EXPECT_EQ(output.exit_code, 13);
  EXPECT_THAT(output.err, HasSubstr("connect to host db-1"));
  EXPECT_THAT(Calls(), ElementsAre(Words{"ssh", "db-1"}));
}

TEST_F(RollingUpdateDockerTest, HostMayBeOfTheFile) {
  const std::string config = WriteConfig("HOST=db-0\n[a]\n[b]\nHOST=db-2\n");
  ASSERT_EQ(RollDocker({config, "--ssh-options=-p 22",
                        "--container-name=kv-{node}-{host}"})
                .exit_code,
            0);
  const std::vector<Words> calls = Calls();
  EXPECT_THAT(calls, Contains(Words{"ssh", "-p", "22", "db-0"}));
  EXPECT_THAT(calls, Contains(Words{"ssh", "-p", "22", "db-2"}));
  EXPECT_THAT(calls, Contains(Contains("kv-a-db-0")));
  EXPECT_THAT(calls, Contains(Contains("kv-b-db-2")));
}

class RollingUpdateSystemdTest : public RollTest {
 protected:
  Output RollUnit(Words args,
                  const std::map<std::string, std::string>& env = {}) {
    (void)Calls();
    args.insert(args.begin(), {"--node=n", "--runner=systemd",
                               "--health-url=", "--health-successes=1",
                               "--unit=kv@{node}.service",
                               StrCat("--unit-dir=", File("units"))});
    return Roll(args, env);
  }
  std::string DropIn() {
    return Read("units/kv@n.service.d/50-rolling-update.conf");
  }
};

const Words kShow{"systemctl", "show",
                  "--property=LoadState,ActiveState,ExecMainStatus",
                  "kv@n.service"};

TEST_F(RollingUpdateSystemdTest, DropInThenReloadThenRestart) {
  const Output output = RollUnit({}, {{"EXTRA_ENV", "A=50%\\\"q\""}});
  ASSERT_EQ(output.exit_code, 0) << output.err << output.out;
  EXPECT_EQ(DropIn(),
            "# Written by rolling-update; the next run replaces it.\n"
            "[Service]\n"
            "Environment=\"GOMEMLIMIT=1800MiB\"\n"
            "Environment=\"A=50%%\\\\\\\"q\\\"\"\n"
            "MemoryMax=2621440000\n"
            "MemoryHigh=2490368000\n"
            "MemorySwapMax=0\n");
  EXPECT_THAT(Calls(),
              ElementsAre(kShow, Words{"systemctl", "daemon-reload"},
                          Words{"systemctl", "restart", "kv@n.service"},
                          Words{"systemctl", "show", "--property=MemoryMax",
                                "--value", "kv@n.service"},
                          kShow));
}

TEST_F(RollingUpdateSystemdTest, EmptyLimitIsSaidToBeNone) {
  ASSERT_EQ(
      RollUnit({"--container-memory-limit=", "--default-extra-env="}).exit_code,
      0);
  EXPECT_EQ(DropIn(),
            "# Written by rolling-update; the next run replaces it.\n"
            "[Service]\nMemoryMax=infinity\nMemoryHigh=infinity\n");
  ASSERT_EQ(RollUnit({"--memory-high=", "--memory-swap=-1"}).exit_code, 0);
  EXPECT_THAT(DropIn(), HasSubstr("MemoryMax=2621440000\nMemoryHigh=infinity\n"
                                  "MemorySwapMax=infinity\n"));
  ASSERT_EQ(RollUnit({"--memory-high=2g", "--memory-swap=3g"}).exit_code, 0);
  EXPECT_THAT(DropIn(), HasSubstr("MemoryHigh=2147483648\n"
                                  "MemorySwapMax=599785472\n"));
}

TEST_F(RollingUpdateSystemdTest, OnlyAChangeRestarts) {
  const Words restart{"systemctl", "restart", "kv@n.service"};
  ASSERT_EQ(RollUnit({}).exit_code, 0);
  EXPECT_THAT(RollUnit({}).out, HasSubstr("summary: n unchanged"));
  EXPECT_THAT(Calls(), Not(Contains(restart)));
  EXPECT_EQ(RollUnit({"--container-memory-limit=2g"}).exit_code, 0);
  EXPECT_THAT(Calls(), Contains(restart));
  EXPECT_EQ(
      RollUnit({"--container-memory-limit=2g", "--node-version=1.1"}).exit_code,
      0);
  EXPECT_THAT(Calls(), Contains(restart));
}

TEST_F(RollingUpdateSystemdTest, RestartThatFailedIsDoneAgain) {
  Write("systemctl-fails-restart", "Job for kv@n.service failed");
  const Output failed = RollUnit({});
  EXPECT_EQ(failed.exit_code, 11);
  EXPECT_THAT(failed.err, HasSubstr("Job for kv@n.service failed"));
  ASSERT_EQ(std::remove(File("systemctl-fails-restart").c_str()), 0);
  Write("active", "active");
  EXPECT_THAT(RollUnit({}).out, HasSubstr("summary: n rolled"));
}

TEST_F(RollingUpdateSystemdTest, LimitThatAnotherDropInSetsIsNotInForce) {
  ASSERT_EQ(RollUnit({}).exit_code, 0);
  Write("units/kv@n.service.d/99-mine.conf", "[Service]\nMemoryMax=1\n");
  const Output output = RollUnit({"--force"});
  EXPECT_EQ(output.exit_code, 11);
  EXPECT_THAT(output.err, HasSubstr("MemoryMax of kv@n.service is 1, not "
                                    "2621440000: another drop-in sets it"));
}

TEST_F(RollingUpdateSystemdTest, UnitThatIsNotThereIsSaid) {
  Write("loaded", "not-found");
  const Output output = RollUnit({});
  EXPECT_EQ(output.exit_code, 13);
  EXPECT_THAT(output.err, HasSubstr("unit kv@n.service is not-found"));
}

TEST_F(RollingUpdateSystemdTest, UnitThatFailedIsToldWithItsCode) {
  Write("active", "failed");
  Write("code", "2");
  EXPECT_THAT(RollUnit({}).out,
              HasSubstr("not running (exit code 2: it stopped itself under "
                        "memory pressure)"));
}

TEST_F(RollingUpdateSystemdTest, RemoteUnitGetsTheSameDropIn) {
  const std::map<std::string, std::string> env{{"EXTRA_ENV", "A=it's$x\"%"}};
  ASSERT_EQ(RollUnit({}, env).exit_code, 0);
  const std::string local = DropIn();
  const Output output =
      RollUnit({"--host=db-1", "--force", "--as-root=env X=1"}, env);
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(DropIn(), local);
  EXPECT_THAT(Calls(), Contains(Contains("db-1")));
}

}  // namespace
}  // namespace fodc::test
