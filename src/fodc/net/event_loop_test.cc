// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/unique_fd.h"

namespace fodc::net {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EventLoopTest, RunsTimersInTheOrderOfTheirTimes) {
  FakeClock clock;
  EventLoop loop(clock);
  std::vector<int> order;
  const auto a = loop.RunAfter(20s, [&] { order.push_back(2); });
  const auto b = loop.RunAfter(10s, [&] { order.push_back(1); });
  const auto c = loop.RunAfter(20s, [&] { order.push_back(3); });
  loop.RunReady();
  EXPECT_THAT(order, ElementsAre());
  clock.Advance(10s);
  loop.RunReady();
  EXPECT_THAT(order, ElementsAre(1));
  clock.Advance(10s);
  loop.RunReady();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(EventLoopTest, CancelledTimersDoNotRunAndFreeWhatTheyHold) {
  FakeClock clock;
  EventLoop loop(clock);
  auto held = std::make_shared<int>(1);
  bool ran = false;
  auto timer = loop.RunAfter(1s, [&ran, held] { ran = true; });
  EXPECT_EQ(held.use_count(), 2);
  timer.Cancel();
  EXPECT_EQ(held.use_count(), 1);
  clock.Advance(2s);
  loop.RunReady();
  EXPECT_FALSE(ran);
}

TEST(EventLoopTest, ATimerCancelsAnotherThatIsDueWithIt) {
  FakeClock clock;
  EventLoop loop(clock);
  bool ran = false;
  EventLoop::Handle victim;
  const auto killer = loop.RunAfter(1s, [&] { victim.Cancel(); });
  victim = loop.RunAfter(1s, [&] { ran = true; });
  clock.Advance(1s);
  loop.RunReady();
  EXPECT_FALSE(ran);
}

TEST(EventLoopTest, TicksDoNotDriftWhenTheyComeLate) {
  FakeClock clock;
  EventLoop loop(clock);
  const MonotonicTime start = clock.Monotonic();
  std::vector<std::chrono::nanoseconds> planned;
  const auto timer = loop.RunEvery(
      10s,
      [&](const EventLoop::Tick& t) { planned.push_back(t.planned - start); },
      start);
  for (int i = 0; i < 3; ++i) {
    loop.RunReady();
    clock.Advance(10300ms);
  }
  EXPECT_THAT(planned, ElementsAre(0s, 10s, 20s));
}

TEST(EventLoopTest, SkipsMissedTicksAndCountsThem) {
  FakeClock clock;
  EventLoop loop(clock);
  std::vector<std::uint64_t> missed;
  MonotonicTime last;
  const MonotonicTime start = clock.Monotonic();
  const auto timer = loop.RunEvery(1s, [&](const EventLoop::Tick& t) {
    missed.push_back(t.missed);
    last = t.planned;
  });
  clock.Advance(1s);
  loop.RunReady();
  clock.Advance(4500ms);
  loop.RunReady();
  loop.RunReady();
  EXPECT_THAT(missed, ElementsAre(0u, 3u));
  EXPECT_EQ(last - start, 5s);
  EXPECT_EQ(loop.stats().ticks_missed, 3u);
}

TEST(EventLoopTest, APeriodicTimerMayCancelItself) {
  FakeClock clock;
  EventLoop loop(clock);
  int runs = 0;
  EventLoop::Handle timer;
  timer = loop.RunEvery(1s, [&](const EventLoop::Tick&) {
    ++runs;
    timer.Cancel();
  });
  clock.Advance(5s);
  loop.RunReady();
  clock.Advance(5s);
  loop.RunReady();
  EXPECT_EQ(runs, 1);
}

TEST(EventLoopTest, TimersFireByThemselvesUnderRun) {
  EventLoop loop(SystemClock());
  int ticks = 0;
  const auto timer = loop.RunEvery(2ms, [&](const EventLoop::Tick&) {
    if (++ticks == 3) loop.Stop();
  });
  loop.Run();
  EXPECT_GE(ticks, 3);
}

TEST(EventLoopTest, PostsFromOtherThreadsRunOnTheLoopInOrder) {
  EventLoop loop(SystemClock());
  std::vector<int> seen;
  bool in_loop = true;
  const std::thread::id here = std::this_thread::get_id();
  std::jthread poster([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.Post([&, i] {
        seen.push_back(i);
        in_loop = in_loop && std::this_thread::get_id() == here;
      });
    }
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_TRUE(in_loop);
}

TEST(EventLoopTest, AStopBeforeRunIsNotLost) {
  EventLoop loop(SystemClock());
  loop.Stop();
  loop.Run();
}

TEST(EventLoopTest, RefusesPostsBeyondTheBound) {
  FakeClock clock;
  EventLoop loop(clock, {.max_posted = 2});
  int ran = 0;
  EXPECT_TRUE(loop.TryPost([&] { ++ran; }));
  EXPECT_TRUE(loop.TryPost([&] { ++ran; }));
  EXPECT_FALSE(loop.TryPost([&] { ++ran; }));
  loop.RunReady();
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(loop.stats().posts_refused, 1u);
  EXPECT_TRUE(loop.TryPost([&] { ++ran; }));
}

TEST(EventLoopTest, OffloadsWorkAndBringsTheResultBack) {
  EventLoop loop(SystemClock());
  std::thread::id worker;
  std::string result;
  ASSERT_TRUE(loop.Offload<std::string>(
      [&worker] {
        worker = std::this_thread::get_id();
        return std::string("read");
      },
      [&, here = std::this_thread::get_id()](std::string text) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        result = std::move(text);
      }));
  EXPECT_TRUE(loop.RunUntil([&] { return !result.empty(); }));
  EXPECT_EQ(result, "read");
  EXPECT_NE(worker, std::this_thread::get_id());
}

TEST(EventLoopTest, RefusesWorkBeyondTheBoundAndDropsTheRestAtItsEnd) {
  std::mutex mutex;
  std::condition_variable go;
  bool open = false;
  int ran = 0;
  {
    EventLoop loop(SystemClock(), {.workers = 1, .max_offloaded = 2});
    std::atomic<bool> running = false;
    ASSERT_TRUE(loop.Offload(
        [&] {
          std::unique_lock lock(mutex);
          running = true;
          go.wait(lock, [&] { return open; });
          ++ran;
        },
        {}));
    ASSERT_TRUE(loop.RunUntil([&] { return running.load(); }));
    ASSERT_TRUE(loop.Offload([&] { ran += 100; }, {}));
    EXPECT_FALSE(loop.Offload([] {}, {}));
    EXPECT_EQ(loop.stats().offloads_refused, 1u);
    EXPECT_EQ(loop.stats().offloaded_waiting, 2u);
    std::jthread opener([&] {
      const std::lock_guard lock(mutex);
      open = true;
      go.notify_all();
    });
  }
  EXPECT_TRUE(ran == 1 || ran == 101);
}

TEST(EventLoopTest, WatchesADescriptorUntilCancelled) {
  FakeClock clock;
  EventLoop loop(clock);
  const UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int calls = 0;
  auto watch = loop.WatchReadable(fd.get(), [&] { ++calls; });
  ASSERT_THAT(watch, IsOk());
  loop.RunReady();
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(::eventfd_write(fd.get(), 1), 0);
  // Level-triggered: what is not read is told again.
  EXPECT_TRUE(loop.RunUntil([&] { return calls >= 3; }));
  eventfd_t value = 0;
  ASSERT_EQ(::eventfd_read(fd.get(), &value), 0);
  loop.RunReady();
  const int before = calls;
  loop.RunReady();
  EXPECT_EQ(calls, before);
  watch->Cancel();
  ASSERT_EQ(::eventfd_write(fd.get(), 1), 0);  // still open: it is ours
  loop.RunReady();
  EXPECT_EQ(calls, before);
}

TEST(EventLoopTest, RefusesToWatchAFile) {
  FakeClock clock;
  EventLoop loop(clock);
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("f"), "x"), IsOk());
  const UniqueFd fd(::open(dir.File("f").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(loop.WatchReadable(fd.get(), [] {}),
              StatusIs(Code::kFailedPrecondition, HasSubstr("watched")));
}

TEST(EventLoopTest, HandlesMayOutliveTheLoop) {
  const UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  FakeClock clock;
  auto held = std::make_shared<int>(1);
  EventLoop::Handle timer;
  EventLoop::Handle watch;
  {
    EventLoop loop(clock);
    timer = loop.RunAfter(1s, [held] {});
    auto w = loop.WatchReadable(fd.get(), [held] {});
    ASSERT_THAT(w, IsOk());
    watch = *std::move(w);
    loop.Post([held] {});
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(::eventfd_write(fd.get(), 1), 0);
}

}  // namespace
}  // namespace fodc::net
