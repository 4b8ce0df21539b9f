// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/isolation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/guard/lateness.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class IsolationTest : public ::testing::Test {
 protected:
  IsolationTest() {
    options_.slots.slots = 4;
    options_.slots.classes = {{"read", 0, {}}, {"scan", 0, {}}};
    options_.bytes = {100, 10, 0};
    options_.metrics = metrics_.get();
    options_.clock = &clock_;
    options_.on_event = [this](const Event& e) {
      std::string line(e.message);
      for (const EventField& f : e.fields)
        line += StrCat(" ", f.key, "=", f.value);
      events_.push_back(line);
    };
  }
  void Make() {
    auto made = Isolation::Create(options_);
    ASSERT_THAT(made, IsOk());
    isolation_ = *std::move(made);
  }
  HeavyWork Admit(std::string_view peer, WorkToken parent = {}) {
    HeavyRequest request;
    request.peer = peer;
    request.parent = parent;
    return isolation_->Admit(request);
  }
  std::string Page() {
    isolation_->UpdateMetrics();
    std::string page;
    EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
    return page;
  }

  FakeClock clock_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
  IsolationOptions options_;
  std::vector<std::string> events_;
  std::unique_ptr<Isolation> isolation_;
};

// 7.1, rule 1: the texts are what clients look for.
TEST(RefusalTest, TellsClientsToComeAgain) {
  EXPECT_EQ(kBusyText, "BUSY server overloaded");
  EXPECT_EQ(kSlowDownStatus, 503);
  EXPECT_EQ(kSlowDownCode, "SlowDown");
  EXPECT_EQ(kSlowDownHeaders, "Retry-After: 1\r\nConnection: close\r\n");
  EXPECT_EQ(HttpStatusOf(Refusal::kNone), 0);
  EXPECT_EQ(HttpStatusOf(Refusal::kFull), 503);
  EXPECT_EQ(HttpStatusOf(Refusal::kMemory), 503);
  EXPECT_EQ(HttpStatusOf(Refusal::kPeer), 503);
  EXPECT_EQ(HttpStatusOf(Refusal::kTooLarge), 413);
  EXPECT_EQ(RefusalName(Refusal::kPeerTable), "peer_table");
}

// 7.1, rule 1: refused at once, by class and reason; and nothing of it stays.
TEST_F(IsolationTest, RefusalsAreCountedByClassAndReason) {
  Make();
  {
    std::vector<HeavyWork> held;
    held.reserve(4);
    for (int i = 0; i < 4; ++i) held.push_back(Admit(StrCat("peer", i)));
    EXPECT_TRUE(held.back().admitted());
    HeavyRequest scan;
    scan.class_index = 1;
    scan.peer = "one more";
    const HeavyWork refused = isolation_->Admit(scan);
    EXPECT_FALSE(refused.admitted());
    EXPECT_EQ(refused.refusal(), Refusal::kFull);
    EXPECT_EQ(isolation_->heavy_peers().held_by("one more"), 0u);
    const std::string page = Page();
    EXPECT_THAT(page,
                HasSubstr("fodc_guard_admitted_total{class=\"read\"} 4\n"));
    EXPECT_THAT(page, HasSubstr("fodc_guard_rejected_total{class=\"scan\","
                                "reason=\"full\"} 1\n"));
    EXPECT_THAT(page, HasSubstr("fodc_guard_slots_in_use{class=\"read\"} 4\n"));
    EXPECT_THAT(page, HasSubstr("fodc_guard_slots{class=\"scan\"} 4\n"));
    EXPECT_THAT(page, HasSubstr("fodc_guard_admission_wait_seconds_count{"
                                "class=\"read\"} 4\n"));
    EXPECT_THAT(page, Not(HasSubstr("peer1")));
  }
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_slots_in_use{class=\"read\"} 0\n"));
  EXPECT_EQ(isolation_->heavy_peers().peers(), 0u);
}

