// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

#include "fodc/capture/capture_runner_testing.h"
#include "fodc/pprof/heap_table.h"
#include "fodc/pprof/heap_table_writer.h"
#include "fodc/pprof/profile.h"
#include "tests/support/wait.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using evidence::EventMeta;
using evidence::StepOutcome;
using net::RawServer;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(CaptureRunnerTest, CapturesATargetThatStands) {
  WriteTree(tree_.path(), {{"node.yaml", "password: hunter2\nport: 1\n"},
                           {"logs/node.log", "one\ntoken=hunter2\n"}});
  options_.targets = {{.config_files = {tree_.File("node.yaml")},
                       .log_files = {tree_.File("logs/*.log")}}};
  options_.endpoints = [this](std::size_t row) -> std::vector<CaptureEndpoint> {
    EXPECT_EQ(row, 0u);
    return {{.name = "page", .url = server_->Url("/metrics")}};
  };
  options_.window = [this](UnixTime from, UnixTime to, const WindowSink& sink) {
    EXPECT_EQ(from, now_ - 15min);
    EXPECT_GT(to, now_);
    return sink("recording");
  };
  serve_ = [](int fd, const std::string& request) {
    return PathOf(request) == "/metrics" ? Answer(fd, "200 OK", "up 1\n")
                                         : Answer(fd, "200 OK", kHeapText);
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.has_evidence);
  EXPECT_EQ(result.target, "db-0");
  EXPECT_EQ(result.incident_id, "incident-1");
  EXPECT_LE(result.decided_at, result.first_byte_at);
  EXPECT_LE(result.first_byte_at, result.finished_at);

  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(meta.captured_at, now_);
  EXPECT_EQ(meta.pod_name, "pod-1");
  EXPECT_EQ(meta.role, "data");
  EXPECT_EQ(meta.source_endpoint, server_->Url(""));
  EXPECT_EQ(meta.rss_bytes, 800u);
  EXPECT_EQ(meta.cgroup_limit_bytes, 1000u);
  EXPECT_EQ(meta.threshold_bytes, 750u);
  EXPECT_EQ(meta.trigger_percent, 75u);
  EXPECT_EQ(meta.incident_id, "incident-1");
  EXPECT_EQ(meta.ramp_up, "ramp-1");
  EXPECT_EQ(meta.trigger.kind, "memory_pressure");
  ASSERT_THAT(meta.profiles, SizeIs(2));
  EXPECT_EQ(meta.profiles[0].type, "heap");
  EXPECT_EQ(meta.profiles[0].filename, "heap.pprof");
  EXPECT_EQ(meta.profiles[0].format, "pprof");
  EXPECT_EQ(meta.profiles[1].type, "goroutine");
  for (const char* name :
       {"counters", "status", "smaps_rollup", "limits", "mounts", "sockets",
        "thread-states", "cmdline", "environ", "page-0", "config-0", "log-0",
        "window"}) {
    const evidence::EventStep step = Step(meta, name);
    EXPECT_EQ(step.outcome, StepOutcome::kComplete)
        << name << ": " << step.reason;
    EXPECT_THAT(step.sha256, SizeIs(64)) << name;
    EXPECT_GT(step.bytes, 0u) << name;
  }
  EXPECT_EQ(result.artifacts,
            std::count_if(meta.steps.begin(), meta.steps.end(),
                          [](auto& s) { return !s.file.empty(); }));
  const std::string& id = result.event_id;
  EXPECT_EQ(Text(id, "heap.pprof"), kHeapText);
  EXPECT_EQ(Text(id, "page.0.prom"), "up 1\n");
  EXPECT_EQ(Text(id, "window.fdr"), "recording");
  EXPECT_EQ(Text(id, "config.0.node.yaml"), "password: [redacted]\nport: 1\n");
  EXPECT_EQ(Text(id, "log.0.node.log"), "one\ntoken=[redacted]\n");
  EXPECT_THAT(Text(id, "status.txt"), HasSubstr("Name:\tkvnode"));

  const CaptureStats stats = runner_->stats();
  EXPECT_EQ(stats.begun, 1u);
  EXPECT_EQ(stats.captured, 1u);
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_EQ(stats.artifacts, result.artifacts);
  EXPECT_EQ(stats.bytes, result.bytes);
  ASSERT_TRUE(stats.last.has_value());
  EXPECT_EQ(stats.last->event_id, id);
}

