// SPDX-License-Identifier: Apache-2.0
// The watchdog around its decisions, with scripted sources and waits.
#include "fodc/guard/memwatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "event_log.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "memwatch_impl.h"
#include "tests/support/allocation_count.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t kMib = 1 << 20;

// What the sampler gives, one after the other; the last for ever.
struct Script {
  // Of an auto source under a cgroup limit. Nothing: the sample fails.
  std::vector<std::optional<std::uint64_t>> mib;
  std::vector<std::uint64_t> limits_mib = {1000};  // one per ReadLimits
  MemorySource source = MemorySource::kCgroup;
  bool can_fall_back = true;
  bool too_slow = false;
};

class ScriptedSampler final : public MemorySampler {
 public:
  explicit ScriptedSampler(Script script) : script_(std::move(script)) {}

  Sample Read() override {
    const std::size_t i = std::min(reads_++, script_.mib.size() - 1);
    Sample s;
    // Beside the source that fails, the other still tells.
    s.rss_bytes = 7 * kMib;
    if (source() == MemorySource::kRss) {
      s.bytes = s.rss_bytes;
    } else if (script_.mib[i]) {
      s.bytes = *script_.mib[i] * kMib;
      s.cgroup_bytes = s.bytes;
    }
    s.too_slow = script_.too_slow && source() == MemorySource::kHeapGlibc;
    return s;
  }
  Status last_error() const override { return DataLoss("stat is damaged"); }
  MemorySource source() const override {
    return fell_back_ ? MemorySource::kRss : script_.source;
  }
  bool FallBack() override {
    if (!script_.can_fall_back || fell_back_) return false;
    return fell_back_ = true;
  }
  void ReadLimits() override {
    if (limit_ + 1 < script_.limits_mib.size()) ++limit_;
  }
  std::uint64_t limit_bytes() const override {
    return script_.limits_mib[limit_] * kMib;
  }
  bool has_cgroup_limit() const override { return true; }
  std::optional<CgroupDirectory> group() const override {
    return CgroupDirectory{
        .version = CgroupVersion::kV1, .mount = "/m", .path = "/m/g"};
  }
  std::optional<CgroupDirectory> unified_group() const override { return {}; }

 private:
  Script script_;
  std::size_t reads_ = 0;
  std::size_t limit_ = 0;
  bool fell_back_ = false;
};

// Moves the clock instead of waiting; after so many waits it is stopped.
class FakeWaiter final : public WatchWaiter {
 public:
  FakeWaiter(FakeClock* clock, std::size_t waits,
             std::vector<std::string>* calls)
      : clock_(clock), waits_(waits), calls_(calls) {}
  Woke Wait(std::chrono::nanoseconds at_most) override {
    if (stopped_ || waits_ == 0) return Woke::kStop;
    --waits_;
    calls_->push_back(FormatGoDuration(at_most));
    clock_->Advance(at_most);
    return Woke::kTime;
  }
  void Stop() override { stopped_ = true; }
  Status WatchGroup(const CgroupDirectory& group, std::uint64_t soft_bytes,
                    std::uint64_t hard_bytes) override {
    calls_->push_back(
        StrCat(group.path, " ", soft_bytes / kMib, " ", hard_bytes / kMib));
    return OkStatus();
  }
  Result<std::string> WatchStalls(
      const std::optional<CgroupDirectory>&) override {
    return Unimplemented("no PSI");
  }

 private:
  FakeClock* clock_;
  std::size_t waits_;
  std::vector<std::string>* calls_;
  std::atomic<bool> stopped_{false};
};

class MemwatchTest : public ::testing::Test {
 protected:
  MemwatchTest() {
    options_.hard.percent = 90;
    options_.on_pressure = [this](const MemoryState& s) {
      ++fired_;
      state_ = s;
    };
    options_.deadline = 0s;
    options_.reserve_bytes = 1;
    options_.kernel_events = false;
    options_.events = log_.sink();
    options_.metrics = metrics_.get();
    options_.clock = &clock_;
  }
  Result<std::unique_ptr<Memwatch>> Make(Script script,
                                         std::size_t waits = 1000) {
    return MakeMemwatch(options_,
                        std::make_unique<ScriptedSampler>(std::move(script)),
                        std::make_unique<FakeWaiter>(&clock_, waits, &calls_));
  }
  // Until it fires or has waited so many times.
  void Run(Script script, std::size_t waits = 1000) {
    auto watch = Make(std::move(script), waits);
    ASSERT_THAT(watch, IsOk());
    ASSERT_THAT((*watch)->Start(), IsOk());
    (*watch)->WaitDone();
    (*watch)->Stop();
    last_ = (*watch)->state();
  }
  std::string Page() {
    std::string page;
    EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
    return page;
  }
  std::vector<std::string> Lines(std::string_view with) {
    std::vector<std::string> out;
    for (const std::string& line : log_.lines()) {
      if (line.find(with) != std::string::npos) out.push_back(line);
    }
    return out;
  }