TEST_F(IsolationTest, AllCountersAreThereFromTheStart) {
  Make();
  const std::string page = Page();
  for (const char* reason :
       {"full", "memory", "peer", "peer_table", "cancelled"}) {
    EXPECT_THAT(page, HasSubstr(StrCat(
                          "fodc_guard_rejected_total{class=\"scan\",reason=\"",
                          reason, "\"} 0\n")));
  }
  EXPECT_THAT(page, HasSubstr("fodc_guard_rejected_total{class=\"large_body\","
                              "reason=\"too_large\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("fodc_guard_rejected_total{class=\"connection\","
                              "reason=\"silent\"} 0\n"));
  EXPECT_THAT(page,
              HasSubstr("fodc_guard_inflight_bytes{class=\"small_body\"} 0\n"));
}

// The incident: one host with 37 connections in a tight loop.
TEST_F(IsolationTest, OnePeerHoldsAtMostItsShare) {
  options_.slots.slots = 32;
  Make();
  std::vector<HeavyWork> hot;
  hot.reserve(37);
  for (int i = 0; i < 37; ++i) hot.push_back(Admit("10.0.0.1"));
  EXPECT_EQ(isolation_->slots().in_use(0), 8u);
  EXPECT_EQ(hot.back().refusal(), Refusal::kPeer);
  EXPECT_TRUE(Admit("10.0.0.2").admitted());
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_rejected_total{class=\"read\","
                                "reason=\"peer\"} 29\n"));
}

// 7.1, rule 4.
TEST_F(IsolationTest, NestedWorkTakesNeitherASecondSlotNorASecondShare) {
  options_.slots.slots = 1;
  options_.heavy_per_peer = 1;
  Make();
  HeavyWork script = Admit("user");
  ASSERT_TRUE(script.admitted());
  {
    const HeavyWork call = Admit("user", script.token());
    EXPECT_TRUE(call.admitted());
    const HeavyWork deeper = Admit("user", call.token());
    EXPECT_TRUE(deeper.admitted());
  }
  EXPECT_FALSE(Admit("other").admitted());
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_slots_in_use{class=\"read\"} 1\n"));
  script.Release();
  script.Release();
  EXPECT_TRUE(Admit("other").admitted());
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_slots_in_use{class=\"read\"} 0\n"));
}

// 7.1, rule 5.
TEST_F(IsolationTest, DeadlinesAndCancellationDeriveFromTheRequest) {
  Make();
  std::atomic<bool> is_gone{false};
  HeavyRequest request;
  request.deadline = clock_.Monotonic() + seconds(2);
  request.cancelled = &is_gone;
  const HeavyWork script = isolation_->Admit(request);
  HeavyRequest call;
  call.parent = script.token();
  call.deadline = clock_.Monotonic() + seconds(30);
  const HeavyWork inner = isolation_->Admit(call);
  EXPECT_EQ(inner.deadline(), request.deadline);
  call.deadline = clock_.Monotonic() + seconds(1);
  EXPECT_EQ(isolation_->Admit(call).deadline(), call.deadline);
  EXPECT_FALSE(inner.IsCancelled(clock_.Monotonic()));
  EXPECT_TRUE(inner.IsCancelled(request.deadline));
  is_gone = true;
  EXPECT_TRUE(inner.IsCancelled(clock_.Monotonic()));
  const HeavyWork too_late = isolation_->Admit(call);
  EXPECT_FALSE(too_late.admitted());
  EXPECT_EQ(too_late.refusal(), Refusal::kCancelled);
  is_gone = false;
  clock_.Advance(seconds(2));
  EXPECT_EQ(isolation_->Admit(request).refusal(), Refusal::kCancelled);
}

// 7.1, rule 7.
TEST_F(IsolationTest, ConnectionsAreToldWhyThenClosedInSilenceAndCounted) {
  EXPECT_EQ(kConnectionsText, "ERR max connections per client exceeded");
  options_.connections_per_address = 2;
  Make();
  const PeerHold a = isolation_->Connect("10.0.0.1");
  PeerHold b = isolation_->Connect("10.0.0.1");
  int told = 0;
  for (int i = 0; i < 25; ++i) {
    const PeerHold refused = isolation_->Connect("10.0.0.1");
    EXPECT_FALSE(refused.admitted());
    if (refused.should_tell()) ++told;
  }
  EXPECT_EQ(told, 10);
  const std::string page = Page();
  EXPECT_THAT(page,
              HasSubstr("fodc_guard_admitted_total{class=\"connection\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("class=\"connection\",reason=\"peer\"} 10\n"));
  EXPECT_THAT(page, HasSubstr("class=\"connection\",reason=\"silent\"} 15\n"));
  b.Release();
  EXPECT_TRUE(isolation_->Connect("10.0.0.1").admitted());
}