// Else it is listed and cannot be downloaded.
void ExpectKnown(const EventMeta& meta) {
  for (const auto& profile : meta.profiles)
    EXPECT_NE(FindProfileType(profile.type), nullptr) << profile.type;
}

TEST_F(CaptureRunnerTest, TheTableThatATargetSharesNeedsNoRequest) {
  pprof::HeapTableWriter table;
  ASSERT_THAT(table.Open({}), IsOk());
  const std::uint64_t stack[] = {0xabc};
  table.RecordAllocation(0x1000, 64 << 20, stack);
  has_endpoint_ = false;
  Start();
  CaptureRequest request = Request();
  request.processes = {Named(::getpid())};
  const CaptureResult result = Capture(request);
  ASSERT_THAT(result.status, IsOk());
  const EventMeta meta = Meta(result.event_id);
  ASSERT_THAT(meta.profiles, SizeIs(1));
  EXPECT_EQ(meta.profiles[0].type, "heap-table");
  ExpectKnown(meta);
  const auto profile =
      pprof::ReadProfile(Text(result.event_id, "heap-table.pprof"));
  ASSERT_THAT(profile, IsOk());
  EXPECT_EQ(profile->sample_count(), 1u);
}

// A child that inherits the table as its own, and is killed.
class SharedTableTest : public CaptureRunnerTest {
 protected:
  SharedTableTest() {
    pprof::HeapTableWriter table;
    EXPECT_THAT(table.Open({}), IsOk());
    const std::uint64_t stack[] = {0xabc};
    table.RecordAllocation(0x1000, 64 << 20, stack);
    owner_ = std::make_unique<target::ChildProcess>("guarded", -1);
    process_ = Named(owner_->pid());
    has_endpoint_ = false;
    Start();
  }
  void KillOwner() {
    owner_->Kill();
    owner_->Reap();
  }
  CaptureRequest OfTheDead() {
    CaptureRequest request = Request();
    request.processes.clear();
    request.dead = process_;
    return request;
  }
  // Whether what was in use stands in that artifact.
  void ExpectTable(const std::string& id, const char* type) {
    EXPECT_EQ(Step(Meta(id), type).outcome, StepOutcome::kComplete)
        << Step(Meta(id), type).reason;
    const auto profile = pprof::ReadProfile(Text(id, StrCat(type, ".pprof")));
    ASSERT_THAT(profile, IsOk());
    EXPECT_EQ(profile->sample_count(), 1u);
  }

  std::unique_ptr<target::ChildProcess> owner_;
  CaptureProcess process_;
};

TEST_F(SharedTableTest, IsReadWhenItsOwnerWasKilled) {
  runner_->Hold(0, process_);
  // Its turn has come before that of another.
  ASSERT_TRUE(test::WaitUntil([&] {
    const auto maps = ReadFile("/proc/self/maps");
    return maps.ok() && maps->find(pprof::kHeapTableName) != maps->npos;
  }));
  KillOwner();
  const CaptureResult result = Capture(OfTheDead());
  ASSERT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.has_evidence);
  ExpectTable(result.event_id, "heap-table");
  EXPECT_EQ(Meta(result.event_id).profiles.at(0).type, "heap-table");
}

TEST_F(SharedTableTest, IsAddedToWhatWasCapturedBefore) {
  CaptureRequest request = Request();
  request.processes = {process_};
  const CaptureResult result = Capture(request);  // holds it, too
  ASSERT_THAT(result.status, IsOk());
  KillOwner();
  ASSERT_THAT(
      runner_->AddAftermath({.event_id = result.event_id, .dead = process_}),
      IsOk());
  ASSERT_TRUE(
      test::WaitUntil([&] { return runner_->stats().aftermaths == 1; }));
  ExpectTable(result.event_id, "heap-table-after");
  EXPECT_THAT(Meta(result.event_id).profiles, SizeIs(2));
}

TEST_F(SharedTableTest, OfSomebodyElseIsNotTaken) {
  ++process_.start_ticks;
  runner_->Hold(0, process_);
  KillOwner();
  const CaptureResult result = Capture(OfTheDead());
  EXPECT_FALSE(result.has_evidence);
}

