// SPDX-License-Identifier: Apache-2.0
// The first response over a made-up process tree; captures are asked for, and
// answered by the test.
#include "fodc/agent/first_response.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "fodc/agent/explain.h"
#include "fodc/base/unique_fd.h"
#include "fodc/target/table_testing.h"

namespace fodc::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kMib = 1 << 20;
constexpr pid_t kPid = 6'000'001;  // no real one

class FirstResponseTest : public target::TableTest {
 protected:
  FirstResponseTest() : loop_(clock_), recording_(1, {}) {
    settings_.pod_name = "pod";
    settings_.incarnation = 77;
    settings_.memory = {.proc_root = tree_.path(),
                        .sys_root = tree_.path(),
                        .has_events = false};
    Put("meminfo", "MemTotal: 16777216 kB\n");
    Put("self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    Put("m/pod/one/memory.limit_in_bytes", StrCat(1000 * kMib));
    Put("m/pod/one/memory.stat",
        "inactive_file 0\nactive_file 0\n"
        "total_inactive_file 0\ntotal_active_file 0\n");
    SetOomKills(0);
  }
  ~FirstResponseTest() override {
    response_.reset();
    loop_.RunReady();
  }
  void Put(const std::string& name, const std::string& text) {
    const std::string path = tree_.File(name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
  }
  void SetOomKills(int count) {
    // In place: it is kept open.
    std::ofstream(tree_.File("m/pod/one/memory.oom_control"))
        << "oom_kill_disable 0\nunder_oom 0\noom_kill " << count << "\n";
  }
  void SetMemory(std::uint64_t mib) {
    Put("m/pod/one/memory.usage_in_bytes", StrCat(mib * kMib));
  }
  // With that much memory; read when it is followed.
  void StartNode(std::uint64_t mib, pid_t pid = kPid) {
    SetMemory(mib);
    const double now =
        std::chrono::duration<double>(clock_.Monotonic().time_since_epoch())
            .count();
    Start({.pid = pid, .started_s = now - 0.5});
    Put(StrCat(pid, "/statm"), "1000 1000 0 0 0 0 0\n");
  }
  void Make() {
    targets_.emplace(std::vector<target::TargetSpec>{{.container_name = "data",
                                                      .comm_prefix = "db"}},
                     target::TableOptions{.proc_root = tree_.path(),
                                          .own_pid = target::kAgent},
                     loop_, recording_, tree_.path());
    auto response = FirstResponse::Create(
        settings_, *targets_, scrapers_, recording_, loop_, incidents_,
        {.begin =
             [this](capture::CaptureRequest r) {
               const MutexLock lock(mutex_);
               requests_.push_back(std::move(r));
               return begin_status_;
             },
         .add_aftermath =
             [this](capture::CaptureAftermath a) {
               aftermaths_.push_back(std::move(a));
               return Status();
             }});
    ASSERT_THAT(response, IsOk());
    response_ = *std::move(response);
    captured_ = response_->CapturedCallback();
    targets_->set_on_changed([this] { response_->Follow(); });
    targets_->set_on_recorded([this] { response_->OnAppended(); });
  }
  // A tick of the collector.
  void Tick(std::chrono::nanoseconds after = 1s) {
    clock_.Advance(after);
    ++now_ms_;
    targets_->Read({.monotonic_ms = now_ms_, .unix_ms = now_ms_});
    response_->OnAppended();
    loop_.RunReady();
  }
  // In one step, as the kernel does: the watch has the file open.
  void SetUsage(std::uint64_t bytes) {
    const UniqueFd file(::open(
        tree_.File("m/pod/one/memory.usage_in_bytes").c_str(), O_WRONLY));
    std::string text = StrCat(bytes);
    text.insert(0, 20 - text.size(), '0');
    ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), 20);
  }
  std::size_t Requests() {
    const MutexLock lock(mutex_);
    return requests_.size();
  }
  bool AwaitRequests(std::size_t count) {
    return loop_.RunUntil([&] { return Requests() >= count; }, 20s);
  }
  capture::CaptureRequest Request(std::size_t i) {
    const MutexLock lock(mutex_);
    return requests_.at(i);
  }
  void Answer(std::size_t i, bool has_evidence = true) {
    const capture::CaptureRequest request = Request(i);
    capture::CaptureResult result;
    result.row = request.row;
    result.target = request.target;
    result.incident_id = request.incident_id;
    result.event_id = StrCat("event-", i);
    result.has_evidence = has_evidence;
    result.artifacts = has_evidence ? 3 : 0;
    captured_(std::move(result));
    loop_.RunReady();
  }
  const evidence::Incident& Incident(const std::string& id) {
    const evidence::IncidentRef ref = incidents_.Find(id);
    EXPECT_NE(ref, nullptr) << id;
    static const evidence::Incident none;
    held_ = ref;
    return ref == nullptr ? none : *ref;
  }
  // Until the watching thread shows that reason.
  bool AwaitReason(detect::PressureReason reason) {
    return loop_.RunUntil(
        [&] { return response_->View()[0].memory.last.reason == reason; }, 20s);
  }
  void Die(int oom_kills = 0) {
    End(kPid);
    if (oom_kills > 0) SetOomKills(oom_kills);
    Tick();
  }