TEST_F(IsolationTest, DefaultsAreThoseOfTheContract) {
  const IsolationOptions defaults;
  EXPECT_EQ(defaults.heavy_per_peer, 8u);
  EXPECT_EQ(defaults.connections_per_address, 512u);
  EXPECT_EQ(defaults.bytes.budget_bytes, 268435456u);
  EXPECT_EQ(defaults.bytes.unit_bytes, 1048576u);
  EXPECT_EQ(defaults.slots.classes.size(), 2u);
}

// 7.1, rule 8.
TEST_F(IsolationTest, BytesAreCountedWhileTheyAreHeld) {
  Make();
  EXPECT_EQ(isolation_->PeekBytes(25), Refusal::kNone);
  RequestBytes body = isolation_->BeginBytes(25);
  while (body.next_bytes() > 0) {
    ASSERT_EQ(isolation_->TakeBytes(&body, body.next_bytes()), Refusal::kNone);
  }
  EXPECT_EQ(isolation_->PeekBytes(101), Refusal::kTooLarge);
  RequestBytes other = isolation_->BeginBytes(80);
  EXPECT_EQ(isolation_->TakeBytes(&other, 80), Refusal::kFull);
  const std::string page = Page();
  EXPECT_THAT(
      page, HasSubstr("fodc_guard_inflight_bytes{class=\"large_body\"} 25\n"));
  EXPECT_THAT(page,
              HasSubstr("fodc_guard_admitted_total{class=\"large_body\"} 3\n"));
  EXPECT_THAT(page,
              HasSubstr("class=\"large_body\",reason=\"too_large\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("class=\"large_body\",reason=\"full\"} 1\n"));
  body.GiveAll();
  EXPECT_THAT(Page(),
              HasSubstr("fodc_guard_inflight_bytes{class=\"large_body\"} 0\n"));
}

// 7.1, rule 11.
TEST_F(IsolationTest, LimitsFollowTheLevelOfMemoryAndComeBackSlowly) {
  Make();
  isolation_->SetMemoryLevel(MemoryLevel::kSoft);
  EXPECT_EQ(isolation_->slots().slots(), 2u);
  EXPECT_EQ(isolation_->bytes().budget_bytes(), 50u);
  isolation_->SetMemoryLevel(MemoryLevel::kHard);
  EXPECT_EQ(Admit("a").refusal(), Refusal::kMemory);
  EXPECT_EQ(isolation_->PeekBytes(1), Refusal::kMemory);
  // Lower: only when it has lasted, and level by level.
  isolation_->SetMemoryLevel(MemoryLevel::kNormal);
  clock_.Advance(milliseconds(4999));
  EXPECT_EQ(Admit("a").refusal(), Refusal::kMemory);
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(Admit("a").admitted());
  EXPECT_EQ(isolation_->limits_level(), MemoryLevel::kSoft);
  clock_.Advance(milliseconds(4999));
  EXPECT_EQ(isolation_->limits_level(), MemoryLevel::kSoft);
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(isolation_->limits_level(), MemoryLevel::kNormal);
  EXPECT_EQ(isolation_->slots().slots(), 4u);
  EXPECT_THAT(
      events_,
      ElementsAre(
          "limits of admission changed level=soft slots=2 budget_bytes=50",
          "limits of admission changed level=hard slots=0 budget_bytes=0",
          "limits of admission changed level=soft slots=2 budget_bytes=50",
          "limits of admission changed level=normal slots=4 "
          "budget_bytes=100"));
}

// 7.1, rule 11: a level that flutters gives nothing back.
TEST_F(IsolationTest, AFlutteringLevelKeepsTheLimitsLow) {
  Make();
  isolation_->SetMemoryLevel(MemoryLevel::kSoft);
  for (int i = 0; i < 20; ++i) {
    isolation_->SetMemoryLevel(MemoryLevel::kNormal);
    clock_.Advance(seconds(3));
    EXPECT_EQ(isolation_->limits_level(), MemoryLevel::kSoft);
    isolation_->SetMemoryLevel(MemoryLevel::kSoft);
    clock_.Advance(seconds(3));
  }
  EXPECT_EQ(events_.size(), 1u);
  // Told again and again that it is normal: the first time counts.
  for (int i = 0; i < 6; ++i) {
    isolation_->SetMemoryLevel(MemoryLevel::kNormal);
    clock_.Advance(seconds(1));
  }
  EXPECT_EQ(isolation_->limits_level(), MemoryLevel::kNormal);
}

