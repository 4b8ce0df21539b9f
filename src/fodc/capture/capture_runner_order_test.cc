// SPDX-License-Identifier: Apache-2.0
// Of the runner: which capture goes first, and which waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <utility>

#include "fodc/capture/capture_runner.h"
#include "fodc/capture/capture_runner_testing.h"
#include "tests/support/wait.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using net::RawServer;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(CaptureRunnerTest, OneCaptureOfARowAtATime) {
  std::promise<void> asked;
  std::promise<void> let_go;
  bool is_first = true;
  serve_ = [&](int fd, const std::string&) {
    if (std::exchange(is_first, false)) {
      asked.set_value();
      let_go.get_future().wait();
    }
    return Answer(fd, "200 OK", kHeapText);
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request()), IsOk());
  asked.get_future().wait();
  EXPECT_THAT(runner_->Begin(Request()),
              StatusIs(Code::kUnavailable, HasSubstr("in progress")));
  EXPECT_EQ(runner_->stats().refused, 1u);
  EXPECT_EQ(runner_->stats().running, 1u);
  let_go.set_value();
  EXPECT_THAT(Await().status, IsOk());
  EXPECT_THAT(Capture(Request()).status, IsOk());
  EXPECT_THAT(Ids(), SizeIs(2));
}

TEST_F(CaptureRunnerTest, MemoryPressureWaitsForNoLesserOne) {
  options_.threads = 2;
  std::promise<void> asked;
  serve_ = [&, is_first = std::make_shared<std::atomic<bool>>(true)](
               int fd, const std::string&) {
    if (!is_first->exchange(false)) return Answer(fd, "200 OK", kHeapText);
    asked.set_value();
    RawServer::WaitForClient(fd);  // it would answer in ten minutes
    return false;
  };
  options_.plan.profile_timeout = 10min;
  options_.plan.wall_budget = 20min;
  Start();
  CaptureRequest slow = Request();
  slow.trigger.kind = "endpoint_down";
  ASSERT_THAT(runner_->Begin(slow), IsOk());
  asked.get_future().wait();
  CaptureRequest urgent = Request();
  urgent.at += 1s;
  urgent.is_urgent = true;
  ASSERT_THAT(runner_->Begin(urgent), IsOk());
  const CaptureResult one = Await(1);
  const CaptureResult two = Await(2);
  const CaptureResult& lesser = one.trigger == "endpoint_down" ? one : two;
  const CaptureResult& pressure = one.trigger == "endpoint_down" ? two : one;
  EXPECT_EQ(lesser.trigger, "endpoint_down");
  EXPECT_EQ(pressure.trigger, "memory_pressure");
  // What it had is kept, and says why there is no more.
  ASSERT_THAT(lesser.status, IsOk());
  EXPECT_THAT(Step(Meta(lesser.event_id), "goroutine").reason,
              HasSubstr("memory pressure goes first"));
  ASSERT_THAT(pressure.status, IsOk());
  EXPECT_THAT(Meta(pressure.event_id).profiles, SizeIs(2));
}

TEST_F(CaptureRunnerTest, MemoryPressureFindsAThread) {
  options_.threads = 1;
  std::promise<void> asked;
  serve_ = [&, is_first = std::make_shared<std::atomic<bool>>(true)](
               int fd, const std::string&) {
    if (!is_first->exchange(false)) return Answer(fd, "200 OK", kHeapText);
    asked.set_value();
    RawServer::WaitForClient(fd);
    return false;
  };
  options_.plan.profile_timeout = 10min;
  options_.plan.wall_budget = 20min;
  Start();
  ASSERT_THAT(runner_->Begin(Request(1)), IsOk());
  asked.get_future().wait();
  ASSERT_THAT(runner_->Begin(Request(2)), IsOk());  // waits
  CaptureRequest urgent = Request(0);
  urgent.is_urgent = true;
  ASSERT_THAT(runner_->Begin(urgent), IsOk());
  EXPECT_THAT(runner_->Begin(urgent), StatusIs(Code::kUnavailable, _));
  EXPECT_EQ(Await(1).row, 1u);
  EXPECT_EQ(Await(2).row, 0u);
  EXPECT_EQ(Await(3).row, 2u);
}