  net::EventLoop loop_;
  recorder::Recording recording_;
  evidence::IncidentList incidents_;
  evidence::IncidentRef held_;
  std::vector<std::unique_ptr<collect::Scraper>> scrapers_;
  FirstResponseSettings settings_;
  std::optional<collect::Targets> targets_;
  Mutex mutex_;
  std::vector<capture::CaptureRequest> requests_;
  std::vector<capture::CaptureAftermath> aftermaths_;
  Status begin_status_;
  std::function<void(capture::CaptureResult)> captured_;
  std::unique_ptr<FirstResponse> response_;
  std::int64_t now_ms_ = 0;
};

TEST_F(FirstResponseTest, PressureBeginsACaptureAndAnIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  const capture::CaptureRequest r = Request(0);
  EXPECT_EQ(r.target, "data");
  EXPECT_EQ(r.trigger.kind, "memory_pressure");
  EXPECT_EQ(r.bytes, 800 * kMib);
  EXPECT_EQ(r.limit_bytes, 1000 * kMib);
  EXPECT_EQ(r.threshold_bytes, 750 * kMib);
  EXPECT_EQ(r.trigger_percent, 75U);
  EXPECT_EQ(r.ramp_up, "ramp-77-0-1");
  ASSERT_THAT(r.processes, SizeIs(1));
  EXPECT_EQ(r.processes[0].pid, kPid);
  loop_.RunReady();
  EXPECT_TRUE(Incident(r.incident_id).is_open());
  EXPECT_EQ(Incident(r.incident_id).verdict, "memory_pressure");
  Answer(0);
  EXPECT_THAT(Incident(r.incident_id).summary, HasSubstr("event-0"));
  EXPECT_EQ(response_->counts()[0].captured, 1U);
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 1U);
}

TEST_F(FirstResponseTest, WhatCameAfterIsAddedLater) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  EXPECT_THAT(aftermaths_, SizeIs(0));
  clock_.Advance(30s);
  loop_.RunReady();
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_EQ(aftermaths_[0].event_id, "event-0");
  EXPECT_FALSE(aftermaths_[0].death);
}

TEST_F(FirstResponseTest, TheKillAfterwardsIsToldByTheSameIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  Die(/*oom_kills=*/1);
  const std::string id = Request(0).incident_id;
  EXPECT_FALSE(Incident(id).is_open());
  EXPECT_THAT(Incident(id).summary, HasSubstr("killed it for memory"));
  ASSERT_THAT(aftermaths_, SizeIs(1));
  ASSERT_TRUE(aftermaths_[0].death);
  EXPECT_TRUE(aftermaths_[0].death->oom_killed);
  EXPECT_EQ(Requests(), 1U);  // what can be had of the dead is added
  clock_.Advance(1min);
  loop_.RunReady();
  EXPECT_THAT(aftermaths_, SizeIs(1));
}

