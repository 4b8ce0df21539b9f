// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/exit_cause.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "event_log.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "life_text.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class LifeTest : public ::testing::Test {
 protected:
  std::unique_ptr<Life> Begin() {
    return std::move(Life::Begin({.directory = tree_.path(),
                                  .events = log_.sink(),
                                  .metrics = metrics_.get(),
                                  .clock = &clock_}))
        .value();
  }
  // A whole life.
  void Live(std::chrono::nanoseconds age, ExitCause end) {
    const auto life = Begin();
    clock_.Advance(age);
    if (end != ExitCause::kKilled) (void)life->End(end);
  }
  std::string Json() { return ReadFile(tree_.File("last-exit.json")).value(); }

  TempDirectory tree_;
  FakeClock clock_;
  EventLog log_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
};

// R1: the cause is looked at before the error.
TEST_F(LifeTest, R1PressureWinsOverTheErrorThatARunReturns) {
  const auto life = Begin();
  ASSERT_TRUE(life->Claim(ExitCause::kPressure));
  EXPECT_EQ(life->Conclude(Internal("cannot listen")), 2);
}

// R2: a secondary error is said, and the code stays.
TEST_F(LifeTest, R2AnErrorOfTheShutdownIsSaid) {
  const auto life = Begin();
  ASSERT_TRUE(life->Claim(ExitCause::kPressure));
  EXPECT_EQ(life->Conclude(DataLoss("close: torn")), 2);
  EXPECT_THAT(log_.lines(),
              ElementsAre("WARN shutdown error after memory pressure "
                          "error=DATA_LOSS: close: torn"));
}

