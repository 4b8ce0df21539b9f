// SPDX-License-Identifier: Apache-2.0
// Processes that die in every way, and what they leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::guard {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// Of a status as wait(2) has it.
MATCHER_P(DiedOf, signal, "") {
  return WIFSIGNALED(arg) && WTERMSIG(arg) == signal;
}
MATCHER_P(ExitedWith, code, "") {
  return WIFEXITED(arg) && WEXITSTATUS(arg) == code;
}

struct Life {
  int status = 0;  // as wait(2)
  pid_t pid = 0;
  std::string out;
};

class CrashTest : public ::testing::Test {
 protected:
  Life Run(const std::string& way, const std::string& directory) {
    return Run(way, {test::ProgramPath("crasher"), directory, way});
  }
  Life Run(const std::string& way, const std::vector<std::string>& argv) {
    test::ProcessOptions o;
    o.name = way;
    o.argv = argv;
    o.log_path = temp_.File("log");
    o.stdout_path = temp_.File("out");
    o.env = env_;
    test::Process p = test::Process::Start(o);
    Life life;
    life.pid = p.pid();
    const std::optional<int> status = p.Wait(60s);
    EXPECT_TRUE(status.has_value()) << way << " does not end";
    life.status = status.value_or(0);
    life.out = ReadFile(o.stdout_path).value_or("");
    return life;
  }
  Life Run(const std::string& way) { return Run(way, root_); }

  // The ids of all artifacts; the directory has nothing else in it.
  std::vector<std::string> Ids() { return ListDirectory(root_).value_or({}); }

  // Dies, by `signal`, and leaves one record.
  json Die(const std::string& way, int signal) {
    const Life life = Run(way);
    EXPECT_THAT(life.status, DiedOf(signal)) << way;
    pid_ = life.pid;
    return OnlyRecord();
  }

