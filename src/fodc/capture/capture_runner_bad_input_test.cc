// SPDX-License-Identifier: Apache-2.0
// Captures of what does not behave: endpoints, targets that die or are replaced
// under way, a disk that others write to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fodc/capture/capture_runner_testing.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using evidence::EventMeta;
using evidence::StepOutcome;
using net::RawServer;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(CaptureRunnerTest, AnEndpointThatFailsLeavesTheRest) {
  serve_ = [](int fd, const std::string& request) {
    return PathOf(request) == "/debug/pprof/heap"
               ? Answer(fd, "500 Oops", "no memory\n")
               : Answer(fd, "200 OK", "<html>");
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  const EventMeta meta = Meta(result.event_id);
  EXPECT_THAT(meta.profiles, IsEmpty());
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kFailed);
  EXPECT_EQ(Step(meta, "heap").reason, "HTTP 500: no memory");
  EXPECT_THAT(Step(meta, "goroutine").reason, HasSubstr("no profile"));
  EXPECT_EQ(Step(meta, "status").outcome, StepOutcome::kComplete);
  EXPECT_EQ(runner_->stats().profile_failures, 2u);
}

TEST_F(CaptureRunnerTest, ASilentEndpointTakesItsTimeAndNoMore) {
  serve_ = [](int fd, const std::string&) {
    RawServer::WaitForClient(fd);
    return false;
  };
  options_.plan.profile_timeout = 30ms;
  options_.window = [](UnixTime, UnixTime, const WindowSink& sink) {
    return sink("recording");
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  const EventMeta meta = Meta(result.event_id);
  EXPECT_THAT(Step(meta, "heap").reason, HasSubstr("deadline"));
  EXPECT_EQ(Step(meta, "window").outcome, StepOutcome::kComplete);
}

TEST_F(CaptureRunnerTest, AProfileThatIsCutIsKeptButNoProfileOfTheList) {
  serve_ = [](int fd, const std::string& request) {
    if (PathOf(request) != "/debug/pprof/heap")
      return Answer(fd, "200 OK", kHeapText);
    RawServer::Send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    RawServer::Send(fd, kHeapText);
    return false;
  };
  Start();
  const CaptureResult result = Capture(Request());
  const EventMeta meta = Meta(result.event_id);
  ASSERT_THAT(meta.profiles, SizeIs(1));
  EXPECT_EQ(meta.profiles[0].type, "goroutine");
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kCut);
  EXPECT_EQ(Text(result.event_id, "heap.pprof"), kHeapText);
  EXPECT_EQ(runner_->stats().cut, 1u);
}

TEST_F(CaptureRunnerTest, AnEventWithoutEvidenceIsAFailureAndLeavesNothing) {
  has_endpoint_ = false;
  options_.window = [](UnixTime, UnixTime, const WindowSink& sink) {
    return sink("recording");
  };
  Start();
  CaptureRequest request = Request();
  child_.Kill();
  child_.Reap();
  const CaptureResult result = Capture(request);
  EXPECT_THAT(result.status, StatusIs(Code::kNotFound, HasSubstr("evidence")));
  EXPECT_FALSE(result.has_evidence);
  EXPECT_EQ(result.event_id, "");
  EXPECT_EQ(result.artifacts, 0u);
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(runner_->stats().failed, 1u);
  EXPECT_EQ(runner_->stats().empty, 1u);
  EXPECT_EQ(runner_->stats().mkdir_failures, 0u);
  EXPECT_EQ(runner_->stats().captured, 0u);
  // The row is free again.
  EXPECT_EQ(Capture(request).status.code(), Code::kNotFound);
}

TEST_F(CaptureRunnerTest, AnotherProcessOfThatPidIsNotCaptured) {
  serve_ = [](int, const std::string&) -> bool {
    ADD_FAILURE() << "it was asked";
    return false;
  };
  Start();
  CaptureRequest request = Request();
  --request.processes.front().start_ticks;
  const CaptureResult result = Capture(request);
  EXPECT_THAT(result.status,
              StatusIs(Code::kNotFound, HasSubstr("another one")));
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
}

