// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "fodc/capture/capture_runner_testing.h"
#include "fodc/capture/open_files_testing.h"
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
  EXPECT_EQ(Meta(id).revision, 4u);
  EXPECT_EQ(Text(id, "log-after.4.0.node.log"), "line 2\n");
  EXPECT_EQ(Text(id, "window-after.4.fdr"), "after");
}

TEST_F(AftermathTest, OfManyTheNewestStay) {
  Start();
  const std::string id = Capture(Request()).event_id;
  constexpr std::uint64_t kMany = 200;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    Log(StrCat("line ", i, "\n"));
    ASSERT_THAT(
        runner_->AddAftermath(
            {.event_id = id,
             .death =
                 evidence::EventDeath{.signal = static_cast<int>(i % 64)}}),
        IsOk());
    AwaitAftermaths(i);
  }
  EXPECT_EQ(runner_->stats().aftermath_failures, 0u);
  const EventMeta meta = Meta(id);
  EXPECT_EQ(meta.revision, 2 + kMany);
  ASSERT_TRUE(meta.death.has_value());
  EXPECT_EQ(meta.death->signal, static_cast<int>(kMany % 64));
  const auto names = ListDirectory(Path(id));
  ASSERT_THAT(names, IsOk());
  EXPECT_EQ(
      std::count_if(names->begin(), names->end(),
                    [](auto& n) { return n.starts_with("window-after"); }),
      1);
  EXPECT_EQ(std::count_if(names->begin(), names->end(),
                          [](auto& n) { return n.starts_with("log-after"); }),
            4);
  EXPECT_EQ(Text(id, StrCat("window-after.", meta.revision, ".fdr")), "after");
  EXPECT_EQ(Text(id, StrCat("log-after.", meta.revision, ".0.node.log")),
            StrCat("line ", kMany, "\n"));
}

TEST_F(AftermathTest, AWorseWindowDoesNotReplaceABetterOne) {
  bool fails = false;
  options_.window = [&](UnixTime, UnixTime, const WindowSink& sink) -> Status {
    if (fails) return DataLoss("the recording is damaged");
    return sink("good");
  };
  Start();
  const std::string id = Capture(Request()).event_id;
  ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
  AwaitAftermaths(1);
  fails = true;
  for (std::uint64_t i = 2; i <= 3; ++i) {
    ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
    AwaitAftermaths(i);
  }
  EXPECT_EQ(Text(id, "window-after.fdr"), "good");
  const EventMeta meta = Meta(id);
  EXPECT_EQ(std::count_if(meta.steps.begin(), meta.steps.end(),
                          [](auto& s) { return s.step == "window-after"; }),
            2);  // it, and why there is none that is newer
}

TEST_F(AftermathTest, IsWithinTheEventsBytes) {
  options_.budget = {.max_bytes = 300'000, .min_bytes = 1};
  options_.window = [](UnixTime, UnixTime, const WindowSink& sink) {
    return sink(std::string(200'000, 'x'));
  };
  Start();
  const std::string id = Capture(Request()).event_id;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
    AwaitAftermaths(i);
  }
  EXPECT_EQ(runner_->stats().aftermath_failures, 0u);
  EXPECT_LE(store_->Read(id)->bytes, 300'000u);
}

// What an event grows by may be more than all may have.
TEST_F(AftermathTest, IsFollowedByRetention) {
  const std::string old = AddEvent(store_.get(), now_ - std::chrono::hours(1),
                                   {{"a", std::string(100'000, 'x')}});
  options_.retention = {.max_events = 0, .max_bytes = 400'000};
  options_.window = [this](UnixTime from, UnixTime, const WindowSink& sink) {
    return sink(std::string(from == now_ ? 350'000 : 1, 'x'));
  };
  Start();
  const std::string id = Capture(Request()).event_id;
  EXPECT_THAT(store_->Read(old), IsOk());
  ASSERT_THAT(runner_->AddAftermath({.event_id = id}), IsOk());
  AwaitAftermaths(1);
  EXPECT_THAT(store_->Read(old), StatusIs(Code::kNotFound, testing::_));
  EXPECT_THAT(deleted(), testing::ElementsAre(old));
}

TEST_F(AftermathTest, LogsAreNotKeptOpenForEver) {
  options_.max_follow_time = std::chrono::milliseconds(1);
  Start();
  ASSERT_THAT(Capture(Request()).status, IsOk());
  const std::string path = tree_.File("node.log");
  EXPECT_TRUE(test::WaitUntil([&] { return !IsOpen(path); }));
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