TEST_F(CaptureRunnerTest, TakesMoreProfilesWhereTheOperatorAsks) {
  const std::vector<std::string> names = {"allocator", "mutex", "cpu"};
  options_.profiles = *ChooseProfileTypes(names);
  options_.plan.cpu_profile = 1s;
  serve_ = [](int fd, const std::string& request) {
    const std::string_view path = PathOf(request);
    if (path == "/debug/pprof/allocator")
      return Answer(fd, "200 OK", "in use: 1\n");
    if (path == "/pprof/contention")
      return Answer(fd, "200 OK", "--- contention\n");
    if (path == "/debug/pprof/profile?seconds=1" ||
        path == "/debug/pprof/heap") {
      return Answer(fd, "200 OK", kHeapText);
    }
    return Answer(fd, "404 Not Found", "");
  };
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  const EventMeta meta = Meta(result.event_id);
  ASSERT_THAT(meta.profiles, SizeIs(4));
  EXPECT_EQ(meta.profiles[1].type, "allocator");
  EXPECT_EQ(meta.profiles[1].format, "text");
  EXPECT_THAT(Step(meta, "mutex").source, HasSubstr("/pprof/contention"));
  EXPECT_EQ(Step(meta, "cpu").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "goroutine").reason, "HTTP 404");
}

// What comes after the profiles may be lost, not they.
TEST_F(CaptureRunnerTest, CommitsAsSoonAsThereAreProfiles) {
  std::promise<void> let_go;
  options_.window = [&](UnixTime, UnixTime, const WindowSink& sink) {
    let_go.get_future().wait();
    return sink("recording");
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request()), IsOk());
  AwaitCommits(1);
  ASSERT_THAT(Ids(), SizeIs(1));
  const EventMeta early = Meta(Ids().front());
  EXPECT_EQ(early.revision, 1u);
  EXPECT_THAT(early.profiles, SizeIs(2));
  EXPECT_EQ(results(), 0u);
  let_go.set_value();
  EXPECT_THAT(Await().status, IsOk());
  EXPECT_EQ(Meta(Ids().front()).revision, 2u);
}

// An error of the server's is not the same as that there is no such server.
TEST_F(CaptureRunnerTest, TellsThatProfilesMayComeLater) {
  serve_ = [](int fd, const std::string&) {
    return Answer(fd, "503 Busy", "one at a time");
  };
  Start();
  const CaptureResult busy = Capture(Request());
  EXPECT_THAT(busy.status, IsOk());
  EXPECT_TRUE(busy.has_evidence);
  EXPECT_TRUE(busy.lacks_profiles);
  runner_.reset();
  serve_ = [](int fd, const std::string&) {
    return Answer(fd, "404 Not Found", "");
  };
  Start();
  const CaptureResult none = Capture(Request());
  EXPECT_TRUE(none.has_evidence);
  EXPECT_FALSE(none.lacks_profiles);
  runner_.reset();
  serve_ = [](int fd, const std::string& request) {
    return PathOf(request).ends_with("heap") ? Answer(fd, "503 Busy", "")
                                             : Answer(fd, "200 OK", kHeapText);
  };
  Start();
  EXPECT_FALSE(Capture(Request()).lacks_profiles);
}

TEST_F(CaptureRunnerTest, OfADeadTargetWhatNeedsNoLivingOne) {
  WriteTree(tree_.path(), {{"node.log", "panic: the end\n"}});
  options_.targets = {{.log_files = {tree_.File("node.log")}}};
  options_.window = [](UnixTime, UnixTime, const WindowSink& sink) {
    return sink("recording");
  };
  serve_ = [](int, const std::string&) -> bool {
    ADD_FAILURE() << "it was asked";
    return false;
  };
  Start();
  CaptureRequest request = Request();
  request.processes.clear();
  request.death = evidence::EventDeath{.signal = 9, .summary = "killed"};
  const CaptureResult result = Capture(request);
  ASSERT_THAT(result.status, IsOk());
  EXPECT_EQ(Text(result.event_id, "log.0.node.log"), "panic: the end\n");
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(meta.death, request.death);
  EXPECT_THAT(meta.profiles, IsEmpty());
  EXPECT_THAT(meta.steps, SizeIs(3));  // counters, log, window
}

// As where the agent stands beside the node without its processes' namespace.
TEST_F(CaptureRunnerTest, OfAnUnseenTargetWhatItsEndpointsGive) {
  options_.endpoints = [this](std::size_t) {
    return std::vector<CaptureEndpoint>{
        {.name = "page", .url = server_->Url("/metrics")}};
  };
  Start();
  CaptureRequest request = Request();
  request.processes.clear();
  request.is_unseen = true;
  const CaptureResult result = Capture(request);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.has_evidence);
  const EventMeta meta = Meta(result.event_id);
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "goroutine").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "page-0").outcome, StepOutcome::kComplete);
  for (const evidence::EventStep& step : meta.steps) {
    EXPECT_NE(step.step, "status");
    EXPECT_NE(step.step, "heap-table");
  }
}