TEST_F(FirstResponseTest, WhoDiesInMidCaptureIsToldOfWhenItIsOver) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Die();
  EXPECT_THAT(aftermaths_, SizeIs(0));
  Answer(0);
  ASSERT_THAT(aftermaths_, SizeIs(1));
  EXPECT_TRUE(aftermaths_[0].death);
  EXPECT_THAT(Incident(Request(0).incident_id).summary, HasSubstr("event-0"));
}

// The memory is gone before the process is, and the kill counted.
TEST_F(FirstResponseTest, ADeathThatIsSeenLateIsNoCalmAndNoOtherKill) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(5 * kMib);
  SetOomKills(1);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  loop_.RunReady();
  End(kPid);
  Tick();
  EXPECT_EQ(Requests(), 1U);
  EXPECT_THAT(Incident(Request(0).incident_id).summary,
              HasSubstr("killed it for memory"));
}

TEST_F(FirstResponseTest, CalmThatStaysEndsTheIncident) {
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  loop_.RunReady();
  Answer(0);
  SetUsage(5 * kMib);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  const std::string id = Request(0).incident_id;
  loop_.RunReady();
  EXPECT_TRUE(Incident(id).is_open());
  Tick(2s);
  EXPECT_FALSE(Incident(id).is_open());
}

TEST_F(FirstResponseTest, ADeathIsCapturedWithoutTheDead) {
  StartNode(100);
  Make();
  Tick();
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
  EXPECT_THAT(Request(0).processes, SizeIs(0));
  EXPECT_TRUE(Request(0).death);
  const std::string id = Request(0).incident_id;
  EXPECT_TRUE(Incident(id).is_open());
  Answer(0);
  // It comes back and stays.
  StartNode(100);
  Tick();
  Tick(31s);
  EXPECT_FALSE(Incident(id).is_open());
}

TEST_F(FirstResponseTest, ANodeThatDiesAtEveryStartIsOneIncident) {
  Make();
  for (int i = 0; i < 6; ++i) {
    StartNode(100);
    Tick(1s);
    Die();
    for (std::size_t k = 0; k < Requests(); ++k) Answer(k);
  }
  EXPECT_THAT(incidents_.all(), SizeIs(1));
  ASSERT_EQ(Requests(), 2U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
  EXPECT_EQ(Request(1).trigger.kind, "death_loop");
  EXPECT_EQ(Request(1).death->count, 3U);
  EXPECT_EQ(Request(0).incident_id, Request(1).incident_id);
  const evidence::Incident& i = Incident(Request(0).incident_id);
  EXPECT_EQ(i.verdict, "death_loop");
  const auto deaths =
      std::ranges::find(i.numbers, "deaths", &evidence::IncidentNumber::name);
  ASSERT_NE(deaths, i.numbers.end());
  EXPECT_EQ(deaths->value, 6);
}

TEST_F(FirstResponseTest, AnOomKillOfAChildIsCapturedAlive) {
  StartNode(100);
  Make();
  Tick();
  Tick();
  SetOomKills(1);
  Tick();
  EXPECT_EQ(Requests(), 0U);  // it may be the node itself
  Tick(2s);
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "oom_kill");
  EXPECT_THAT(Request(0).processes, SizeIs(1));
  Answer(0);
  SetOomKills(2);
  Tick();
  Tick(2s);
  EXPECT_EQ(Requests(), 1U);  // a storm is one capture
  EXPECT_EQ(response_->View()[0]
                .triggers[static_cast<std::size_t>(TriggerKind::kOomKill)]
                .last->reason,
            "cooldown");
}