TEST_F(IsolationTest, WorksWithoutMetricsEventsAndPeers) {
  options_.metrics = nullptr;
  options_.on_event = nullptr;
  Make();
  isolation_->SetMemoryLevel(MemoryLevel::kSoft);
  const HeavyWork a = Admit("");
  const HeavyWork b = Admit("");
  EXPECT_TRUE(a.admitted());
  EXPECT_EQ(Admit("").refusal(), Refusal::kMemory);
  RequestBytes body = isolation_->BeginBytes(1);
  EXPECT_EQ(isolation_->TakeBytes(&body, 1), Refusal::kNone);
  EXPECT_TRUE(isolation_->Connect("x").admitted());
  isolation_->UpdateMetrics();
}

TEST_F(IsolationTest, ImpossibleOptionsAreRefused) {
  options_.restore_after = seconds(-1);
  EXPECT_THAT(Isolation::Create(options_),
              StatusIs(Code::kInvalidArgument, HasSubstr("restore_after")));
  options_.restore_after = {};
  options_.slots.classes.clear();
  EXPECT_THAT(Isolation::Create(options_),
              StatusIs(Code::kInvalidArgument, HasSubstr("classes")));
}

TEST_F(IsolationTest, ThreadsComeAndGoWhileTheLevelChanges) {
  options_.restore_after = {};
  options_.on_event = nullptr;
  Make();
  std::atomic<int> inside{0};
  std::atomic<bool> is_too_many{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3000; ++i) {
        if (t == 0 && i % 50 == 0) {
          isolation_->SetMemoryLevel(static_cast<MemoryLevel>(i / 50 % 3));
        }
        const HeavyWork work = Admit(t % 2 == 0 ? "even" : "odd");
        if (!work.admitted()) continue;
        if (inside.fetch_add(1) >= 4) is_too_many = true;
        const HeavyWork nested = Admit("even", work.token());
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(is_too_many);
  EXPECT_EQ(isolation_->slots().in_use(0), 0u);
  EXPECT_EQ(isolation_->heavy_peers().peers(), 0u);
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_slots_in_use{class=\"read\"} 0\n"));
}

// 7.1, rule 13.
TEST(StarvationTest, TellsHowLateALoopRunsAndWhatItDropped) {
  FakeClock clock;
  const auto metrics = std::move(Metrics::Create()).value();
  auto raft = Starvation::Create("raft", metrics.get());
  ASSERT_THAT(raft, IsOk());
  EXPECT_EQ(raft->p99_seconds(), 0);
  const MonotonicTime due = clock.Monotonic();
  for (int i = 0; i < 98; ++i) raft->OnDue(due, due + milliseconds(3));
  raft->OnDue(due, due - milliseconds(1));  // early is not late
  EXPECT_EQ(raft->p99_seconds(), 0.005);
  for (int i = 0; i < 2; ++i) raft->OnDue(due, due + seconds(7));
  EXPECT_EQ(raft->p99_seconds(), 10);
  for (int i = 0; i < 10; ++i) raft->OnDue(due, due + seconds(60));
  EXPECT_EQ(raft->p99_seconds(), std::numeric_limits<double>::infinity());
  raft->OnQueueFull();
  std::string page;
  EXPECT_THAT(metrics->AppendTextPage(&page), IsOk());
  EXPECT_THAT(page,
              HasSubstr("fodc_guard_queue_full_total{loop=\"raft\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fodc_guard_loop_lateness_seconds_bucket{loop="
                              "\"raft\",le=\"0.005\"} 99\n"));
  EXPECT_THAT(Starvation::Create("raft", nullptr),
              StatusIs(Code::kInvalidArgument, HasSubstr("metrics")));
}

}  // namespace
}  // namespace fodc::guard