TEST_F(CaptureRunnerTest, RetentionRunsAfterTheCommit) {
  for (int i = 1; i <= 3; ++i)
    AddEvent(store_.get(), now_ - i * 1h, {{"f", "x"}});
  options_.retention.max_events = 2;
  Start();
  const CaptureResult result = Capture(Request());
  ASSERT_THAT(result.status, IsOk());
  EXPECT_THAT(Ids(), SizeIs(2));
  EXPECT_EQ(Ids().front(), result.event_id);
}

// The bounds may be narrower than they were, and an event be pinned no more.
TEST_F(CaptureRunnerTest, RetentionRunsAtTheStartAndWhenAsked) {
  const auto add = [this](int hours) {
    AddEvent(store_.get(), now_ - hours * 1h, {{"f", "x"}});
  };
  for (const int hours : {7, 6, 5}) add(hours);
  options_.retention.max_events = 2;
  Start();
  EXPECT_TRUE(test::WaitUntil([&] { return Ids().size() == 2; }));
  for (const int hours : {4, 3}) add(hours);
  EXPECT_THAT(Ids(), SizeIs(4));
  runner_->RetainSoon();
  EXPECT_TRUE(test::WaitUntil([&] { return Ids().size() == 2; }));
  EXPECT_TRUE(test::WaitUntil([&] { return deleted().size() == 3; }));
}

// Else the next life of the agent would wait for the cooldown of nothing.
TEST_F(CaptureRunnerTest, ItsEndBeforeAProfileIsToldAsALack) {
  std::promise<void> asked;
  serve_ = [&, is_first = true](int fd, const std::string&) mutable {
    if (std::exchange(is_first, false)) asked.set_value();
    RawServer::WaitForClient(fd);
    return false;
  };
  Start();
  ASSERT_THAT(runner_->Begin(Request(0)), IsOk());
  asked.get_future().wait();
  Stop();
  const CaptureResult stopped = Await(1);
  ASSERT_THAT(stopped.status, IsOk());
  EXPECT_TRUE(stopped.lacks_profiles);
  EXPECT_TRUE(Meta(stopped.event_id).lacks_profiles);
}

TEST_F(CaptureRunnerTest, ItsEndKeepsWhatWasComplete) {
  std::promise<void> asked;
  serve_ = [&](int fd, const std::string& request) {
    if (PathOf(request) == "/debug/pprof/heap")
      return Answer(fd, "200 OK", kHeapText);
    asked.set_value();
    RawServer::WaitForClient(fd);
    return false;
  };
  options_.threads = 1;
  Start();
  ASSERT_THAT(runner_->Begin(Request(0)), IsOk());
  asked.get_future().wait();
  ASSERT_THAT(runner_->Begin(Request(1)), IsOk());
  Stop();
  ASSERT_EQ(results(), 2u);
  EXPECT_FALSE(Await(1).lacks_profiles) << "it has one";
  EXPECT_THAT(runner_->Begin(Request(2)), StatusIs(Code::kCancelled, _));
  EXPECT_THAT(runner_->AddAftermath({}), StatusIs(Code::kCancelled, _));
  const CaptureResult first = Await(1);
  ASSERT_THAT(first.status, IsOk());
  const EventMeta meta = Meta(first.event_id);
  EXPECT_EQ(Step(meta, "heap").outcome, StepOutcome::kComplete);
  EXPECT_EQ(Step(meta, "goroutine").outcome, StepOutcome::kFailed);
  EXPECT_EQ(Step(meta, "limits").outcome, StepOutcome::kSkipped);
  EXPECT_THAT(Await(2).status, StatusIs(Code::kCancelled, _));
  // Nothing half.
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(ElementsAre(first.event_id)));
  const auto files = ListDirectory(Path(first.event_id));
  ASSERT_THAT(files, IsOk());
  for (const std::string& name : *files)
    EXPECT_THAT(name, AllOf(Not(HasSubstr("part")), Not(HasSubstr("tmp"))));
}

}  // namespace
}  // namespace fodc::capture
