// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/question_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::fleet {
namespace {

using std::chrono::seconds;
using ::testing::_;

class QuestionQueueTest : public ::testing::Test {
 protected:
  // Asks, and notes the outcome under the caller's number.
  int Ask(const MetricsQuestion& q, seconds patience = seconds(10)) {
    const std::size_t n = outcomes_.size();
    outcomes_.emplace_back();
    queue_.Ask(q, clock_.Monotonic() + patience,
               [this, n](Result<QuestionQueue::Answer> r) {
                 ASSERT_TRUE(outcomes_[n].empty()) << "called twice";
                 outcomes_[n] = r.ok()
                                    ? std::to_string((*r)->unix_ms)
                                    : std::string(CodeName(r.status().code()));
               });
    return static_cast<int>(n);
  }
  void Answer(std::int64_t number) {
    auto a = std::make_shared<MetricsAnswer>();
    a->unix_ms = number;
    queue_.OnAnswer(std::move(a));
  }
  static MetricsQuestion Window(int s) {
    return {UnixTime(seconds(s)), UnixTime(seconds(s + 10))};
  }

  FakeClock clock_;
  std::vector<MetricsQuestion> sent_;
  std::vector<std::string> outcomes_;
  QuestionQueue queue_{
      clock_, {.max_waiting = 3}, [this](const MetricsQuestion& q) {
        sent_.push_back(q);
      }};
};

TEST_F(QuestionQueueTest, CallersWithTheSameQuestionShareOneRound) {
  Ask({});
  Ask({});
  EXPECT_EQ(sent_.size(), 1u);
  Answer(7);
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"7", "7"}));
  EXPECT_EQ(queue_.stats().shared, 1u);
}

TEST_F(QuestionQueueTest, DifferentQuestionsAreAskedOneAfterTheOther) {
  Ask({});
  Ask(Window(1));
  Ask(Window(2));
  EXPECT_EQ(sent_.size(), 1u);
  Answer(1);
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"1", "", ""}));
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[1], Window(1));
  Answer(2);
  Answer(3);
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"1", "2", "3"}));
}

TEST_F(QuestionQueueTest, AnAnswerThatComesTooLateIsNotTheNextOnes) {
  Ask(Window(1), seconds(5));
  clock_.Advance(seconds(5));
  queue_.OnTick();
  EXPECT_EQ(outcomes_[0], "DEADLINE_EXCEEDED");
  Ask({});
  EXPECT_EQ(sent_.size(), 1u) << "an answer is owed";
  Answer(1);
  EXPECT_EQ(outcomes_[1], "");
  ASSERT_EQ(sent_.size(), 2u);
  Answer(2);
  EXPECT_EQ(outcomes_[1], "2");
  EXPECT_EQ(queue_.stats().late, 1u);
}

TEST_F(QuestionQueueTest, NobodyJoinsAQuestionThatWasGivenUp) {
  Ask({}, seconds(5));
  clock_.Advance(seconds(5));
  queue_.OnTick();
  Ask({});
  Answer(1);
  EXPECT_EQ(outcomes_[1], "");
  Answer(2);
  EXPECT_EQ(outcomes_[1], "2");
}

TEST_F(QuestionQueueTest, OneImpatientCallerLeavesTheOthersTheirRound) {
  Ask({}, seconds(2));
  Ask({}, seconds(10));
  clock_.Advance(seconds(2));
  EXPECT_EQ(queue_.OnTick(), clock_.Monotonic() + seconds(8));
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"DEADLINE_EXCEEDED", ""}));
  Answer(1);
  EXPECT_EQ(outcomes_[1], "1");
}

TEST_F(QuestionQueueTest, AnOwedAnswerIsForgottenInTheEnd) {
  Ask({}, seconds(5));
  clock_.Advance(seconds(5));
  queue_.OnTick();
  clock_.Advance(std::chrono::minutes(5));
  Ask(Window(1));
  queue_.OnTick();
  EXPECT_EQ(sent_.size(), 2u);
}

TEST_F(QuestionQueueTest, AQuestionNeverAskedIsDroppedWithItsLastCaller) {
  Ask({});
  Ask(Window(1), seconds(1));
  clock_.Advance(seconds(1));
  queue_.OnTick();
  Answer(1);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(QuestionQueueTest, RefusesCallersBeyondItsBound) {
  for (int i = 0; i < 4; ++i) Ask(Window(i));
  EXPECT_EQ(outcomes_[3], "RESOURCE_EXHAUSTED");
}

TEST_F(QuestionQueueTest, WhenTheAgentLeavesEverybodyIsTold) {
  Ask({});
  Ask(Window(1));
  queue_.Close(Unavailable("gone"));
  EXPECT_EQ(outcomes_,
            (std::vector<std::string>{"UNAVAILABLE", "UNAVAILABLE"}));
  Answer(1);
  EXPECT_EQ(queue_.stats().unasked, 1u);
}

TEST(V1AnswerTimeTest, IsTheWindowAndFiveSecondsUpToFiveMinutes) {
  using std::chrono::minutes;
  const UnixTime t(seconds(1000));
  EXPECT_EQ(V1AnswerTime({}), seconds(10));
  EXPECT_EQ(V1AnswerTime({t, std::nullopt}), seconds(10));
  EXPECT_EQ(V1AnswerTime({t, t + seconds(60)}), seconds(65));
  EXPECT_EQ(V1AnswerTime({t, t + minutes(60)}), minutes(5));
  EXPECT_EQ(V1AnswerTime({t, t - minutes(1)}), seconds(0));
  EXPECT_EQ(V1AnswerTime({UnixTime::min(), UnixTime::max()}), minutes(5));
}

}  // namespace
}  // namespace fodc::fleet
