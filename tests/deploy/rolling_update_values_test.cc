// SPDX-License-Identifier: Apache-2.0
// Memory limits and environments by default: what a node is given for what an
// operator wrote, did not write, and wrote wrongly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class RollingUpdateValuesTest : public RollTest {
 protected:
  // The call of `docker run` for node n.
  Words Run(const Words& args,
            const std::map<std::string, std::string>& env = {}) {
    Words all{"--node=n", "--force"};
    all.insert(all.end(), args.begin(), args.end());
    const Output output = RollDocker(all, env);
    EXPECT_EQ(output.exit_code, 0) << output.out << output.err;
    return CallThatBegins({"docker", "run"});
  }
  Words Environment(const std::map<std::string, std::string>& env) {
    return ValuesOf(Run({}, env), "--env");
  }
  // What is wrong is told, and nothing was asked of docker: in a dry run too.
  void ExpectRefused(const Words& args,
                     const std::map<std::string, std::string>& env,
                     const testing::Matcher<std::string>& message) {
    for (const std::string mode : {"--dry-run=no", "--dry-run"}) {
      Words all{"--node=n", mode};
      all.insert(all.end(), args.begin(), args.end());
      const Output output = RollDocker(all, env);
      EXPECT_EQ(output.exit_code, 64) << mode << output.out;
      EXPECT_THAT(output.err, message);
      EXPECT_THAT(Calls(), IsEmpty());
    }
  }
};