  FakeClock clock_;
  EventLog log_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
  MemwatchOptions options_;
  std::vector<std::string> calls_;
  std::atomic<int> fired_{0};
  MemoryState state_;
  MemoryState last_;
};

TEST_F(MemwatchTest, OffItMakesNoThreadAndIsDoneAtOnce) {
  options_.hard = {};
  auto watch = Memwatch::Create(options_);
  ASSERT_THAT(watch, IsOk());
  EXPECT_FALSE((*watch)->enabled());
  EXPECT_FALSE((*watch)->done());
  ASSERT_THAT((*watch)->Start(), IsOk());
  EXPECT_TRUE((*watch)->done());
  EXPECT_THAT(log_.lines(), IsEmpty());
  EXPECT_EQ((*watch)->level(), MemoryLevel::kNormal);
}

// R10: the clock of this test moves in waits only, and there is none.
TEST_F(MemwatchTest, R10FiresOnTheFirstSampleBeforeAnyWait) {
  Run({.mib = {950}}, 0);
  EXPECT_EQ(fired_, 1);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_THAT(Lines("right at the start"),
              ElementsAre(StrCat("WARN memory is over the threshold right at "
                                 "the start baseline_bytes=",
                                 950 * kMib, " threshold_bytes=", 900 * kMib)));
}

TEST_F(MemwatchTest, FiresOnceSaysSoAndEnds) {
  Run({.mib = {100, 950}});
  EXPECT_EQ(fired_, 1);
  EXPECT_EQ(state_.level, MemoryLevel::kHard);
  EXPECT_EQ(state_.bytes, 950 * kMib);
  EXPECT_EQ(state_.rss_bytes, 7 * kMib);
  EXPECT_THAT(Lines("memory pressure shutdown"),
              ElementsAre(StrCat(
                  "WARN memory pressure shutdown source=cgroup bytes=",
                  950 * kMib, " rss_bytes=", 7 * kMib,
                  " cgroup_bytes=", 950 * kMib, " limit_bytes=", 1000 * kMib,
                  " threshold_bytes=", 900 * kMib, " level=hard")));
}

// R7: what is said is what the loop uses.
TEST_F(MemwatchTest, R7TheStartSaysTheSettingsInForce) {
  options_.poll_interval = 1ms;
  options_.adaptive = false;
  Run({.mib = {100}}, 2);
  EXPECT_THAT(log_.lines(),
              Contains(AllOf(
                  StartsWith(StrCat("INFO memory watchdog enabled "
                                    "threshold_bytes=",
                                    900 * kMib, " poll_interval=10ms")),
                  HasSubstr("source=cgroup"), HasSubstr("made for a heap"))));
  EXPECT_THAT(calls_, ElementsAre("10ms", "10ms"));
}

TEST_F(MemwatchTest, AnIntervalOfZeroIsSaidAsASecond) {
  options_.poll_interval = 0s;
  Run({.mib = {100}}, 1);
  EXPECT_THAT(Lines("enabled"), ElementsAre(HasSubstr("poll_interval=1s")));
}

TEST_F(MemwatchTest, StopEndsTheLoopWithoutFiring) {
  auto watch = Make({.mib = {100}}, SIZE_MAX);
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->Stop();
  EXPECT_TRUE((*watch)->done());
  EXPECT_EQ(fired_, 0);
}

TEST_F(MemwatchTest, TheRealWaitEndsAtOnceWhenItIsStopped) {
  options_.clock = nullptr;
  options_.poll_interval = 1000s;
  options_.adaptive = false;
  auto watch = MakeMemwatch(
      options_, std::make_unique<ScriptedSampler>(Script{.mib = {100}}), {});
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->Stop();
  EXPECT_TRUE((*watch)->done());
}

