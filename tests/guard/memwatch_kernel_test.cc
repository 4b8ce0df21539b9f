// SPDX-License-Identifier: Apache-2.0
// The memory watchdog in real memory cgroups: what the kernel would kill stops
// by itself, and what looks like memory and is none does not stop it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"
#include "fodc/guard/soft_limit.h"
#include "tests/guard/memory_child.h"
#include "tests/support/allocation_count.h"
#include "tests/support/wait.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using test::ChildEnd;
using test::MemoryGroup;
using ::testing::HasSubstr;

constexpr std::uint64_t kMib = 1 << 20;
constexpr double kMegabyte = 1e6;

// Codes of children that say what they saw.
constexpr int kFired = 2;
constexpr int kDidNotFire = 0;
constexpr int kBroken = 99;

class MemwatchKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string why = test::WhyNoMemoryGroups();
    if (!why.empty()) {
      std::printf("SKIPPED: no memory cgroups: %s\n", why.c_str());
      GTEST_SKIP();
    }
  }
  static std::unique_ptr<Memwatch> Started(MemwatchOptions options) {
    auto watch = Memwatch::Create(std::move(options));
    if (!watch.ok() || !(*watch)->Start().ok()) ::_exit(kBroken);
    return *std::move(watch);
  }
  // What an embedding database does, grown at a rate.
  static int GrowGuarded(double percent, double bytes_per_second) {
    auto life = Life::Begin({});
    if (!life.ok()) return kBroken;
    std::atomic<bool> stop{false};
    MemwatchOptions options;
    options.hard.percent = percent;
    options.life = life->get();
    options.on_pressure = [&stop](const MemoryState&) { stop = true; };
    const auto watch = Started(std::move(options));
    (void)test::Grow(bytes_per_second, 1024 * kMib, stop);
    return (*life)->Conclude(OkStatus());
  }
};

TEST_F(MemwatchKernelTest, WithoutAGuardTheKernelKills) {
  const MemoryGroup group("guard-none", 256 * kMib);
  const ChildEnd end = RunInGroup(group, [] {
    const std::atomic<bool> never{false};
    (void)test::Grow(1000 * kMegabyte, 1024 * kMib, never);
    return 0;
  });
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.oom_kills, 1);
}

class MemwatchGrowthTest
    : public MemwatchKernelTest,
      public ::testing::WithParamInterface<std::pair<int, int>> {};

TEST_P(MemwatchGrowthTest, StopsWithCode2AndNoKill) {
  const auto [megabytes_per_second, percent] = GetParam();
  const MemoryGroup group("guard-grow", 512 * kMib);
  const ChildEnd end =
      RunInGroup(group, [m = megabytes_per_second, p = percent] {
        return GrowGuarded(p, m * kMegabyte);
      });
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.code, 2);
  EXPECT_EQ(end.oom_kills, 0);
}
// 4000 MB/s at 90 % leave 13 ms: the benchmark counts how often they are
// enough.
INSTANTIATE_TEST_SUITE_P(Rates, MemwatchGrowthTest,
                         ::testing::Values(std::pair(200, 75),
                                           std::pair(200, 90),
                                           std::pair(1000, 75),
                                           std::pair(1000, 90),
                                           std::pair(4000, 75)));

TEST_F(MemwatchKernelTest, ALimitOfAnAncestorIsTheLimit) {
  const MemoryGroup group("guard-parent", 256 * kMib);
  const test::Group inner("inner", group.group().path());
  // Joined after the group itself: the child is in the inner one.
  const ChildEnd end = RunInGroup(
      group, [] { return GrowGuarded(75, 200 * kMegabyte); }, &inner);
  EXPECT_TRUE(end.StoppedCleanly()) << end.signal << " " << end.code;
}

TEST_F(MemwatchKernelTest, TheKernelsEventAloneIsSoonEnough) {
  const MemoryGroup group("guard-event", 256 * kMib);
  const ChildEnd end = RunInGroup(group, [] {
    std::atomic<bool> stop{false};
    MemwatchOptions options;
    options.hard.percent = 75;
    options.adaptive = false;
    options.poll_interval = std::chrono::hours(1);
    options.on_pressure = [&stop](const MemoryState&) { stop = true; };
    const auto watch = Started(std::move(options));
    (void)test::Grow(200 * kMegabyte, 1024 * kMib, stop);
    return stop ? kFired : kDidNotFire;
  });
  EXPECT_TRUE(end.StoppedCleanly()) << end.signal << " " << end.code;
}

// Runs `work` with a watchdog at 75 % of `source`; whether it fired.
int FiredDuring(MemorySource source, std::uint64_t threshold_bytes,
                const std::function<void(const Memwatch&)>& work) {
  std::atomic<bool> fired{false};
  MemwatchOptions options;
  options.source = source;
  options.hard.bytes = threshold_bytes;
  options.adaptive = false;
  options.poll_interval = std::chrono::milliseconds(10);
  options.deadline = std::chrono::seconds(0);
  options.on_pressure = [&fired](const MemoryState&) { fired = true; };
  auto watch = Memwatch::Create(std::move(options));
  if (!watch.ok() || !(*watch)->Start().ok()) return kBroken;
  work(**watch);
  (*watch)->Stop();
  return fired ? kFired : kDidNotFire;
}

