// SPDX-License-Identifier: Apache-2.0
// The watchdog around its decisions.
#include "fodc/guard/memwatch.h"

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "memwatch_fixture.h"

namespace fodc::guard {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(MemwatchTest, OffItMakesNoThreadAndIsDoneAtOnce) {
  options_.hard = {};
  const auto count = [](const char* of) {
    return ListDirectory(StrCat("/proc/self/", of)).value_or({}).size();
  };
  const std::size_t threads = count("task");
  const std::size_t descriptors = count("fd");
  auto watch = Memwatch::Create(options_);
  ASSERT_THAT(watch, IsOk());
  EXPECT_FALSE((*watch)->enabled());
  EXPECT_FALSE((*watch)->done());
  ASSERT_THAT((*watch)->Start(), IsOk());
  EXPECT_TRUE((*watch)->done());
  EXPECT_EQ(count("task"), threads);
  EXPECT_EQ(count("fd"), descriptors);
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

TEST_F(MemwatchTest, AnIntervalWithoutEndIsADay) {
  options_.poll_interval = std::chrono::nanoseconds::max();
  options_.adaptive = false;
  Run({.mib = {100}}, 2);
  EXPECT_THAT(calls_, ElementsAre("24h0m0s", "24h0m0s"));
}

TEST_F(MemwatchTest, StopEndsTheLoopWithoutFiring) {
  auto watch = Make({.mib = {100}}, SIZE_MAX);
  ASSERT_THAT(watch, IsOk());
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->Stop();
  EXPECT_TRUE((*watch)->done());
  EXPECT_EQ(fired_, 0);
}

TEST_F(MemwatchTest, OneThatIsStoppedBeforeItStartedIsDoneAndStaysSo) {
  auto watch = Make({.mib = {950}});
  ASSERT_THAT(watch, IsOk());
  (*watch)->Stop();
  EXPECT_TRUE((*watch)->done());
  (*watch)->WaitDone();
  ASSERT_THAT((*watch)->Start(), IsOk());
  (*watch)->Stop();
  EXPECT_EQ(fired_, 0);
  EXPECT_THAT(log_.lines(), IsEmpty());
}

// A signal's stop beside that of whoever owns it.
TEST_F(MemwatchTest, AnyThreadsMayStartAndStopItAtOnce) {
  options_.deadline = 1h;
  for (int i = 0; i < 50; ++i) {
    auto watch = Make({.mib = {i % 2 == 0 ? 100U : 950U}}, SIZE_MAX);
    ASSERT_THAT(watch, IsOk());
    std::vector<std::thread> threads;
    threads.emplace_back([&] { (void)(*watch)->Start(); });
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        (*watch)->Stop();
        EXPECT_TRUE((*watch)->done());
      });
    }
    for (std::thread& t : threads) t.join();
    (*watch)->WaitDone();
  }
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
  threads.reserve(4);
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

TEST_F(MemwatchTest, WantOfMemoryForASampleEndsNeitherItNorTheProcess) {
  Run({.mib = {100, std::nullopt, std::nullopt, 950}, .throws = true});
  EXPECT_EQ(fired_, 1);
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_memory_source_failures_total{"
                                "reason=\"read\",source=\"cgroup\"} 2\n"));
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
  EXPECT_THAT(quiets_, ElementsAre("10ms", "10ms", "10ms"));
}

TEST_F(MemwatchTest, WhatTheKernelTellsHasNoSourceAskedBelowItsFloor) {
  Run({.mib = {100}}, 1);
  options_.source = MemorySource::kHeapGlibc;
  Run({.mib = {100}, .source = MemorySource::kHeapGlibc}, 1);
  EXPECT_THAT(quiets_, ElementsAre("10ms", "1s"));
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

// 0 is what turns the profiler of an agent off.
TEST_F(MemwatchTest, PhysicalMemoryIsNoLimitToTheProfiler) {
  options_.pressure_profiler_gauges = true;
  Run({.mib = {100}, .has_cgroup_limit = false}, 1);
  const std::string page = Page();
  EXPECT_THAT(page,
              HasSubstr("\nbanyandb_memory_protector_cgroup_limit_bytes 0\n"));
  EXPECT_THAT(page, HasSubstr(StrCat("\nfodc_guard_memory_limit_bytes ",
                                     1000 * kMib, "\n")));
}

// Soft limit 72 %, soft level 80 %, hard 90 %: they must rise in this order.
TEST_F(MemwatchTest, ASoftLimitThatIsNotBelowTheSoftLevelIsSaid) {
  options_.soft_limit_bytes = 799 * kMib;
  Run({.mib = {100}}, 0);
  EXPECT_THAT(Lines("is not below the soft level"), IsEmpty());
  options_.soft_limit_bytes = 800 * kMib;
  Run({.mib = {100}}, 0);
  EXPECT_THAT(
      Lines("is not below the soft level"),
      ElementsAre(AllOf(StartsWith("WARN"),
                        HasSubstr(StrCat("soft_limit_bytes=", 800 * kMib,
                                         " soft_bytes=", 800 * kMib,
                                         " hard_bytes=", 900 * kMib)))));
}

TEST_F(MemwatchTest, ThresholdsThatDoNotRiseOnceTheLimitIsKnownAreRefused) {
  options_.hard = {.bytes = 700 * kMib};
  options_.soft = {.percent = 70};
  EXPECT_THAT(Make({.mib = {100}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("not below")));
}

TEST_F(MemwatchTest, WithoutALimitItSaysSoOnceAndTakesPhysicalMemory) {
  options_.adaptive = false;
  options_.poll_interval = 10s;
  // 1000 MiB of physical memory, looked at anew every 30 s.
  Run({.mib = {899, 899, 899, 899, 899, 899, 899, 899, 900},
       .source = MemorySource::kHeapJemalloc,
       .has_cgroup_limit = false});
  EXPECT_EQ(fired_, 1);
  EXPECT_EQ(state_.threshold_bytes, 900 * kMib);
  EXPECT_EQ(calls_.size(), 8U);
  EXPECT_THAT(Lines("no memory limit"),
              ElementsAre(HasSubstr("instead=physical memory")));
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

}  // namespace
}  // namespace fodc::guard