// R4: nothing is shared between two of them.
TEST_F(MemwatchTest, R4OneThatIsBlockedInItsCallbackDoesNotHoldAnother) {
  std::promise<void> entered;
  std::promise<void> leave;
  options_.on_pressure = [&](const MemoryState&) {
    entered.set_value();
    leave.get_future().wait();
  };
  auto blocked = Make({.mib = {950}});
  ASSERT_THAT(blocked, IsOk());
  ASSERT_THAT((*blocked)->Start(), IsOk());
  entered.get_future().wait();
  options_.on_pressure = [this](const MemoryState&) { ++fired_; };
  Run({.mib = {950}});
  EXPECT_EQ(fired_, 1);
  EXPECT_FALSE((*blocked)->done());
  leave.set_value();
  (*blocked)->WaitDone();
}

// R5: it starts once, whoever asks.
TEST_F(MemwatchTest, R5TwoThreadsThatStartItMakeOneLoop) {
  auto watch = Make({.mib = {100, 950}});
  ASSERT_THAT(watch, IsOk());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { (void)(*watch)->Start(); });
  }
  for (std::thread& t : threads) t.join();
  (*watch)->WaitDone();
  EXPECT_EQ(fired_, 1);
  EXPECT_THAT(Lines("memory watchdog enabled"), ::testing::SizeIs(1));
}

TEST_F(MemwatchTest, SubscribersLearnOfEachChangeOfLevel) {
  options_.predict = false;
  auto watch = Make({.mib = {100, 850, 850, 100, 850, 950}});
  ASSERT_THAT(watch, IsOk());
  std::vector<std::string> seen;
  ASSERT_THAT(
      (*watch)->Subscribe([&](MemoryLevel before, const MemoryState& now) {
        seen.push_back(StrCat(MemoryLevelName(before), ">",
                              MemoryLevelName(now.level), " fired ",
                              fired_.load()));
      }),
      IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  EXPECT_THAT((*watch)->Subscribe({}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("before")));
  (*watch)->WaitDone();
  EXPECT_THAT(seen, ElementsAre("normal>soft fired 0", "soft>normal fired 0",
                                "normal>soft fired 0", "soft>hard fired 0"));
  EXPECT_EQ((*watch)->level(), MemoryLevel::kHard);
}

TEST_F(MemwatchTest, WhatTheHostThrowsIsDropped) {
  options_.on_pressure = [this](const MemoryState&) {
    ++fired_;
    throw 5;
  };
  options_.events = [](const Event&) { throw 6; };
  Run({.mib = {950}});
  EXPECT_EQ(fired_, 1);
}

TEST_F(MemwatchTest, R13AnAutomaticSourceThatFailsIsReplacedAndItIsSaid) {
  options_.failures_to_unknown = 3;
  Run({.mib = {100, std::nullopt}}, 6);
  EXPECT_EQ(fired_, 0);
  EXPECT_THAT(Lines("memory source failed"),
              ElementsAre(HasSubstr("stat is damaged")));
  EXPECT_THAT(Lines("memory source replaced"),
              ElementsAre(HasSubstr("before=cgroup source=rss")));
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_memory_source_failures_total{"
                                "reason=\"read\",source=\"cgroup\"} 3\n"));
  EXPECT_THAT(Page(), HasSubstr("\nfodc_guard_memory_source_unknown 0\n"));
  EXPECT_EQ(last_.source, MemorySource::kRss);
}

TEST_F(MemwatchTest, R13ANamedSourceThatFailsIsUnknownNotZero) {
  Run({.mib = {100, std::nullopt}, .can_fall_back = false}, 15);
  EXPECT_EQ(fired_, 0);
  EXPECT_EQ(last_.bytes, std::nullopt);
  EXPECT_THAT(Lines("the watchdog is blind"), ::testing::SizeIs(1));
  const std::string page = Page();
  EXPECT_THAT(page, HasSubstr("\nfodc_guard_memory_source_unknown 1\n"));
  EXPECT_THAT(page, Not(HasSubstr("fodc_guard_memory_bytes{source=\"cgroup")));
}

TEST_F(MemwatchTest, AGlibcHeapThatStallsTheProcessIsDropped) {
  options_.source = MemorySource::kHeapGlibc;
  Run({.mib = {100}, .source = MemorySource::kHeapGlibc, .too_slow = true}, 3);
  EXPECT_THAT(Lines("stops all threads"), ::testing::SizeIs(1));
  EXPECT_THAT(Lines("memory source replaced"),
              ElementsAre(AllOf(HasSubstr("before=heap-glibc source=rss"),
                                HasSubstr("20 ms"))));
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_memory_source_failures_total{"
                                "reason=\"slow\",source=\"heap-glibc\"} 1\n"));
  EXPECT_THAT(calls_, ElementsAre("1s", Not("1s"), Not("1s")));
}