// The second must not count on the thread that the first is promised.
TEST_F(CaptureRunnerTest, MemoryPressureOfTwoTargetsFindsTwoThreads) {
  options_.threads = 2;
  options_.plan.profile_timeout = 10min;
  options_.plan.wall_budget = 20min;
  const RawServer::Serve never = [](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  };
  RawServer silent(never);
  RawServer as_silent(never);
  // Answers when the second urgent one is over.
  std::promise<void> second;
  RawServer patient(
      [is_over = second.get_future().share()](int fd, const std::string&) {
        is_over.wait();
        return Answer(fd, "200 OK", kHeapText);
      });
  RawServer quick([](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  });
  has_endpoint_ = false;
  options_.targets.resize(4);
  options_.targets[0].profiles = *ProfileSource::Parse(patient.Url(""));
  options_.targets[1].profiles = *ProfileSource::Parse(quick.Url(""));
  options_.targets[2].profiles = *ProfileSource::Parse(silent.Url(""));
  options_.targets[3].profiles = *ProfileSource::Parse(as_silent.Url(""));
  Start();
  ASSERT_THAT(runner_->Begin(Request(2)), IsOk());
  ASSERT_THAT(runner_->Begin(Request(3)), IsOk());
  ASSERT_TRUE(test::WaitUntil([&] {
    return silent.connections() == 1 && as_silent.connections() == 1;
  }));
  for (const std::size_t row : {0, 1}) {
    CaptureRequest urgent = Request(row);
    urgent.is_urgent = true;
    ASSERT_THAT(runner_->Begin(urgent), IsOk());
  }
  // The lesser ones and the second, in any order.
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_THAT(Await(i).status, IsOk());
    EXPECT_NE(Await(i).row, 0u);
  }
  second.set_value();
  EXPECT_EQ(Await(4).row, 0u);
}

// A thread that is neither free nor at a capture.
TEST_F(CaptureRunnerTest, MemoryPressureCountsOnNoThreadThatIsBusy) {
  options_.threads = 2;
  options_.plan.profile_timeout = 10min;
  options_.plan.wall_budget = 20min;
  RawServer silent([](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  });
  RawServer quick([](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  });
  has_endpoint_ = false;
  options_.targets.resize(3);
  options_.targets[0].profiles = *ProfileSource::Parse(quick.Url(""));
  options_.targets[1].profiles = *ProfileSource::Parse(silent.Url(""));
  options_.targets[2].profiles = *ProfileSource::Parse(quick.Url(""));
  std::promise<void> is_busy;
  std::promise<void> is_free;
  on_captured_ = [&, is_first = true](const CaptureResult&) mutable {
    if (!std::exchange(is_first, false)) return;
    is_busy.set_value();
    is_free.get_future().wait();
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request(0)), IsOk());
  is_busy.get_future().wait();
  ASSERT_THAT(runner_->Begin(Request(1)), IsOk());
  ASSERT_TRUE(test::WaitUntil([&] { return silent.connections() == 1; }));
  CaptureRequest urgent = Request(2);
  urgent.is_urgent = true;
  ASSERT_THAT(runner_->Begin(urgent), IsOk());
  EXPECT_EQ(Await(1).row, 1u);
  EXPECT_EQ(Await(2).row, 2u);
  is_free.set_value();
  EXPECT_EQ(Await(3).row, 0u);
}

TEST_F(CaptureRunnerTest, ThatOfADeadTargetWaitsForTheOneThatRuns) {
  std::promise<void> asked;
  std::promise<void> let_go;
  bool is_first = true;
  serve_ = [&](int fd, const std::string&) {
    if (std::exchange(is_first, false)) {
      asked.set_value();
      let_go.get_future().wait();
    }
    return Answer(fd, "200 OK", kHeapText);
  };
  WriteTree(tree_.path(), {{"node.log", "its last words\n"}});
  options_.targets = {{.log_files = {tree_.File("node.log")}}};
  Start();
  ASSERT_THAT(runner_->Begin(Request()), IsOk());
  asked.get_future().wait();
  CaptureRequest dead = Request();
  dead.processes.clear();
  ASSERT_THAT(runner_->Begin(dead), IsOk());
  EXPECT_THAT(runner_->Begin(dead), StatusIs(Code::kUnavailable, _));
  EXPECT_EQ(runner_->stats().running, 1u);
  let_go.set_value();
  EXPECT_THAT(Await(1).status, IsOk());
  EXPECT_THAT(Await(2).status, IsOk());
  EXPECT_THAT(Ids(), SizeIs(2));
}

TEST_F(CaptureRunnerTest, AStormIsBounded) {
  options_.targets.resize(100);
  options_.max_waiting = 3;
  options_.threads = 1;
  options_.plan.wall_budget = 2s;
  std::promise<void> let_go;
  const auto held = let_go.get_future().share();
  std::promise<void> asked;
  bool is_first = true;
  serve_ = [&](int fd, const std::string&) {
    if (std::exchange(is_first, false)) asked.set_value();
    held.wait();
    return Answer(fd, "200 OK", kHeapText);
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request(99)), IsOk());
  asked.get_future().wait();
  int begun = 0;
  for (std::size_t row = 0; row < 99; ++row) {
    const Status status = runner_->Begin(Request(row));
    begun += status.ok() ? 1 : 0;
    if (status.ok()) continue;
    EXPECT_THAT(status, StatusIs(Code::kResourceExhausted, HasSubstr("3")));
  }
  EXPECT_EQ(begun, 3);
  EXPECT_EQ(runner_->stats().refused, 96u);
  EXPECT_EQ(runner_->stats().waiting, 3u);
  let_go.set_value();
  Await(4);
  EXPECT_EQ(runner_->stats().waiting, 0u);
}

}  // namespace
}  // namespace fodc::capture
