// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "fodc/capture/capture_runner_testing.h"
#include "fodc/evidence/event_id.h"
#include "tests/support/wait.h"

namespace fodc::capture {
namespace {

using evidence::EventMeta;
using evidence::StepOutcome;

class AftermathTest : public CaptureRunnerTest {
 protected:
  AftermathTest() {
    WriteTree(tree_.path(), {{"node.log", "before\n"}});
    options_.targets = {{.log_files = {tree_.File("node.log")}}};
    options_.window = [this](UnixTime from, UnixTime, const WindowSink& sink) {
      return sink(from == now_ ? "after" : "around");
    };
  }
  void Log(std::string_view line) {
    std::ofstream(tree_.File("node.log"), std::ios::app) << line;
  }
  void AwaitAftermaths(std::uint64_t count) {
    ASSERT_TRUE(test::WaitUntil([&] {
      const CaptureStats stats = runner_->stats();
      return stats.aftermaths + stats.aftermath_failures >= count;
    }));
  }
};

TEST_F(AftermathTest, AddsWhatCameSinceAsARevision) {
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  const EventMeta before = Meta(result.event_id);
  Log("after password=hunter2\n");
  const evidence::EventDeath death = {.signal = 9, .oom_killed = true};
  ASSERT_THAT(
      runner_->AddAftermath({.event_id = result.event_id, .death = death}),
      IsOk());
  AwaitAftermaths(1);
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(meta.revision, before.revision + 1);
  EXPECT_EQ(meta.death, death);
  EXPECT_EQ(Text(result.event_id, "window.fdr"), "around");
  EXPECT_EQ(Text(result.event_id, "window-after.fdr"), "after");
  EXPECT_EQ(Text(result.event_id, "log-after.0.node.log"),
            "after password=[redacted]\n");
  EXPECT_EQ(Step(meta, "log-after-0").outcome, StepOutcome::kComplete);
  EXPECT_EQ(runner_->stats().aftermaths, 1u);
}

TEST_F(AftermathTest, ASecondOneGoesOnWhereTheFirstEnded) {
  Start();
  const std::string id = Capture(Request()).event_id;
  for (std::uint64_t i = 1; i <= 2; ++i) {
    Log(StrCat("line ", i, "\n"));
    ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
    AwaitAftermaths(i);
  }
  EXPECT_EQ(Text(id, "log-after.0.node.log"), "line 1\n");
  EXPECT_EQ(Text(id, "log-after.2.0.node.log"), "line 2\n");
  EXPECT_EQ(Text(id, "window-after.2.fdr"), "after");
}

TEST_F(AftermathTest, AfterARestartTheLogsAreFoundAnew) {
  Start();
  const std::string id = Capture(Request()).event_id;
  runner_.reset();
  Start();
  ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
  AwaitAftermaths(1);
  EXPECT_EQ(Text(id, "log-after.0.node.log"), "before\n");
}

TEST_F(AftermathTest, WaitsForTheCaptureOfItsEvent) {
  std::promise<void> let_go;
  options_.window = [&, is_first = true](UnixTime, UnixTime,
                                         const WindowSink& sink) mutable {
    if (std::exchange(is_first, false)) let_go.get_future().wait();
    return sink("x");
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request()), IsOk());
  AwaitCommits(1);
  const std::string id = Ids().front();
  ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
  EXPECT_EQ(runner_->stats().waiting, 1u);
  let_go.set_value();
  AwaitAftermaths(1);
  EXPECT_EQ(runner_->stats().aftermaths, 1u);
  EXPECT_EQ(Meta(id).revision, 3u);
}

TEST_F(AftermathTest, OfAnEventThatIsNotThereIsAFailure) {
  Start();
  ASSERT_THAT(runner_->AddAftermath({.event_id = evidence::MakeEventId(now_)}),
              IsOk());
  AwaitAftermaths(1);
  EXPECT_EQ(runner_->stats().aftermath_failures, 1u);
}

}  // namespace
}  // namespace fodc::capture