// R3: what our own stop makes is no error.
TEST_F(LifeTest, R3TheErrorOfOurOwnCancelIsNotSaid) {
  const auto life = Begin();
  ASSERT_TRUE(life->Claim(ExitCause::kPressure));
  EXPECT_EQ(life->Conclude(Cancelled("stopped")), 2);
  EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(LifeTest, TheFirstCauseWinsInBothOrders) {
  {
    const auto life = Begin();
    EXPECT_TRUE(life->Claim(ExitCause::kStop));
    EXPECT_FALSE(life->Claim(ExitCause::kPressure));
    EXPECT_EQ(life->Conclude(OkStatus()), 0);
    EXPECT_THAT(Json(), HasSubstr("\"cause\":\"stop\""));
  }
  const auto life = Begin();
  EXPECT_TRUE(life->Claim(ExitCause::kPressure));
  EXPECT_FALSE(life->Claim(ExitCause::kStop));
  EXPECT_EQ(life->Conclude(OkStatus()), 2);
  EXPECT_THAT(Json(), HasSubstr("\"cause\":\"pressure\""));
}

TEST_F(LifeTest, OneOfManyThreadsSetsTheCause) {
  const auto life = Begin();
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&life, &won, i] {
      won += life->End(i % 2 == 0 ? ExitCause::kStop : ExitCause::kPressure);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(won, 1);
  EXPECT_THAT(Json(), HasSubstr(ExitCauseName(life->cause())));
}

TEST_F(LifeTest, WithoutPressureAnErrorIs1AndItsCause) {
  {
    const auto life = Begin();
    EXPECT_EQ(life->Conclude(Internal("broken")), 1);
    EXPECT_EQ(life->cause(), ExitCause::kError);
  }
  {
    const auto life = Begin();
    EXPECT_EQ(life->previous()->cause, ExitCause::kError);
    EXPECT_EQ(life->Conclude(Cancelled("nobody asked")), 1);
  }
  const auto life = Begin();
  (void)life->Claim(ExitCause::kStop);
  EXPECT_EQ(life->Conclude(Cancelled("SIGTERM")), 0);
  EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(LifeTest, TheCodeOfPressureIsChosenFrom1To125) {
  for (const int code : {0, -1, 126}) {
    LifeOptions options;
    options.pressure_exit_code = code;
    EXPECT_THAT(Life::Begin(options),
                StatusIs(Code::kInvalidArgument, HasSubstr("1 to 125")));
  }
  LifeOptions options;
  options.pressure_exit_code = 125;
  auto life = Life::Begin(options);
  ASSERT_THAT(life, IsOk());
  (void)(*life)->Claim(ExitCause::kPressure);
  EXPECT_EQ((*life)->Conclude(OkStatus()), 125);
}

TEST_F(LifeTest, LastExitTellsTheNumbers) {
  const auto life = Begin();
  clock_.Advance(1500ms);
  life->Note({.rss_bytes = 7, .limit_bytes = 9, .threshold_bytes = 8});
  (void)life->End(ExitCause::kPressure);
  EXPECT_EQ(Json(),
            StrCat("{\"cause\":\"pressure\",\"pid\":", ::getpid(),
                   ",\"unix_ms\":", ToUnixMillis(clock_.Unix()),
                   ",\"run_seconds\":1.500,\"rss_bytes\":7,\"limit_bytes\":9,"
                   "\"threshold_bytes\":8}\n"));
}

TEST_F(LifeTest, TheNextLifeKnowsThePrevious) {
  {
    const auto life = Begin();
    EXPECT_EQ(life->previous(), std::nullopt);
    clock_.Advance(90s);
    life->Note({.rss_bytes = 7, .limit_bytes = 9, .threshold_bytes = 8});
    (void)life->End(ExitCause::kPressure);
  }
  const auto life = Begin();
  ASSERT_TRUE(life->previous().has_value());
  EXPECT_EQ(life->previous()->cause, ExitCause::kPressure);
  EXPECT_EQ(life->previous()->run_seconds, 90);
  EXPECT_EQ(life->previous()->unix_ms, ToUnixMillis(clock_.Unix()));
  EXPECT_EQ(life->previous()->numbers.limit_bytes, 9);
  EXPECT_EQ(life->pressure_streak(), 0);
  std::string page;
  ASSERT_THAT(metrics_->AppendTextPage(&page), IsOk());
  EXPECT_THAT(page,
              HasSubstr("fodc_guard_last_exit_info{cause=\"pressure\"} 1\n"));
}

TEST_F(LifeTest, ALifeThatEndsWithoutAWordWasKilled) {
  Live(1s, ExitCause::kPressure);
  Live(1s, ExitCause::kKilled);
  const auto life = Begin();
  EXPECT_EQ(life->previous()->cause, ExitCause::kKilled);
  // Not the one before it.
  EXPECT_THAT(Json(), StartsWith("{\"cause\":\"killed\""));
}

TEST_F(LifeTest, AStreakGrowsAndBreaks) {
  for (int i = 0; i < 3; ++i) Live(59s, ExitCause::kPressure);
  {
    const auto life = Begin();
    EXPECT_EQ(life->pressure_streak(), 3);
    (void)life->End(ExitCause::kPressure);
  }
  Live(61s, ExitCause::kPressure);
  EXPECT_EQ(Begin()->pressure_streak(), 0);
}

// Else a node that needs more than its threshold would be killed every fourth
// life.
TEST_F(LifeTest, AKillOfALifeThatWaitsKeepsTheStreak) {
  for (int i = 0; i < 3; ++i) Live(1s, ExitCause::kPressure);
  Live(1s, ExitCause::kKilled);
  EXPECT_EQ(Begin()->pressure_streak(), 3);  // and was killed, too
  Live(1s, ExitCause::kStop);
  EXPECT_EQ(Begin()->pressure_streak(), 0);
  // One that did not wait is no reason to.
  Live(1s, ExitCause::kStop);
  for (int i = 0; i < 2; ++i) Live(1s, ExitCause::kPressure);
  Live(1s, ExitCause::kKilled);
  EXPECT_EQ(Begin()->pressure_streak(), 0);
}

TEST_F(LifeTest, ADirectoryThatCannotBeUsedIsSaidAndNoError) {
  ASSERT_THAT(WriteFileAtomically(tree_.File("file"), "x"), IsOk());
  auto life =
      Life::Begin({.directory = tree_.File("file/in"), .events = log_.sink()});
  ASSERT_THAT(life, IsOk());
  EXPECT_THAT(log_.lines(),
              ElementsAre(StartsWith("WARN this life leaves no trace")));
  EXPECT_EQ((*life)->Conclude(OkStatus()), 0);
}

TEST_F(LifeTest, ADamagedRecordIsSaidAndNoError) {
  Live(1s, ExitCause::kStop);
  ASSERT_THAT(WriteFileAtomically(tree_.File("life"), "fodc-life 1\nbroken"),
              IsOk());
  EXPECT_EQ(Begin()->previous(), std::nullopt);
  EXPECT_THAT(log_.lines(),
              ElementsAre(StartsWith("WARN the life before is not known")));
}

TEST(LifeTextTest, AnyCutOfTheEndIsNoEnd) {
  const LifeBegin begin{.unix_ms = 5,
                        .boot_id = "b",
                        .group = "/g\tx end stop",
                        .oom_kills = 2,
                        .pressure_streak = 1};
  std::string text = FormatLifeBegin(begin);
  const std::size_t sealed = text.size();
  std::array<char, kMaxEndBytes> buffer;
  const LastExit end{.cause = ExitCause::kCrash,
                     .unix_ms = 1'700'000'000'000,
                     .run_seconds = 1.25,
                     .numbers = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
  text.append(buffer.data(), FormatLifeEnd(end, buffer));
  for (std::size_t size = sealed; size < text.size(); ++size) {
    const auto r = ParseLife(text.substr(0, size));
    if (size + 1 == text.size()) continue;  // but for its line feed
    if (r.ok()) {
      EXPECT_EQ(r->end, std::nullopt) << size;
    }
  }
  const auto r = ParseLife(text);
  ASSERT_THAT(r, IsOk());
  EXPECT_EQ(r->begin.group, "/g\tx end stop");
  EXPECT_EQ(r->begin.oom_kills, 2);
  EXPECT_EQ(r->begin.pressure_streak, 1);
  ASSERT_TRUE(r->end.has_value());
  EXPECT_EQ(r->end->cause, ExitCause::kCrash);
  EXPECT_EQ(r->end->run_seconds, 1.25);
  EXPECT_EQ(r->end->numbers.rss_bytes, UINT64_MAX);
}

TEST(LifeTextTest, TheLongestEndFits) {
  const LastExit end{.cause = ExitCause::kPressure,
                     .unix_ms = INT64_MIN,
                     .run_seconds = 1e12,
                     .numbers = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
  std::array<char, kMaxEndBytes> buffer;
  EXPECT_LT(FormatLifeEnd(end, buffer), kMaxEndBytes);
  EXPECT_LT(FormatLastExitJson(end, INT64_MAX, buffer), kMaxEndBytes);
}

TEST_F(LifeTest, ADirectoryIsOfOneLifeAtATimeInAProcessToo) {
  auto life = Begin();
  const LifeOptions same = {.directory = tree_.path()};
  EXPECT_THAT(Life::Begin(same),
              StatusIs(Code::kFailedPrecondition,
                       AllOf(HasSubstr(tree_.path()),
                             HasSubstr(StrCat("process ", ::getpid())))));
  life.reset();
  EXPECT_THAT(Life::Begin(same), IsOk());
}

}  // namespace
}  // namespace fodc::guard