// It dies while it is asked for its second profile, and somebody else answers
// on its port.
TEST_F(CaptureRunnerTest, WhatWasCompleteWhenTheTargetDiedIsKept) {
  serve_ = [this](int fd, const std::string& request) {
    if (PathOf(request) != "/debug/pprof/heap") {
      child_.Kill();
      child_.AwaitEnd();
    }
    return Answer(fd, "200 OK", kHeapText);
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "goroutine").outcome, StepOutcome::kFailed);
  EXPECT_THAT(Step(meta, "goroutine").reason, HasSubstr("died"));
  EXPECT_EQ(Step(meta, "limits").outcome, StepOutcome::kSkipped);
  EXPECT_THAT(Step(meta, "limits").reason, HasSubstr("died in mid-capture"));
}

TEST_F(CaptureRunnerTest, AnEventThatIsRemovedUnderWayIsAFailure) {
  serve_ = [this](int fd, const std::string& request) {
    if (PathOf(request) != "/debug/pprof/heap") {
      EXPECT_EQ(evidence::Shell(StrCat("rm -rf ", root_, "/2*")), 0);
    }
    return Answer(fd, "200 OK", kHeapText);
  };
  Start();
  const CaptureResult result = Capture(Request());
  EXPECT_FALSE(result.status.ok());
  EXPECT_FALSE(result.has_evidence);
  EXPECT_THAT(Ids(), IsEmpty());
  // The next one finds its way.
  serve_ = [](int fd, const std::string&) {
    return Answer(fd, "200 OK", kHeapText);
  };
  EXPECT_THAT(Capture(Request()).status, IsOk());
}

// What was committed first stays, and says that it is not all.
TEST_F(CaptureRunnerTest, AnEventWhoseLastCommitFailsSaysSo) {
  WriteTree(tree_.path(), {{"a", "port: 1\n"}});
  options_.targets = {{.config_files = {tree_.File("a")}}};
  options_.window = [this](UnixTime, UnixTime, const WindowSink& sink) {
    EXPECT_EQ(evidence::Shell(StrCat("rm ", root_, "/2*/config.0.a")), 0);
    return sink("recording");
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.has_evidence);
  EXPECT_THAT(result.rest,
              StatusIs(Code::kInvalidArgument, HasSubstr("config.0.a")));
  const EventMeta meta = Meta(result.event_id);
  EXPECT_THAT(meta.profiles, SizeIs(2));
  EXPECT_EQ(meta.revision, 2u);
  const evidence::EventStep commit = Step(meta, "commit");
  EXPECT_EQ(commit.outcome, StepOutcome::kFailed);
  EXPECT_THAT(commit.reason, HasSubstr("config.0.a"));
  EXPECT_EQ(result.artifacts, evidence::EventFiles(meta).size());
  // Nothing lies there that nobody lists.
  EXPECT_THAT(ListDirectory(Path(result.event_id)),
              IsOkAndHolds(SizeIs(result.artifacts + 1)));
  const CaptureStats stats = runner_->stats();
  EXPECT_EQ(stats.captured, 1u);
  EXPECT_EQ(stats.commit_failures, 1u);
  EXPECT_EQ(stats.empty, 0u);
}

TEST_F(CaptureRunnerTest, ABudgetThatIsTooSmallIsKnownBeforehand) {
  options_.budget.min_bytes = 1ULL << 60;
  options_.budget.max_bytes = 1ULL << 60;
  Start();
  const CaptureResult result = Capture(Request());
  EXPECT_THAT(result.status, StatusIs(Code::kResourceExhausted, _));
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(runner_->stats().mkdir_failures, 1u);
  EXPECT_EQ(runner_->stats().empty, 0u);
}