TEST_F(FirstResponseTest, AVerdictOfSlowReadsIsCapturedUnderItsIncident) {
  StartNode(100);
  Make();
  Tick();
  evidence::Incident slow;
  slow.id = "slow-1";
  slow.detector = "read_latency";
  slow.verdict = "W3";
  slow.target = "data";
  slow.started_ms = slow.updated_ms = 5;
  ASSERT_THAT(incidents_.Put(slow), IsOk());
  response_->OnIncidents();
  response_->OnIncidents();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).incident_id, "slow-1");
  EXPECT_EQ(Request(0).trigger.kind, "read_latency");
  Answer(0);
  EXPECT_THAT(incidents_.all(), SizeIs(1));
}

TEST_F(FirstResponseTest, CooldownsOfAnEarlierLifeGoOn) {
  StartNode(800);
  Make();
  evidence::EventInfo event;
  event.id = "x";
  event.meta.captured_at = clock_.Unix() - 1min;
  event.meta.pod_name = "pod";
  event.meta.target = "data";
  event.meta.trigger.kind = "memory_pressure";
  event.meta.trigger.inputs = {{"memory_bytes", 790.0 * kMib}};
  event.meta.profiles.push_back({.type = "heap", .filename = "heap.pprof"});
  evidence::EventInfo empty = event;  // one without evidence is none
  empty.meta.profiles.clear();
  empty.meta.trigger.kind = "target_gone";
  evidence::EventInfo others = event;  // nor is another pod's
  others.meta.pod_name = "another";
  others.meta.trigger.kind = "target_gone";
  response_->Restore({empty, others, event});
  Tick();
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kCooldown));
  EXPECT_EQ(Requests(), 0U);
  Die();
  ASSERT_EQ(Requests(), 1U);
  EXPECT_EQ(Request(0).trigger.kind, "target_gone");
}

TEST_F(FirstResponseTest, ACaptureThatCannotBeginIsTriedAgainAndTold) {
  begin_status_ = Unavailable("busy");
  StartNode(800);
  Make();
  Tick();
  ASSERT_TRUE(AwaitRequests(1));
  EXPECT_TRUE(AwaitReason(detect::PressureReason::kRetryLater));
  EXPECT_EQ(response_->counts()[0].failed, 1U);
  EXPECT_THAT(Incident(Request(0).incident_id).summary, HasSubstr("busy"));
}

TEST_F(FirstResponseTest, ExplainsWhatItDidAndDidNot) {
  Make();
  Tick();
  auto json = nlohmann::json::parse(ExplainJson(response_.get()));
  EXPECT_EQ(json["enabled"], true);
  ASSERT_EQ(json["targets"].size(), 1U);
  EXPECT_EQ(json["targets"][0]["target"], "data");
  ASSERT_EQ(json["targets"][0]["triggers"].size(), kTriggerKinds);
  const auto& memory = json["targets"][0]["triggers"][0];
  EXPECT_EQ(memory["trigger"], "memory_pressure");
  EXPECT_EQ(memory["armed"], false);
  EXPECT_EQ(memory["reason"], "no_target");
  EXPECT_FALSE(memory["why_not"].get<std::string>().empty());
  StartNode(100);
  Tick();
  ASSERT_TRUE(AwaitReason(detect::PressureReason::kBelow));
  json = nlohmann::json::parse(ExplainJson(response_.get()));
  const auto& now = json["targets"][0]["triggers"][0];
  EXPECT_EQ(now["armed"], true);
  EXPECT_EQ(now["last_decision"]["reason"], "below");
  EXPECT_EQ(now["last_decision"]["inputs"]["memory_bytes"], 100 * kMib);
  EXPECT_TRUE(now["last_fired"].is_null());
  EXPECT_EQ(nlohmann::json::parse(ExplainJson(nullptr))["enabled"], false);
}

TEST_F(FirstResponseTest, WithoutAStoreNothingIsArmed) {
  settings_.problem = "read-only";
  StartNode(100);
  Make();
  Tick();
  const std::vector<TriggerView> triggers = response_->View()[0].triggers;
  for (const TriggerView& t : triggers) {
    EXPECT_FALSE(t.is_armed);
    EXPECT_EQ(t.reason, "no_store");
  }
  Die();
  EXPECT_EQ(Requests(), 0U);
}

}  // namespace
}  // namespace fodc::agent