  json OnlyRecord() {
    const std::vector<std::string> ids = Ids();
    EXPECT_THAT(ids, SizeIs(1));
    if (ids.empty()) return json::object();
    const std::string directory = root_ + "/" + ids[0];
    EXPECT_THAT(ListDirectory(directory).value_or({}),
                ElementsAre("panic.json"));
    struct stat st {};
    EXPECT_EQ(::stat((directory + "/panic.json").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    const json record =
        json::parse(ReadFile(directory + "/panic.json").value_or("{}"));
    EXPECT_EQ(record.at("artifactId"), ids[0]);
    return record;
  }

  static std::string StackOf(const json& record) {
    return record.at("goroutineStack").get<std::string>();
  }
  // Up to where the next thread begins.
  static std::string OwnStackOf(const json& record) {
    const std::string all = StackOf(record);
    return all.substr(0, std::min(all.find("\nthread "), all.find("modules:")));
  }

  // Whether a frame of `stack` is in `function` of the crasher.
  bool IsIn(const std::string& stack, const std::string& function) {
    std::vector<std::string> argv = {
        "addr2line", "-f", "-C", "-i", "-e", test::ProgramPath("crasher")};
    for (const std::string_view line : Split(stack, '\n')) {
      const std::size_t at = line.find("/crasher+");
      if (at != line.npos) argv.emplace_back(line.substr(at + 9));
    }
    return test::RunToEnd(argv).out.find(function) != std::string::npos;
  }

  TempDirectory temp_{"fodc-crash"};
  std::string root_ = temp_.File("crash");
  std::vector<std::pair<std::string, std::string>> env_;
  pid_t pid_ = 0;
};

TEST_F(CrashTest, ASegmentationFaultLeavesAWholeRecord) {
  const UnixTime before = SystemClock().Unix();
  const json r = Die("segv", SIGSEGV);
  const auto at = ParseRfc3339(r.at("occurredAt").get<std::string>());
  ASSERT_THAT(at, IsOk());
  EXPECT_GE(*at, before);
  EXPECT_LE(*at, SystemClock().Unix());
  EXPECT_THAT(Ids()[0],
              ContainsRegex("^[0-9]{8}T[0-9]{6}\\.[0-9]{9}Z-crash-er-1-" +
                            std::to_string(pid_) + "$"));
  EXPECT_EQ(r.at("component"), "crash er:1");
  EXPECT_EQ(r.at("panicValue"), "SIGSEGV: address not mapped at 0x0");
  EXPECT_EQ(r.at("recovered"), false);
  EXPECT_EQ(r.at("signal"), json({{"number", SIGSEGV},
                                  {"name", "SIGSEGV"},
                                  {"code", SEGV_MAPERR},
                                  {"cause", "address not mapped"},
                                  {"faultAddress", "0x0"}}));
  EXPECT_EQ(r.at("threadId"), pid_);
  EXPECT_EQ(r.at("threads"), json::array());
  EXPECT_GE(r.at("uptimeMs"), 0);
  EXPECT_FALSE(r.contains("lostParts"));
  const json& metadata = r.at("processMetadata");
  EXPECT_EQ(metadata.at("pid"), std::to_string(pid_));
  EXPECT_EQ(metadata.at("shard"), "7");
  EXPECT_EQ(metadata.at("executable"), test::ProgramPath("crasher"));
  for (const char* key : {"build_id", "host", "kernel", "started_at"}) {
    EXPECT_THAT(metadata.at(key).get<std::string>(), Not(IsEmpty())) << key;
  }
  ASSERT_THAT(r.at("breadcrumbs"), SizeIs(1));
  const json& b = r.at("breadcrumbs")[0];
  EXPECT_EQ(b.at("stage"), "start");
  EXPECT_EQ(b.at("component"), "main");
  EXPECT_EQ(b.at("fields"), json({{"way", "segv"}}));
  EXPECT_THAT(ParseRfc3339(b.at("time").get<std::string>()), IsOk());

  const std::string stack = StackOf(r);
  EXPECT_THAT(stack, StartsWith("thread " + std::to_string(pid_) +
                                " [SIGSEGV]:\n  #0 0x"));
  EXPECT_TRUE(IsIn(stack, "WriteToNull")) << stack;
  EXPECT_TRUE(IsIn(stack, "main")) << stack;
  EXPECT_THAT(stack, HasSubstr("/crasher build-id " +
                               metadata.at("build_id").get<std::string>()));
  EXPECT_THAT(stack, ContainsRegex("libc\\.so\\.6 build-id [0-9a-f]{40}\n"));
  // The order of the keys is that of the contract.
  const std::string text =
      ReadFile(root_ + "/" + Ids()[0] + "/panic.json").value_or("");
  std::size_t last = 0;
  for (const char* key :
       {"{\"processMetadata\":", "\"component\":\"crash",
        "\"panicValue\":", "\"goroutineStack\":", "\"occurredAt\":",
        "\"breadcrumbs\":", "\"recovered\":"}) {
    const std::size_t at_key = text.find(key);
    ASSERT_NE(at_key, text.npos) << key;
    EXPECT_GE(at_key, last) << key;
    last = at_key;
  }
}

struct Way {
  const char* name;
  int signal;
  const char* value;
  const char* function;  // on the stack; none: not asked
};

class EveryWayTest : public CrashTest,
                     public ::testing::WithParamInterface<Way> {};

TEST_P(EveryWayTest, LeavesEvidenceAndEndsByItsSignal) {
  const Way& way = GetParam();
  const json r = Die(way.name, way.signal);
  EXPECT_THAT(r.at("panicValue").get<std::string>(), StartsWith(way.value));
  EXPECT_FALSE(r.contains("lostParts")) << r.at("lostParts");
  EXPECT_EQ(r.at("recovered"), false);
  if (way.function != nullptr) {
    EXPECT_TRUE(IsIn(OwnStackOf(r), way.function)) << StackOf(r);
  }
}

INSTANTIATE_TEST_SUITE_P(
    CrashTest, EveryWayTest,
    ::testing::Values(
        Way{"overflow", SIGSEGV, "SIGSEGV: ", "main"},
        Way{"abort", SIGABRT, "SIGABRT: raised by the process itself", "main"},
        Way{"exception", SIGABRT,
            "std::terminate: uncaught std::runtime_error: torn \"tail\"",
            "main"},
        Way{"faulty-what", SIGABRT, "std::terminate", "main"},
        Way{"noexcept", SIGABRT, "std::terminate: uncaught int", "main"},
        Way{"divide", SIGFPE, "SIGFPE: integer division by zero at 0x", "main"},
        Way{"illegal", SIGILL, "SIGILL: illegal opera", "main"},
        Way{"bus", SIGBUS, "SIGBUS: no memory or file behind the address at",
            "main"},
        Way{"trap", SIGTRAP, "SIGTRAP: raised by the process itself", "main"},
        Way{"sys", SIGSYS, "SIGSYS: raised by the process itself", "main"},
        Way{"null-call", SIGSEGV, "SIGSEGV: address not mapped at 0x0",
            "CallNull"},
        Way{"thread", SIGSEGV, "SIGSEGV: address not mapped", "WriteToNull"},
        Way{"overflow-covered", SIGSEGV, "SIGSEGV: ", "Overflow"},
        Way{"overflow-refreshed", SIGSEGV, "SIGSEGV: ", "Overflow"},
        Way{"overflow-refresher", SIGSEGV, "SIGSEGV: ", "Overflow"},
        Way{"overflow-callback", SIGSEGV, "SIGSEGV: ", "Overflow"},
        Way{"malloc-lock", SIGSEGV, "SIGSEGV: address not", "WriteToNull"},
        Way{"two-at-once", SIGSEGV, "SIGSEGV: address not", "WriteToNull"},
        Way{"no-descriptor", SIGSEGV, "SIGSEGV: address not", "WriteToNull"},
        Way{"killed", SIGABRT, "SIGABRT: raised by the process itself",
            nullptr}),
    [](const auto& test_info) {
      std::string name = test_info.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// What the record of a thread's own overflow stands against.
TEST_F(CrashTest, AnOverflowOnABareStackEndsAsItWouldWithout) {
  const Life life = Run("overflow-bare");
  EXPECT_THAT(life.status, DiedOf(SIGSEGV));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(CrashTest, AThreadsDeathIsToldWithItsBreadcrumbsAndTheOthers) {
  const json r = Die("thread", SIGSEGV);
  EXPECT_NE(r.at("threadId"), pid_);
  ASSERT_THAT(r.at("breadcrumbs"), SizeIs(1));
  EXPECT_EQ(r.at("breadcrumbs")[0].at("stage"), "write");
  ASSERT_THAT(r.at("threads"), SizeIs(1));
  EXPECT_EQ(r.at("threads")[0].at("id"), pid_);
  EXPECT_EQ(r.at("threads")[0].at("name"), "crasher");
  EXPECT_EQ(r.at("threads")[0].at("answered"), true);
  const std::string others = StackOf(r).substr(OwnStackOf(r).size());
  EXPECT_TRUE(IsIn(others, "main")) << others;
}

TEST_F(CrashTest, TwoHundredThreadsTellTheirStacks) {
  const json r = Die("many-threads", SIGSEGV);
  ASSERT_THAT(r.at("threads"), SizeIs(200));
  std::size_t answered = 0;
  for (const json& t : r.at("threads")) {
    if (t.at("answered") == true) ++answered;
    EXPECT_THAT(t.at("name").get<std::string>(), StartsWith("held-"));
  }
  EXPECT_EQ(answered, 200u);
  std::size_t told = 0;
  const std::string stack = StackOf(r);
  for (std::size_t at = 0;
       (at = stack.find("\nthread ", at)) != std::string::npos; ++at) {
    ++told;
  }
  EXPECT_EQ(told, 200u);
  EXPECT_TRUE(IsIn(stack.substr(OwnStackOf(r).size()), "Hold"));
}

TEST_F(CrashTest, AThreadThatBlocksTheSignalIsNamedAndLocated) {
  const json r = Die("silent-thread", SIGSEGV);
  ASSERT_THAT(r.at("threads"), SizeIs(1));
  EXPECT_EQ(r.at("threads")[0].at("answered"), false);
  EXPECT_EQ(r.at("threads")[0].at("name"), "held-0");
  EXPECT_THAT(StackOf(r),
              ContainsRegex("\"held-0\" \\[S\\] did not answer; the kernel "
                            "holds it at:\n  #0 0x[0-9a-f]+ .*libc"));
}

TEST_F(CrashTest, AStackThatCannotBeWalkedCostsTheStackOnly) {
  const json r = Die("wild-stack", SIGSEGV);
  EXPECT_THAT(StackOf(r), HasSubstr("  #0 0x")) << r;
  EXPECT_TRUE(IsIn(OwnStackOf(r), "Ways")) << StackOf(r);
  EXPECT_EQ(r.at("breadcrumbs")[0].at("stage"), "start");
}

TEST_F(CrashTest, AFaultWithinTheHandlerCostsOnePartAndNotTheSignal) {
  const json r = Die("lost-breadcrumb", SIGABRT);
  EXPECT_EQ(r.at("lostParts"), json::array({"breadcrumbs"}));
  EXPECT_FALSE(r.contains("breadcrumbs"));
  EXPECT_EQ(r.at("signal").at("name"), "SIGABRT");
  EXPECT_TRUE(IsIn(StackOf(r), "main"));
}

TEST_F(CrashTest, AnyBytesInABreadcrumbMakeValidJson) {
  const json r = Die("bytes", SIGSEGV);
  ASSERT_THAT(r.at("breadcrumbs"), SizeIs(2));
  const auto stage = r.at("breadcrumbs")[1].at("stage").get<std::string>();
  EXPECT_THAT(stage, StartsWith("\x01\x02"));
  EXPECT_TRUE(stage.ends_with(std::string("\0end", 4)));
  EXPECT_THAT(stage, HasSubstr("\xef\xbf\xbd"));
}

TEST_F(CrashTest, TheHandlerThatWasThereGetsTheSameSignal) {
  const Life life = Run("chained");
  EXPECT_EQ(life.out, "chained 11 at (nil)\n");
  EXPECT_THAT(life.status, DiedOf(SIGSEGV));
  EXPECT_EQ(OnlyRecord().at("signal").at("name"), "SIGSEGV");
}

TEST_F(CrashTest, AnAbortGoesOnToTheHandlerThatWasThere) {
  const Life life = Run("chained-abort");
  EXPECT_THAT(life.out, StartsWith("chained 6 at "));
  EXPECT_THAT(life.status, DiedOf(SIGABRT));
  EXPECT_EQ(OnlyRecord().at("signal").at("name"), "SIGABRT");
}

TEST_F(CrashTest, TheTerminateHandlerThatWasThereRunsAfterTheRecord) {
  const Life life = Run("terminate-chained");
  EXPECT_EQ(life.out, "terminated\n");
  EXPECT_THAT(life.status, ExitedWith(9));
  const json r = OnlyRecord();
  EXPECT_EQ(r.at("panicValue"),
            "std::terminate: uncaught std::runtime_error: told before");
  EXPECT_FALSE(r.contains("signal"));
}

TEST_F(CrashTest, AnIgnoredSignalStaysIgnored) {
  const Life life = Run("ignored");
  EXPECT_THAT(life.status, ExitedWith(0));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(CrashTest, DisarmedItLeavesNothing) {
  const Life life = Run("disarmed");
  EXPECT_THAT(life.status, DiedOf(SIGSEGV));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(CrashTest, DisarmedItPassesOnWhatAnotherHandlerPassesToIt) {
  EXPECT_THAT(Run("disarmed-below-another").status, DiedOf(SIGSEGV));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(CrashTest, AForkedChildTellsItsOwnDeath) {
  const Life life = Run("forked");
  EXPECT_THAT(life.status, ExitedWith(0));
  EXPECT_NE(life.out, "");
  ASSERT_THAT(Ids(), SizeIs(1));
  EXPECT_TRUE(Ids()[0].ends_with("-" + std::string(Trim(life.out))));
}

TEST_F(CrashTest, WithoutADirectoryItEndsAsItWouldWithout) {
  const Life life = Run("segv", "/proc/nothing");
  EXPECT_THAT(life.status, DiedOf(SIGSEGV));
}

TEST_F(CrashTest, AFileThatCannotGrowLeavesNothingHalf) {
  const Life life = Run("file-size-limit");
  EXPECT_THAT(life.status, DiedOf(SIGABRT));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(CrashTest, AFullDiskHasRoomForTheRecordAndWithoutReserveNothingHalf) {
  ASSERT_THAT(MakeDirectories(root_), IsOk());
  const Life with = Run("full-disk");
  if (WIFEXITED(with.status) && WEXITSTATUS(with.status) == 77) {
    std::puts("SKIPPED: a small tmpfs cannot be mounted (needs CAP_SYS_ADMIN)");
    GTEST_SKIP();
  }
  ASSERT_THAT(with.status, ExitedWith(128 + SIGSEGV));
  EXPECT_EQ(json::parse(with.out).at("signal").at("name"), "SIGSEGV");

  const Life without = Run("full-disk-bare");
  EXPECT_THAT(without.status, ExitedWith(128 + SIGSEGV));
  EXPECT_EQ(without.out, "");
  const std::string log = ReadFile(temp_.File("log")).value_or("");
  EXPECT_TRUE(log.ends_with("\nfiller\n")) << log;
}

TEST_F(CrashTest, AHostInCArmsAndIsTold) {
  const Life life =
      Run("c", std::vector{test::ProgramPath("crasher_in_c"), root_});
  ASSERT_THAT(life.status, DiedOf(SIGABRT));
  const json r = OnlyRecord();
  EXPECT_EQ(r.at("component"), "in c");
  EXPECT_EQ(r.at("processMetadata").at("language"), "C");
  EXPECT_EQ(r.at("breadcrumbs")[0].at("stage"), "write");
  EXPECT_EQ(r.at("breadcrumbs")[0].at("fields"), json({{"key", "k1"}}));
}

TEST_F(CrashTest, AFileOfTheHostWithTheNumberOfOursIsNotTouched) {
  const Life life = Run("descriptor-of-another");
  EXPECT_THAT(life.status, DiedOf(SIGSEGV));
  EXPECT_THAT(ReadFile(root_ + "/kept"), IsOkAndHolds("kept"));
  ASSERT_THAT(Ids(), SizeIs(2));
  EXPECT_THAT(ReadFile(root_ + "/" + Ids()[0] + "/panic.json"), IsOk());
}

TEST_F(CrashTest, AMainThreadThatHasLeftIsNotWaitedFor) {
  const json r = Die("main-has-left", SIGSEGV);
  ASSERT_THAT(r.at("threads"), SizeIs(1));
  EXPECT_EQ(r.at("threads")[0].at("state"), "Z");
  // The whole wait for an answer would be 20 s.
  EXPECT_LT(r.at("uptimeMs"), 20'000);
}

TEST_F(CrashTest, ItMayBeArmedBeforeAllStaticObjects) {
  env_ = {{"CRASH_BEFORE_MAIN", root_}};
  const json r = Die("segv", SIGSEGV);
  EXPECT_EQ(r.at("component"), "crasher");
  EXPECT_EQ(r.at("breadcrumbs")[0].at("stage"), "static objects");
  EXPECT_TRUE(IsIn(StackOf(r), "DieBeforeMain"));
}

TEST_F(CrashTest, ANodeThatDiesAtEveryStartLeavesTheNewestRecords) {
  std::vector<std::string> all;
  for (int i = 0; i < 5; ++i) {
    const Life life = Run("at-once");
    ASSERT_THAT(life.status, DiedOf(SIGABRT));
    all.push_back(Ids().back());
  }
  EXPECT_THAT(Ids(), ElementsAre(all[2], all[3], all[4]));
}

class LifeAndDeathTest : public CrashTest {
 protected:
  LifeAndDeathTest() { env_ = {{"CRASH_LIFE", directory_}}; }
  // As the next life knows it.
  std::string CauseAfter(const std::string& way) {
    (void)Run(way);
    return Run("previous-life").out;
  }

  std::string directory_ = temp_.File("life");
};

TEST_F(LifeAndDeathTest, TheNextLifeKnowsACrashInEitherOrder) {
  for (const std::string way :
       {"segv", "abort", "exception", "noexcept", "thread", "overflow"}) {
    EXPECT_EQ(CauseAfter(way), "crash\n") << way;
    EXPECT_THAT(ReadFile(directory_ + "/life").value_or(""),
                HasSubstr("\nend stop "));
  }
  env_.emplace_back("CRASH_LIFE_FIRST", "1");
  for (const std::string way : {"segv", "abort", "exception"}) {
    EXPECT_EQ(CauseAfter(way), "crash\n") << way;
  }
}

TEST_F(LifeAndDeathTest, ACrashWritesLastExit) {
  const Life life = Run("segv");
  const json last =
      json::parse(ReadFile(directory_ + "/last-exit.json").value_or("{}"));
  EXPECT_EQ(last.at("cause"), "crash");
  EXPECT_EQ(last.at("pid"), life.pid);
}

TEST_F(LifeAndDeathTest, ACrashAfterTheEndDoesNotHideIt) {
  EXPECT_EQ(CauseAfter("stop-then-segv"), "stop\n");
}

TEST_F(LifeAndDeathTest, AChildDoesNotEndTheLifeOfItsParent) {
  EXPECT_EQ(CauseAfter("life-in-child"), "killed\n");
}

TEST_F(LifeAndDeathTest, AChildThatCrashesDoesNotEndTheLifeOfItsParent) {
  (void)Run("forked");
  EXPECT_EQ(Run("previous-life").out, "killed\n");
}

TEST_F(LifeAndDeathTest, ASecondProcessTouchesNothingOfTheOneThatRuns) {
  test::ProcessOptions o;
  o.name = "run";
  o.argv = {test::ProgramPath("crasher"), root_, "run"};
  o.log_path = temp_.File("first-log");
  o.stdout_path = temp_.File("first-out");
  o.env = env_;
  test::Process first = test::Process::Start(o);
  ASSERT_TRUE(test::WaitUntil(
      [&] { return ReadFile(o.stdout_path).value_or("") == "runs\n"; }, 30s,
      5ms));
  const std::vector<std::string> files = ListDirectory(directory_).value_or({});
  const std::string record = ReadFile(directory_ + "/life").value_or("");

  const Life second = Run("previous-life");
  EXPECT_THAT(second.status, ExitedWith(6));
  EXPECT_THAT(second.out, HasSubstr(directory_ + " is held by process " +
                                    std::to_string(first.pid())));
  EXPECT_EQ(ListDirectory(directory_).value_or({}), files);
  EXPECT_EQ(ReadFile(directory_ + "/life").value_or(""), record);

  first.Signal(SIGKILL);
  EXPECT_TRUE(first.Wait(30s).has_value());
  EXPECT_EQ(Run("previous-life").out, "killed\n");
}

}  // namespace
}  // namespace fodc::guard