TEST_F(MemwatchTest, LimitsAreReadAnewEvery30Seconds) {
  options_.adaptive = false;
  options_.kernel_events = true;
  options_.poll_interval = 10s;
  Run({.mib = {500}, .limits_mib = {1000, 2000, 500}}, 10);
  EXPECT_EQ(fired_, 1);
  EXPECT_THAT(Lines("memory limit changed"), ::testing::SizeIs(2));
  // And the kernel is asked for events at the new lines.
  EXPECT_THAT(calls_,
              ElementsAre("/m/g 800 900", "10s", "10s", "10s", "/m/g 1600 1800",
                          "10s", "10s", "10s", "/m/g 400 450"));
}

TEST_F(MemwatchTest, EventsThatTheKernelRefusesAreSaid) {
  options_.kernel_events = true;
  Run({.mib = {500}}, 1);
  EXPECT_THAT(Lines("memory stalls are not watched"),
              ElementsAre(HasSubstr("no PSI")));
}

TEST_F(MemwatchTest, ItsGaugesTellTheLastSample) {
  options_.pressure_profiler_gauges = true;
  Run({.mib = {100, 200}}, 1);
  const std::string page = Page();
  for (const std::string& line :
       {StrCat("fodc_guard_memory_bytes{source=\"cgroup\"} ", 200 * kMib),
        StrCat("fodc_guard_memory_bytes{source=\"rss\"} ", 7 * kMib),
        StrCat("fodc_guard_memory_limit_bytes ", 1000 * kMib),
        StrCat("fodc_guard_memory_threshold_bytes{level=\"hard\"} ",
               900 * kMib),
        StrCat("fodc_guard_memory_threshold_bytes{level=\"soft\"} ",
               800 * kMib),
        std::string("fodc_guard_memory_level 0"),
        StrCat("process_resident_memory_bytes ", 7 * kMib),
        StrCat("banyandb_memory_protector_cgroup_limit_bytes ", 1000 * kMib)}) {
    EXPECT_THAT(page, HasSubstr(StrCat("\n", line, "\n")));
  }
  EXPECT_THAT(page, HasSubstr("\nfodc_guard_memory_seconds_to_limit "));
  EXPECT_THAT(page, HasSubstr("\nfodc_guard_memory_poll_interval_seconds 0."));
}