// So that the watchdog has looked at what is now.
void AwaitLevel(const Memwatch& watch, std::uint64_t at_least_rss) {
  (void)test::WaitUntil(
      [&] { return watch.state().rss_bytes.value_or(0) >= at_least_rss; }, 10s,
      5ms);
}

TEST_F(MemwatchKernelTest, PageCacheDoesNotFire) {
  const MemoryGroup group("guard-cache", 128 * kMib);
  const TempDirectory tree;
  std::uint64_t most = 0;
  const ChildEnd end = RunInGroup(group, [&] {
    return FiredDuring(MemorySource::kAuto, 96 * kMib, [&](const Memwatch&) {
      const int fd = ::open(tree.File("cache").c_str(),
                            O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      const std::vector<char> block(kMib, 'x');
      for (int i = 0; i < 300; ++i) {
        if (!WriteAll(fd, {block.data(), block.size()}, "cache").ok()) {
          ::_exit(kBroken);
        }
        most = std::max(most, group.usage_bytes());
      }
      (void)::fsync(fd);
      std::vector<char> into(kMib);
      for (int round = 0; round < 2; ++round) {  // twice: active pages
        for (int i = 0; i < 100; ++i) {
          (void)!::pread(fd, into.data(), into.size(), i * 1048576L);
          most = std::max(most, group.usage_bytes());
        }
      }
      // Usage alone would have fired.
      if (most < 100 * kMib) ::_exit(kBroken);
    });
  });
  EXPECT_EQ(end.code, kDidNotFire);
  EXPECT_EQ(end.oom_kills, 0);
}

TEST_F(MemwatchKernelTest, AnUntouchedGigabyteDoesNotFire) {
  const MemoryGroup group("guard-untouched", 128 * kMib);
  const ChildEnd end = RunInGroup(group, [] {
    for (const MemorySource source :
         {MemorySource::kAuto, MemorySource::kRss}) {
      const int code =
          FiredDuring(source, 96 * kMib, [](const Memwatch& watch) {
            void* at = ::malloc(1024 * kMib);  // NOLINT: never touched
            if (at == nullptr) ::_exit(kBroken);
            (void)test::WaitUntil([] { return false; }, 100ms, 10ms);
            if (!watch.state().rss_bytes) ::_exit(kBroken);
            ::free(at);  // NOLINT
          });
      if (code != kDidNotFire) return code;
    }
    return kDidNotFire;
  });
  EXPECT_EQ(end.code, kDidNotFire);
}

// 200 MB in small blocks of which one in 64 stays.
std::vector<void*> Fragment() {
  std::vector<void*> kept;
  std::vector<void*> all;
  for (std::size_t i = 0; i < 200'000; ++i) {
    void* at = ::malloc(1000);  // NOLINT: glibc's heap is what is tested
    std::memset(at, 1, 1000);
    (i % 64 == 0 ? kept : all).push_back(at);
  }
  for (void* at : all) ::free(at);  // NOLINT
  return kept;
}

TEST_F(MemwatchKernelTest, FragmentsFireThoughLittleOfTheHeapIsInUse) {
  const MemoryGroup group("guard-fragments", 512 * kMib);
  const auto with = [&group](MemorySource source) {
    return RunInGroup(group,
                      [source] {
                        return FiredDuring(
                            source, 150 * kMib, [](const Memwatch& watch) {
                              const std::vector<void*> kept = Fragment();
                              AwaitLevel(watch, 150 * kMib);
                              // The heap's own number is looked at once a
                              // second.
                              (void)test::WaitUntil([] { return false; },
                                                    1200ms, 100ms);
                              if (watch.state().rss_bytes < 150 * kMib)
                                ::_exit(kBroken);
                            });
                      })
        .code;
  };
  EXPECT_EQ(with(MemorySource::kRss), kFired);
  EXPECT_EQ(with(MemorySource::kCgroup), kFired);
}

TEST_F(MemwatchKernelTest, NothingIsAllocatedWithRealSources) {
  const MemoryGroup group("guard-alloc", 256 * kMib);
  for (const MemorySource source :
       {MemorySource::kCgroup, MemorySource::kRss}) {
    const ChildEnd end = RunInGroup(group, [source] {
      std::uint64_t at_soft = 0;
      std::uint64_t allocated = UINT64_MAX;
      std::atomic<bool> soft{false};
      std::atomic<bool> stop{false};
      MemwatchOptions options;
      options.source = source;
      options.soft.bytes = 64 * kMib;
      options.hard.bytes = 192 * kMib;
      options.adaptive = false;
      options.predict = false;
      options.poll_interval = std::chrono::milliseconds(10);
      options.on_pressure = [&](const MemoryState&) {
        allocated = test::AllocationCount() - at_soft;
        stop = true;
      };
      auto watch = Memwatch::Create(std::move(options));
      if (!watch.ok()) return kBroken;
      (void)(*watch)->Subscribe([&](MemoryLevel, const MemoryState& s) {
        // What this test itself allocates is before.
        if (s.level == MemoryLevel::kSoft) at_soft = test::AllocationCount();
      });
      if (!(*watch)->Start().ok()) return kBroken;
      // A second, a hundred samples.
      (void)test::Grow(120 * kMegabyte, 512 * kMib, stop);
      (*watch)->WaitDone();
      return allocated == 0 ? kFired : kBroken;
    });
    EXPECT_EQ(end.code, kFired) << MemorySourceName(source);
  }
}

TEST_F(MemwatchKernelTest, TheNextLifeKnowsThatTheKernelKilled) {
  const MemoryGroup group("guard-life", 64 * kMib);
  const TempDirectory tree;
  const auto live = [&tree](const std::function<int(Life*)>& body) {
    auto life = Life::Begin({.directory = tree.File("life"),
                             .events = {},
                             .metrics = nullptr,
                             .clock = nullptr});
    return life.ok() ? body(life->get()) : kBroken;
  };
  ChildEnd end = RunInGroup(group, [&] {
    return live([](Life*) {
      const std::atomic<bool> never{false};
      return static_cast<int>(test::Grow(1000 * kMegabyte, 512 * kMib, never));
    });
  });
  EXPECT_EQ(end.oom_kills, 1);
  const auto previous = [&] {
    return RunInGroup(group,
                      [&] {
                        return live([](Life* life) {
                          return life->previous()
                                     ? static_cast<int>(life->previous()->cause)
                                     : kBroken;
                        });
                      })
        .code;
  };
  EXPECT_EQ(previous(), static_cast<int>(ExitCause::kOomKill));
  EXPECT_THAT(ReadFile(tree.File("life/last-exit.json")).value(),
              HasSubstr("\"cause\":\"oom_kill\""));
  // That one ended without a word, and nobody was killed for memory.
  EXPECT_EQ(previous(), static_cast<int>(ExitCause::kKilled));
}

TEST_F(MemwatchKernelTest, AShutdownThatHangsAtTheWallEndsByTheDeadline) {
  const MemoryGroup group("guard-deadline", 256 * kMib);
  const ChildEnd end = RunInGroup(group, []() -> int {
    std::atomic<bool> stop{false};
    MemwatchOptions options;
    options.hard.percent = 75;
    options.deadline = std::chrono::milliseconds(100);
    options.on_pressure = [&stop](const MemoryState&) { stop = true; };
    const auto watch = Started(std::move(options));
    (void)test::Grow(1000 * kMegabyte, 1024 * kMib, stop);
    for (;;) ::pause();
  });
  EXPECT_TRUE(end.StoppedCleanly()) << end.signal << " " << end.code;
}

TEST_F(MemwatchKernelTest, TheSoftLimitGivesFragmentsBack) {
  const MemoryGroup group("guard-soft", 256 * kMib);
  const ChildEnd end = RunInGroup(group, [] {
    auto metrics = Metrics::Create();
    SoftLimiterOptions options;
    options.limit = {.kind = SoftLimit::Kind::kBytes, .bytes = 128 * kMib};
    options.metrics = metrics->get();
    const std::vector<void*> kept = Fragment();
    auto limiter = SoftLimiter::Create(std::move(options));
    if (!limiter.ok() || !(*limiter)->Start().ok()) return kBroken;
    const Counter& given = **(*metrics)->FindCounter(
        "fodc_guard_memory_reclaimed_bytes_total", {{"step", "allocator"}});
    const bool back = test::WaitUntil(
        [&given] { return given.value() > 100 * kMib; }, 10s, 5ms);
    return back ? kFired : kDidNotFire;
  });
  EXPECT_EQ(end.code, kFired);
}

TEST_F(MemwatchKernelTest, RealTimePriorityIsTakenWhereItIsAllowed) {
  const MemoryGroup group("guard-realtime", 256 * kMib);
  const ChildEnd end = RunInGroup(group, [] {
    std::string refused;
    int policy = -1;
    MemwatchOptions options;
    options.hard.bytes = 1;
    options.realtime_priority = 1;
    options.events = [&refused](const Event& e) {
      if (e.message == "real-time priority is refused") refused = e.message;
    };
    options.on_pressure = [&policy](const MemoryState&) {
      policy = ::sched_getscheduler(0);
    };
    const auto watch = Started(std::move(options));
    watch->WaitDone();
    return (policy == SCHED_FIFO) == refused.empty() ? kFired : kBroken;
  });
  EXPECT_EQ(end.code, kFired);
}

}  // namespace
}  // namespace fodc::guard