TEST_F(RollingUpdateValuesTest, UnsetGivesTheDefaults) {
  const Output output = RollDocker({"--node=n"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const Words call = CallThatBegins({"docker", "run"});
  ASSERT_FALSE(call.empty());
  const std::string label = ValuesOf(call, "--label").at(0);
  EXPECT_THAT(label, testing::MatchesRegex(
                         "fodc.rolling-update.fingerprint=[0-9a-f]{64}"));
  EXPECT_THAT(call, ElementsAre("docker", "run", "--detach", "--name", "n",
                                "--restart", "unless-stopped", "--label", label,
                                "--memory=2500m", "--memory-swap=2500m",
                                "--env", "GOMEMLIMIT=1800MiB", "kv:1"));
}

TEST_F(RollingUpdateValuesTest, EmptyIsNotUnset) {
  EXPECT_THAT(Environment({{"DEFAULT_EXTRA_ENV", ""}}), IsEmpty());
  EXPECT_THAT(Environment({{"EXTRA_ENV", ""}}),
              ElementsAre("GOMEMLIMIT=1800MiB"));
  const Words call = Run({}, {{"CONTAINER_MEMORY_LIMIT", ""}});
  EXPECT_THAT(call, Not(Contains(HasSubstr("--memory"))));
  EXPECT_THAT(ValuesOf(call, "--env"), ElementsAre("GOMEMLIMIT=1800MiB"));
}

TEST_F(RollingUpdateValuesTest, ValuesReplaceTheDefaults) {
  EXPECT_THAT(Environment({{"DEFAULT_EXTRA_ENV", "A=1 B=2"}}),
              ElementsAre("A=1", "B=2"));
  const Words call = Run({}, {{"CONTAINER_MEMORY_LIMIT", "3g"}});
  EXPECT_THAT(call, Contains("--memory=3g"));
  EXPECT_THAT(call, Contains("--memory-swap=3g"));
}

TEST_F(RollingUpdateValuesTest, OperatorsPairsWinByKeyAndComeLast) {
  EXPECT_THAT(Environment({{"DEFAULT_EXTRA_ENV", "A=1 B=2 C=3"},
                           {"EXTRA_ENV", "X=9 B=5 X=10 D="}}),
              ElementsAre("A=1", "C=3", "X=9", "B=5", "X=10", "D="));
  // A key is compared whole, and as it is written.
  EXPECT_THAT(
      Environment({{"DEFAULT_EXTRA_ENV", "AB=1"}, {"EXTRA_ENV", "A=2 ab=3"}}),
      ElementsAre("AB=1", "A=2", "ab=3"));
}

TEST_F(RollingUpdateValuesTest, EveryKindOfBlankSeparates) {
  EXPECT_THAT(Environment({{"EXTRA_ENV", "\r\n A=1\r\nB=2\t\tC=3\n\r\n"}}),
              ElementsAre("GOMEMLIMIT=1800MiB", "A=1", "B=2", "C=3"));
  EXPECT_THAT(Environment({{"DEFAULT_EXTRA_ENV", " \t\r\n"}}), IsEmpty());
  EXPECT_THAT(Run({}, {{"CONTAINER_MEMORY_LIMIT", "1g\r\n"},
                       {"DEFAULT_EXTRA_ENV", ""}}),
              Contains("--memory=1g"));
}

TEST_F(RollingUpdateValuesTest, WindowsEditedFileOfManyLines) {
  const Words call =
      Run({WriteConfig("# all nodes\r\n"
                       "EXTRA_ENV=\"A=1\r\n"
                       "  B=2 \r\n"
                       "\tC='x'\r\n"
                       "\"\r\n"
                       "CONTAINER_MEMORY_LIMIT=1g\r\n"
                       "[n]\r\n"
                       "MEMORY_SWAP=2g\r\n")});
  EXPECT_THAT(ValuesOf(call, "--env"),
              ElementsAre("GOMEMLIMIT=1800MiB", "A=1", "B=2", "C='x'"));
  EXPECT_THAT(call, Contains("--memory=1g"));
  EXPECT_THAT(call, Contains("--memory-swap=2g"));
}

TEST_F(RollingUpdateValuesTest, NothingIsTakenForAFileName) {
  EXPECT_THAT(Environment({{"EXTRA_ENV", "A=* B=/etc/* C=[a-z]? D=~ E=$HOME"}}),
              ElementsAre("GOMEMLIMIT=1800MiB", "A=*", "B=/etc/*", "C=[a-z]?",
                          "D=~", "E=$HOME"));
  const Words call = Run({"--command", "serve * --x=$(id) `id` ;id"});
  EXPECT_EQ(Words(call.end() - 5, call.end()),
            (Words{"serve", "*", "--x=$(id)", "`id`", ";id"}));
}

TEST_F(RollingUpdateValuesTest, TheFieldSeparatorOfTheCallerDoesNotMatter) {
  EXPECT_THAT(Environment({{"IFS", "=:"}, {"EXTRA_ENV", "A=1:2 B=3"}}),
              ElementsAre("GOMEMLIMIT=1800MiB", "A=1:2", "B=3"));
}

TEST_F(RollingUpdateValuesTest, MalformedPairsNameListPairAndKey) {
  const struct {
    std::string pair, key;
  } kBad[] = {{"FOO", "'FOO'"},       {"=1", "('')"},
              {"1A=x", "'1A'"},       {"A-B=x", "'A-B'"},
              {"A.B=x", "'A.B'"},     {"\xC3\xA9=x", "'\xC3\xA9'"},
              {"A[0]=x", "'A[0]'"},   {"'A=x'", "''A'"},
              {"export", "'export'"}, {"*", "'*'"}};
  for (const auto& bad : kBad) {
    for (const std::string list : {"EXTRA_ENV", "DEFAULT_EXTRA_ENV"}) {
      ExpectRefused(
          {}, {{list, StrCat("OK=1 ", bad.pair)}},
          AllOf(HasSubstr("node n"), HasSubstr(StrCat(" ", list, ":")),
                HasSubstr(StrCat("pair '", bad.pair, "'")),
                HasSubstr(StrCat("key ", bad.key)))
              .
              operator testing::Matcher<std::string>());
    }
  }
}

// A default that the operator's pair would replace is no less a default.
TEST_F(RollingUpdateValuesTest, MalformedDefaultIsFatalWhateverElseIsGiven) {
  ExpectRefused(
      {},
      {{"DEFAULT_EXTRA_ENV", "GOMEMLIMIT"}, {"EXTRA_ENV", "GOMEMLIMIT=1GiB"}},
      HasSubstr("DEFAULT_EXTRA_ENV: pair 'GOMEMLIMIT'"));
}

TEST_F(RollingUpdateValuesTest, BadSizesNameTheSetting) {
  for (const std::string bad :
       {"0", "-1", "2.5g", "2500x", "m", "18446744073709551616",
        "999999999999t", "1 g 2"}) {
    ExpectRefused({}, {{"CONTAINER_MEMORY_LIMIT", bad}},
                  HasSubstr("CONTAINER_MEMORY_LIMIT (environment"));
  }
  ExpectRefused({"--memory-swap=1g"}, {}, HasSubstr("MEMORY_SWAP"));
  ExpectRefused({"--memory-swap=1g", "--container-memory-limit="}, {},
                HasSubstr("there is no hard limit"));
  ExpectRefused({"--memory-high=1g"}, {}, HasSubstr("docker cannot set it"));
}

TEST_F(RollingUpdateValuesTest, SwapIsSaidUnlessItIsEmpty) {
  EXPECT_THAT(Run({"--memory-swap=-1"}), Contains("--memory-swap=-1"));
  EXPECT_THAT(Run({"--memory-swap=4g"}), Contains("--memory-swap=4g"));
  EXPECT_THAT(Run({"--memory-swap="}),
              AllOf(Contains("--memory=2500m"),
                    Not(Contains(testing::StartsWith("--memory-swap")))));
}

TEST_F(RollingUpdateValuesTest, CommandLineBeforeEnvironmentBeforeFile) {
  const std::string config =
      WriteConfig("CONTAINER_MEMORY_LIMIT=1g\n[n]\nEXTRA_ENV=F=1\n");
  EXPECT_THAT(Run({config}), AllOf(Contains("--memory=1g"), Contains("F=1")));
  EXPECT_THAT(Run({config}, {{"CONTAINER_MEMORY_LIMIT", "2g"}}),
              Contains("--memory=2g"));
  EXPECT_THAT(Run({config, "--container-memory-limit", "3g"},
                  {{"CONTAINER_MEMORY_LIMIT", "2g"}}),
              Contains("--memory=3g"));
  // Empty is given, too.
  EXPECT_THAT(Run({config, "--container-memory-limit="},
                  {{"CONTAINER_MEMORY_LIMIT", "2g"}}),
              Not(Contains(HasSubstr("--memory"))));
  EXPECT_THAT(ValuesOf(Run({config}, {{"EXTRA_ENV", ""}}), "--env"),
              ElementsAre("GOMEMLIMIT=1800MiB"));
}

TEST_F(RollingUpdateValuesTest, WhatOneNodeIsGivenTheNextIsNot) {
  const Output output = RollDocker(
      {WriteConfig("[a]\nEXTRA_ENV=A=1\nDEFAULT_EXTRA_ENV=D=1\n"
                   "CONTAINER_MEMORY_LIMIT=1g\nMEMORY_SWAP=-1\nCOMMAND=x\n"
                   "[b]\n")});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  std::vector<Words> runs;
  for (const Words& call : Calls()) {
    if (call.at(1) == "run") runs.push_back(call);
  }
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_THAT(ValuesOf(runs[0], "--env"), ElementsAre("D=1", "A=1"));
  EXPECT_THAT(runs[0], Contains("--memory-swap=-1"));
  EXPECT_THAT(ValuesOf(runs[1], "--env"), ElementsAre("GOMEMLIMIT=1800MiB"));
  EXPECT_THAT(runs[1], AllOf(Contains("--memory=2500m"),
                             Contains("--memory-swap=2500m")));
  EXPECT_EQ(runs[1].back(), "kv:1");
}

TEST_F(RollingUpdateValuesTest, EffectiveValuesStandBeforeAnythingIsDone) {
  const Words args{"--node=n", "--container-memory-limit=2g"};
  const std::map<std::string, std::string> env{{"EXTRA_ENV", "B=2\r\nA=1"}};
  const Output output = RollDocker(args, env);
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const std::size_t done = output.out.find("n: not there yet");
  ASSERT_NE(done, std::string::npos) << output.out;
  const std::string before = output.out.substr(0, done);
  for (const std::string line :
       {"  DEFAULT_EXTRA_ENV       GOMEMLIMIT=1800MiB  [default]\n",
        "  EXTRA_ENV               B=2 A=1  [environment EXTRA_ENV]\n",
        "  environment             GOMEMLIMIT=1800MiB B=2 A=1  [merged]\n",
        "  CONTAINER_MEMORY_LIMIT  2g  [--container-memory-limit]\n",
        "  MEMORY_SWAP             2g  [default: memory and swap together, so "
        "no swap]\n"}) {
    EXPECT_THAT(before, HasSubstr(line));
  }
  (void)Calls();
  const Output dry =
      RollDocker({"--node=n", "--container-memory-limit=2g", "--dry-run"}, env);
  EXPECT_EQ(dry.exit_code, 0);
  EXPECT_EQ(dry.out.substr(0, before.size()), before);
  EXPECT_THAT(dry.out, HasSubstr("n: dry run: unchanged"));
}

TEST_F(RollingUpdateValuesTest, DryRunChangesNothing) {
  const Output output = Roll({"--node=n", "--runner=docker", "--image=kv:1",
                              "--health-url=", "--dry-run"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("n: dry run: not there yet"));
  for (const Words& call : Calls()) {
    EXPECT_THAT(call.at(1), testing::AnyOf("inspect", "image"));
  }
  EXPECT_NE(access(File("lock").c_str(), F_OK), 0);
}

TEST_F(RollingUpdateValuesTest, LinesThatDoNotRiseAreWarnedOf) {
  const auto warning = [&](const std::map<std::string, std::string>& env) {
    Words args{"--node=n", "--dry-run"};
    return RollDocker(args, env).err;
  };
  EXPECT_EQ(warning({}), "");
  EXPECT_THAT(warning({{"CONTAINER_MEMORY_LIMIT", "1g"}}),
              HasSubstr("GOMEMLIMIT=1800MiB is not below the hard limit 1g"));
  EXPECT_THAT(
      warning({{"EXTRA_ENV", "FODC_GUARD_MEMORY_SHUTDOWN_THRESHOLD_MB=2500"}}),
      HasSubstr("THRESHOLD_MB=2500 (MiB) is not below the hard limit 2500m"));
  EXPECT_THAT(warning({{"EXTRA_ENV", "FODC_GUARD_MEMORY_SOFT_LIMIT=3GiB"}}),
              HasSubstr("SOFT_LIMIT=3GiB is not below the hard limit 2500m"));
  // And with one another: 8/9 of 2000 are 1777.
  EXPECT_THAT(
      warning({{"EXTRA_ENV", "FODC_GUARD_MEMORY_SHUTDOWN_THRESHOLD_MB=2000"}}),
      HasSubstr("GOMEMLIMIT=1800MiB is not below 8/9 of "
                "FODC_GUARD_MEMORY_SHUTDOWN_THRESHOLD_MB=2000"));
  EXPECT_EQ(
      warning({{"EXTRA_ENV", "FODC_GUARD_MEMORY_SHUTDOWN_THRESHOLD_MB=2100"}}),
      "");
}

}  // namespace
}  // namespace fodc::test