TEST_F(MemwatchTest, ThresholdsThatDoNotRiseOnceTheLimitIsKnownAreRefused) {
  options_.hard = {.bytes = 700 * kMib};
  options_.soft = {.percent = 70};
  EXPECT_THAT(Make({.mib = {100}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("not below")));
}

TEST_F(MemwatchTest, AThresholdBeyondTheLimitIsSaid) {
  options_.hard = {.bytes = 1000 * kMib};
  Run({.mib = {100}}, 0);
  EXPECT_THAT(Lines("the kernel is first"), ::testing::SizeIs(1));
}

TEST_F(MemwatchTest, AnUnknownSourceAndOneThatIsNotThereAreErrors) {
  EXPECT_THAT(ParseMemorySource("heap"),
              StatusIs(Code::kInvalidArgument,
                       AllOf(HasSubstr("\"heap\""), HasSubstr("cgroup"))));
  EXPECT_EQ(*ParseMemorySource("heap-jemalloc"), MemorySource::kHeapJemalloc);
  options_.source = MemorySource::kHeapJemalloc;
  EXPECT_THAT(Memwatch::Create(options_),
              StatusIs(Code::kNotFound, HasSubstr("heap-jemalloc")));
}

TEST_F(MemwatchTest, RealTimeThatIsRefusedIsSaidAndNotFatal) {
  options_.realtime_priority = 1000;
  Run({.mib = {950}});
  EXPECT_EQ(fired_, 1);
  EXPECT_THAT(Lines("real-time priority is refused"), ::testing::SizeIs(1));
}

class MemwatchLifeTest : public MemwatchTest {
 protected:
  // Ends by pressure after `age`, if it fires.
  void Live(Script script, std::size_t waits = 1000) {
    auto life = Life::Begin({.directory = tree_.path(),
                             .events = log_.sink(),
                             .metrics = nullptr,
                             .clock = &clock_});
    ASSERT_THAT(life, IsOk());
    options_.life = life->get();
    Run(std::move(script), waits);
    code_ = (*life)->Conclude(OkStatus());
  }
  TempDirectory tree_;
  int code_ = -1;
};

TEST_F(MemwatchLifeTest, FiringIsTheCauseAndCode2WithTheNumbers) {
  Live({.mib = {950}});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(ReadFile(tree_.File("last-exit.json")).value(),
              AllOf(HasSubstr("\"cause\":\"pressure\""),
                    HasSubstr(StrCat("\"rss_bytes\":", 7 * kMib)),
                    HasSubstr(StrCat("\"limit_bytes\":", 1000 * kMib)),
                    HasSubstr(StrCat("\"threshold_bytes\":", 900 * kMib))));
}

TEST_F(MemwatchLifeTest, AStopThatCameFirstKeepsItsCode) {
  options_.on_pressure = [this](const MemoryState&) { ++fired_; };
  auto life = Life::Begin({.directory = tree_.path(),
                           .events = {},
                           .metrics = nullptr,
                           .clock = &clock_});
  ASSERT_TRUE((*life)->Claim(ExitCause::kStop));
  options_.life = life->get();
  Run({.mib = {950}});
  EXPECT_EQ((*life)->Conclude(OkStatus()), 0);
}

// A threshold below what the process needs at rest would stop it for ever.
TEST_F(MemwatchLifeTest, AfterThreeStopsAtTheStartItLeavesTheKernelToDecide) {
  for (int i = 0; i < 3; ++i) Live({.mib = {950}});
  EXPECT_EQ(fired_, 3);
  Live({.mib = {950}}, 5);
  EXPECT_EQ(fired_, 3);
  EXPECT_EQ(code_, 0);
  EXPECT_THAT(Lines("memory threshold below baseline"), ::testing::SizeIs(1));
  EXPECT_THAT(Page(),
              HasSubstr("\nfodc_guard_memory_threshold_below_baseline 1\n"));
}

TEST_F(MemwatchLifeTest, TheCrashLoopGuardCanBeOff) {
  options_.crash_loop_guard = false;
  for (int i = 0; i < 4; ++i) Live({.mib = {950}});
  EXPECT_EQ(fired_, 4);
}

TEST_F(MemwatchTest, NothingIsAllocatedBetweenTheFirstSampleAndTheCallback) {
  options_.events = {};
  std::uint64_t at_soft = 0;
  std::uint64_t at_hard = 1;
  std::vector<std::optional<std::uint64_t>> mib = {100, 850};
  mib.insert(mib.end(), 500, 850);
  mib.push_back(950);
  calls_.reserve(2000);
  options_.adaptive = false;  // "1s" is no allocation of the waiter's
  options_.predict = false;
  options_.on_pressure = [&](const MemoryState&) {
    at_hard = test::AllocationCount();
  };
  auto watch = Make({.mib = mib});
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Subscribe([&](MemoryLevel, const MemoryState& s) {
    if (s.level == MemoryLevel::kSoft) at_soft = test::AllocationCount();
  }),
              IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->WaitDone();
  EXPECT_EQ(at_hard, at_soft);
}

using DeadlineDeathTest = MemwatchTest;

TEST_F(DeadlineDeathTest, AShutdownThatHangsEndsWithCode2AfterItsFlush) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        options_.deadline = 1ms;
        options_.flush = [] { (void)std::fputs("flushed\n", stderr); };
        auto watch = Make({.mib = {950}});
        (void)(*watch)->Start();
        std::promise<void>().get_future().wait();
      },
      ::testing::ExitedWithCode(2), "flushed");
}

TEST_F(DeadlineDeathTest, ACallbackThatHangsEndsWithCode2) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        options_.deadline = 1ms;
        options_.on_pressure = [](const MemoryState&) {
          std::promise<void>().get_future().wait();
        };
        auto watch = Make({.mib = {950}});
        (void)(*watch)->Start();
        std::promise<void>().get_future().wait();
      },
      ::testing::ExitedWithCode(2), "");
}

TEST_F(MemwatchTest, AShutdownInTimeCallsTheDeadlineOff) {
  options_.deadline = 1h;
  Run({.mib = {950}});
  EXPECT_EQ(fired_, 1);
}

}  // namespace
}  // namespace fodc::guard
