// SPDX-License-Identifier: Apache-2.0
// The real agent, or its target, dies while evidence is captured.
#include <gmock/gmock.h>

#include <atomic>
#include <csignal>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/evidence/evidence_fixture.h"
#include "tests/support/fake_endpoint.h"

namespace fodc::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kHeap[] = "heap profile: 1: 2 [ 3: 4] @ heapprofile\n";

class InterruptedCapturesTest : public EvidenceTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EvidenceTest::SetUp());
    if (!IsSkipped()) MakeGroup(256);
  }
  void StartAgentWith(const FakeEndpoint& profiles,
                      std::vector<std::string> flags = {}) {
    flags.push_back("--target-comm=" + GrowerName());
    flags.push_back(StrCat("--pressure-profiler-pprof-port=", profiles.port()));
    StartAgent(FreePort(), std::move(flags));
  }
  // Above the line, and there to stay.
  Process StartAboveLine() {
    Process grower = StartGrower(*group_, dir_, {"--rate=100", "--until=205"});
    AwaitArmed(grower.pid());
    grower.Signal(SIGUSR1);
    return grower;
  }
  std::vector<std::string> Directories() const {
    return ListDirectory(events_).value_or({});
  }
  std::string Artifact(const std::string& event,
                       const std::string& name) const {
    return ReadFile(StrCat(events_, "/", event, "/", name)).value_or("");
  }
};

TEST_F(InterruptedCapturesTest, AgentKilledBeforeAnythingWasKeptBeginsAnew) {
  std::atomic<bool> is_stuck = true;
  const FakeEndpoint profiles([&](std::string_view request, Exchange& e) {
    if (request.find("/heap") == request.npos) {
      (void)e.Answer(404, "");
    } else if (is_stuck) {
      (void)e.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
      (void)e.Send(kHeap);
      e.Hang();
      e.Close();
    } else {
      (void)e.Answer(200, kHeap);
    }
  });
  ASSERT_NO_FATAL_FAILURE(StartAgentWith(profiles));
  const Process grower = StartAboveLine();
  // It has begun, and part of it is on the disk.
  ASSERT_TRUE(WaitUntil([&] {
    const auto directories = Directories();
    return directories.size() == 1 && profiles.requests() > 0 &&
           !Artifact(directories[0], "status.txt").empty();
  })) << agent_->Log();
  agent_->Kill();
  const std::vector<std::string> half = Directories();
  ASSERT_THAT(half, SizeIs(1));
  EXPECT_EQ(Artifact(half[0], "meta.json"), "");

  is_stuck = false;
  ASSERT_NO_FATAL_FAILURE(StartAgentWith(profiles));
  ASSERT_TRUE(WaitUntil([&] { return Events().size() == 1; }))
      << agent_->Get("/explain").body << agent_->Log();
  EXPECT_THAT(Directories(), Not(Contains(half[0])));
  EXPECT_EQ(Outcome(Events()[0].meta, "heap"), "complete");
  EXPECT_EQ(Artifact(Events()[0].id, "heap.pprof"), kHeap);
}

TEST_F(InterruptedCapturesTest, AgentKilledAfterTheFirstCommitHasWhatWasKept) {
  std::atomic<int> stuck = 0;
  const FakeEndpoint profiles([&](std::string_view request, Exchange& e) {
    if (request.find("/mutex") == request.npos) {
      (void)e.Answer(200, kHeap);
      return;
    }
    ++stuck;
    e.Hang();
    e.Close();
  });
  const std::vector<std::string> flags = {"--pressure-profiler-types=mutex"};
  ASSERT_NO_FATAL_FAILURE(StartAgentWith(profiles, flags));
  const Process grower = StartAboveLine();
  ASSERT_TRUE(WaitUntil([&] { return stuck == 1; })) << agent_->Log();
  agent_->Kill();
  ASSERT_THAT(Events(), SizeIs(1));
  const evidence::EventInfo kept = Events()[0];
  EXPECT_EQ(kept.meta.revision, 1U);
  EXPECT_EQ(Outcome(kept.meta, "heap"), "complete");
  EXPECT_EQ(Artifact(kept.id, "heap.pprof"), kHeap);

  ASSERT_NO_FATAL_FAILURE(StartAgentWith(profiles, flags));
  // Its cooldown goes on, and nothing is captured again.
  ASSERT_TRUE(WaitUntil([&] {
    return Trigger("memory_pressure")["last_decision"]["reason"] == "cooldown";
  })) << agent_->Get("/explain").body;
  EXPECT_EQ(Trigger("memory_pressure")["fired"], 0);
  EXPECT_THAT(Directories(), ElementsAre(kept.id));
  EXPECT_EQ(stuck, 1);
}

// Its successor answers in its place, and is not taken for it.
TEST_F(InterruptedCapturesTest,
       TargetThatRestartsIsNotMistakenForItsSuccessor) {
  std::atomic<int> asked = 0;
  std::atomic<bool> is_other = false;
  const FakeEndpoint profiles([&](std::string_view request, Exchange& e) {
    if (request.find("/goroutine") != request.npos) {
      ++asked;
      (void)WaitUntil([&] { return is_other.load(); }, 4s, 1ms);
    }
    (void)e.Answer(200, kHeap);
  });
  ASSERT_NO_FATAL_FAILURE(StartAgentWith(profiles));
  Process first = StartAboveLine();
  const pid_t first_pid = first.pid();
  ASSERT_TRUE(WaitUntil([&] { return asked == 1; }, 60s, 1ms)) << agent_->Log();
  first.Kill();
  Process second = StartGrower(*group_, dir_, {"--rate=200", "--until=236"});
  is_other = true;
  ASSERT_TRUE(WaitUntil([&] {
    const auto events = Events();
    return !events.empty() && events.back().meta.death.has_value();
  })) << agent_->Log();
  const evidence::EventInfo kept = Events().back();
  EXPECT_EQ(Outcome(kept.meta, "heap"), "complete");
  EXPECT_EQ(Outcome(kept.meta, "goroutine"), "failed");
  EXPECT_NE(Outcome(kept.meta, "limits"), "complete");
  EXPECT_EQ(kept.meta.death->signal, SIGKILL);
  EXPECT_FALSE(kept.meta.death->oom_killed);
  EXPECT_THAT(Artifact(kept.id, "status.txt"),
              HasSubstr(StrCat("Pid:\t", first_pid, "\n")));

  // It is watched, and captured as itself.
  ASSERT_NO_FATAL_FAILURE(AwaitArmed(second.pid()));
  second.Signal(SIGUSR1);
  ASSERT_TRUE(WaitUntil([&] {
    const auto events = Events();
    return events[0].id != kept.id && events[0].meta.rss_bytes > 0 &&
           Outcome(events[0].meta, "goroutine") == "complete";
  })) << agent_->Get("/explain").body
      << agent_->Log();
  EXPECT_THAT(Artifact(Events()[0].id, "status.txt"),
              HasSubstr(StrCat("Pid:\t", second.pid(), "\n")));
}

}  // namespace
}  // namespace fodc::test