TEST_F(CaptureRunnerTest, AnEventsBytesAreBounded) {
  serve_ = [](int fd, const std::string&) {
    std::string body = kHeapText;
    body.append(400'000, 'x');
    return Answer(fd, "200 OK", body);
  };
  options_.budget = {.max_bytes = 300'000, .min_bytes = 1};
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  EXPECT_LE(result.bytes, 300'000u);
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kCut);
  EXPECT_EQ(store_->Read(result.event_id)->bytes, result.bytes);
}

TEST_F(CaptureRunnerTest, LargeProfilesLeaveRoomForWhatComesLast) {
  serve_ = [](int fd, const std::string&) {
    std::string body = kHeapText;
    body.append(400'000, 'x');
    return Answer(fd, "200 OK", body);
  };
  options_.endpoints = [this](std::size_t) -> std::vector<CaptureEndpoint> {
    return {{.name = "page", .url = server_->Url("/metrics")}};
  };
  WriteTree(tree_.path(), {{"node.log", "last words\n"}});
  options_.targets = {{.log_files = {tree_.File("node.log")}}};
  options_.window = [](UnixTime, UnixTime, const WindowSink& sink) {
    return sink(std::string(10'000, 'x'));
  };
  options_.budget = {.max_bytes = 300'000, .min_bytes = 1};
  Start();
  const CaptureResult result = Capture(Request());
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kCut);
  EXPECT_EQ(Step(meta, "goroutine").outcome, StepOutcome::kSkipped);
  EXPECT_EQ(Step(meta, "page-0").outcome, StepOutcome::kCut);
  EXPECT_EQ(Step(meta, "window").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Text(result.event_id, "log.0.node.log"), "last words\n");
}

TEST_F(CaptureRunnerTest, AWindowThatFailsIsCutOrLeftOut) {
  bool writes = true;
  options_.window = [&](UnixTime, UnixTime, const WindowSink& sink) -> Status {
    if (writes) FODC_RETURN_IF_ERROR(sink("half"));
    return DataLoss("the recording is damaged");
  };
  Start();
  const EventMeta cut = Meta(Capture(Request()).event_id);
  EXPECT_EQ(Step(cut, "window").outcome, StepOutcome::kCut);
  EXPECT_EQ(Step(cut, "window").reason, "the recording is damaged");
  writes = false;
  const EventMeta without = Meta(Capture(Request()).event_id);
  EXPECT_EQ(Step(without, "window").outcome, StepOutcome::kFailed);
}

TEST_F(CaptureRunnerTest, FilesThatAreNoneAreSaidSo) {
  WriteTree(tree_.path(), {{"logs/a.log", std::string("a\0b\xff\n", 5)}});
  ASSERT_EQ(::mkfifo(tree_.File("fifo").c_str(), 0600), 0);
  WriteTree(tree_.path(),
            {{"large.yaml", StrCat("first: 1\n", std::string(200'000, 'x'))}});
  options_.plan.max_text_bytes = 100'000;
  options_.targets = {{.config_files = {tree_.File("none"), tree_.File("fifo"),
                                        tree_.File("large.yaml")},
                       .log_files = {tree_.File("logs/*")}}};
  Start();
  const CaptureResult result = Capture(Request());
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(Step(meta, "config-0").outcome, StepOutcome::kFailed);
  EXPECT_THAT(Step(meta, "config-1").reason, HasSubstr("no regular file"));
  EXPECT_EQ(Text(result.event_id, "config.2.large.yaml"), "first: 1\n");
  EXPECT_EQ(Step(meta, "config-2").outcome, StepOutcome::kCut);
  EXPECT_THAT(Step(meta, "config-2").reason, HasSubstr("its end is cut"));
  EXPECT_EQ(Text(result.event_id, "log.0.a.log"), "a\\x00b\\xff\n");
}

TEST_F(CaptureRunnerTest, LogsThatAreLeftOutAreToldOf) {
  for (int i = 0; i < 11; ++i)
    WriteTree(tree_.path(), {{StrCat("logs/", i, ".log"), "x\n"}});
  options_.targets = {{.log_files = {tree_.File("logs/*")}}};
  Start();
  const EventMeta meta = Meta(Capture(Request()).event_id);
  EXPECT_EQ(Step(meta, "log-7").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "log-others").outcome, StepOutcome::kSkipped);
  EXPECT_THAT(Step(meta, "log-others").reason, HasSubstr("3 more files"));
}

}  // namespace
}  // namespace fodc::capture
