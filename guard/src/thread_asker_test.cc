// SPDX-License-Identifier: Apache-2.0
#include "thread_asker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "own_thread.h"
#include "pause.h"
#include "thread_cover.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using Stage = AskedThread::Stage;

void TellTid(AskedThread* self, void*) {
  self->frames[0] = static_cast<std::uintptr_t>(::gettid());
}

// Whenever it is read, as much time passes as it is told.
class ReadClock final : public Clock {
 public:
  explicit ReadClock(std::function<std::chrono::nanoseconds()> step)
      : step_(std::move(step)) {}
  MonotonicTime Monotonic() const override { return now_ += step_(); }
  UnixTime Unix() const override { return {}; }
  std::chrono::nanoseconds passed() const { return now_.time_since_epoch(); }

 private:
  const std::function<std::chrono::nanoseconds()> step_;
  mutable MonotonicTime now_{};
};

// A thread that waits in the kernel until this goes.
class OtherThread {
 public:
  // `signal` is blocked there until Unblock.
  explicit OtherThread(int signal = 0) : signal_(signal) {
    thread_ = std::thread([this] { Run(); });
    while (tid_ == 0) std::this_thread::yield();
  }
  ~OtherThread() { End(); }
  void End() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void Unblock() { is_deaf_ = false; }
  // Whether the signal was sent to it in vain, once it has ended.
  bool had_pending() const { return had_pending_; }
  pid_t tid() const { return tid_; }

 private:
  void Run() {
    sigset_t set;
    sigemptyset(&set);
    if (signal_ != 0) sigaddset(&set, signal_);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    tid_ = ::gettid();
    while (is_deaf_ && !is_over_) Pause();
    sigset_t pending;
    sigpending(&pending);
    had_pending_ = signal_ != 0 && sigismember(&pending, signal_) == 1;
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    while (!is_over_) Pause();
  }

  const int signal_;
  std::atomic<bool> is_deaf_{true};
  std::atomic<bool> is_over_{false};
  std::atomic<bool> had_pending_{false};
  std::atomic<pid_t> tid_{0};
  std::thread thread_;
};

constinit ThreadAsker g_asker(&TellTid);
constinit ThreadAsker g_stacks(&TellStack);

class ThreadAskerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(g_asker.Prepare(), IsOk());
    ASSERT_THAT(g_stacks.Prepare(), IsOk());
    const auto signal = TakeThreadSignal(0);
    ASSERT_THAT(signal, IsOk());
    signal_ = *signal;
  }
  void TearDown() override { GiveBackThreadSignal(signal_); }

  static const AskedThread* Find(ThreadAsker* asker, pid_t tid) {
    for (const AskedThread* t : asker->threads()) {
      if (t->tid == tid) return t;
    }
    ADD_FAILURE() << tid << " is not listed";
    return nullptr;
  }
  static Stage StageOf(ThreadAsker* asker, pid_t tid) {
    const AskedThread* t = Find(asker, tid);
    return t == nullptr ? Stage::kListed : t->stage();
  }

  int signal_ = 0;
  // An hour of it is longer than any answer takes.
  const ReadClock clock_{[] { return 1ms; }};
};

TEST_F(ThreadAskerTest, EveryOtherThreadAnswersByItself) {
  OtherThread a;
  OtherThread b;
  ASSERT_EQ(g_asker.List(), 0);
  g_asker.Ask(signal_, 1h, clock_);
  for (const pid_t tid : {a.tid(), b.tid()}) {
    EXPECT_EQ(StageOf(&g_asker, tid), Stage::kAnswered);
  }
  for (const AskedThread* t : g_asker.threads()) {
    EXPECT_NE(t->tid, ::gettid());
    if (t->stage() != Stage::kAnswered) continue;  // a sanitizer's own
    EXPECT_EQ(t->frames[0], static_cast<std::uintptr_t>(t->tid));
  }
  EXPECT_EQ(g_asker.beyond(), 0u);
}

TEST_F(ThreadAskerTest, TwoQuestionsBySameSignalDoNotDisturbEachOther) {
  OtherThread a;
  ASSERT_EQ(g_asker.List(), 0);
  ASSERT_EQ(g_stacks.List(), 0);
  g_stacks.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_asker, a.tid()), Stage::kListed);
  g_asker.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_asker, a.tid()), Stage::kAnswered);
  for (const AskedThread* t : g_stacks.threads()) {
    if (t->tid != a.tid()) continue;
    EXPECT_GE(t->Stack().size(), 3u);
  }
}

TEST_F(ThreadAskerTest, AThreadThatBlocksTheSignalIsNotSentItNorWaitedFor) {
  OtherThread deaf(signal_);
  ASSERT_EQ(g_asker.List(), 0);
  g_asker.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_asker, deaf.tid()), Stage::kSilent);
  EXPECT_LT(clock_.passed(), 100ms);
  deaf.End();
  EXPECT_FALSE(deaf.had_pending());
}

TEST_F(ThreadAskerTest, AThreadThatBlocksTheSignalForAMomentAnswers) {
  OtherThread deaf(signal_);
  ASSERT_EQ(g_asker.List(), 0);
  // Time stands still until it hears.
  const ReadClock clock([&]() -> std::chrono::nanoseconds {
    if (StageOf(&g_asker, deaf.tid()) != Stage::kDeaf) return 1ms;
    deaf.Unblock();
    return 0ns;
  });
  g_asker.Ask(signal_, 1h, clock);
  EXPECT_EQ(StageOf(&g_asker, deaf.tid()), Stage::kAnswered);
}

TEST_F(ThreadAskerTest, AThreadThatHasEndedIsNotWaitedFor) {
  OtherThread a;
  ASSERT_EQ(g_asker.List(), 0);
  a.End();
  g_asker.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_asker, a.tid()), Stage::kSilent);
  EXPECT_LT(clock_.passed(), 100ms);
}

TEST_F(ThreadAskerTest, AThreadThatEndsWithoutHearingIsNotWaitedFor) {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> is_listed{false};
  std::atomic<bool> is_deaf{false};
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    tid = ::gettid();
    while (!is_listed) Pause();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    is_deaf = true;
    while (!is_over) Pause();
  });
  while (tid == 0) std::this_thread::yield();
  ASSERT_EQ(g_asker.List(), 0);
  is_listed = true;
  while (!is_deaf) std::this_thread::yield();
  const ReadClock clock([&]() -> std::chrono::nanoseconds {
    is_over = true;
    if (other.joinable()) other.join();
    return 1ms;
  });
  g_asker.Ask(signal_, 1s, clock);
  EXPECT_EQ(StageOf(&g_asker, tid), Stage::kSilent);
  EXPECT_LT(clock.passed(), 100ms);
}

std::atomic<bool> g_may_answer{true};
void WaitAndTell(AskedThread* self, void* context) {
  while (!g_may_answer) sched_yield();
  TellTid(self, context);
}
constinit ThreadAsker g_slow(&WaitAndTell);

TEST_F(ThreadAskerTest, AnAnswerThatComesTooLateHarmsNoLaterRound) {
  ASSERT_THAT(g_slow.Prepare(), IsOk());
  OtherThread a;
  g_may_answer = false;
  ASSERT_EQ(g_slow.List(), 0);
  // The limit is over only when the answer has begun.
  const ReadClock until_begun([&]() -> std::chrono::nanoseconds {
    return StageOf(&g_slow, a.tid()) == Stage::kAnswering ? 1h : 0h;
  });
  g_slow.Ask(signal_, 1s, until_begun);
  const AskedThread* const kept = Find(&g_slow, a.tid());
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->stage(), Stage::kAnswering);
  // It blocks all signals meanwhile, and has a row anew.
  ASSERT_EQ(g_slow.List(), 0);
  g_slow.Ask(signal_, 1h, clock_);
  EXPECT_NE(Find(&g_slow, a.tid()), kept);
  EXPECT_EQ(StageOf(&g_slow, a.tid()), Stage::kSilent);
  g_may_answer = true;
  const ReadClock until_heard([&]() -> std::chrono::nanoseconds {
    return StageOf(&g_slow, a.tid()) == Stage::kDeaf ? 0ms : 1ms;
  });
  ASSERT_EQ(g_slow.List(), 0);
  g_slow.Ask(signal_, 1h, until_heard);
  EXPECT_EQ(StageOf(&g_slow, a.tid()), Stage::kAnswered);
}

void Fault(AskedThread* self, void* context);
constinit ThreadAsker g_faulting(&Fault);
void Fault(AskedThread*, void*) { (void)g_faulting.MarkFaulted(); }

TEST_F(ThreadAskerTest, AThreadThatFaultsWhileItAnswersIsMarked) {
  ASSERT_THAT(g_faulting.Prepare(), IsOk());
  OtherThread a;
  EXPECT_FALSE(g_faulting.MarkFaulted());
  ASSERT_EQ(g_faulting.List(), 0);
  g_faulting.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_faulting, a.tid()), Stage::kFaulted);
}

std::atomic<int> g_host_calls{0};
void HostHandler(int) { ++g_host_calls; }

TEST_F(ThreadAskerTest, NobodyIsAskedByASignalThatIsTheHosts) {
  struct sigaction host {};
  host.sa_handler = &HostHandler;
  struct sigaction ours {};
  ASSERT_EQ(sigaction(signal_, &host, &ours), 0);
  OtherThread a;
  EXPECT_EQ(TakeThreadSignal(signal_).status().code(), Code::kInvalidArgument);
  ASSERT_EQ(g_asker.List(), 0);
  g_asker.Ask(signal_, 100ms, clock_);
  EXPECT_EQ(StageOf(&g_asker, a.tid()), Stage::kSilent);
  GiveBackThreadSignal(signal_);  // not ours: stays
  struct sigaction now {};
  ASSERT_EQ(sigaction(signal_, &ours, &now), 0);
  EXPECT_EQ(now.sa_handler, &HostHandler);
  EXPECT_EQ(g_host_calls, 0);
}

TEST_F(ThreadAskerTest, ASignalThatIsGivenBackKillsNobodyWhoHeardItNotYet) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ASSERT_EQ(::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal_), 0);
  GiveBackThreadSignal(signal_);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  struct sigaction now {};
  ASSERT_EQ(sigaction(signal_, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

TEST_F(ThreadAskerTest, TakesTheHighestSignalThatIsFreeAndNoOtherThanRealTime) {
  const auto again = TakeThreadSignal(signal_);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, signal_);
  const auto other = TakeThreadSignal(0);
  ASSERT_THAT(other, IsOk());
  EXPECT_LT(*other, signal_);
  EXPECT_TRUE(IsThreadSignal(*other));
  GiveBackThreadSignal(*other);
  EXPECT_FALSE(IsThreadSignal(*other));
  EXPECT_TRUE(IsThreadSignal(signal_));
  EXPECT_EQ(TakeThreadSignal(SIGUSR1).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(TakeThreadSignal(SIGRTMAX + 1).status().code(),
            Code::kInvalidArgument);
}

TEST_F(ThreadAskerTest, AThreadOfTheLibraryTellsItsStackAndTakesNoOtherSignal) {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> is_over{false};
  std::thread own;
  ASSERT_THAT(StartThread(&own, "own",
                          [&] {
                            tid = ::gettid();
                            while (!is_over) Pause();
                          }),
              IsOk());
  while (tid == 0) std::this_thread::yield();
  const ThreadStatus status = ReadThreadStatus(tid);
  for (const int s : {SIGTERM, SIGHUP, SIGCHLD, SIGRTMIN + 1}) {
    EXPECT_TRUE(status.Blocks(s)) << s;
  }
  for (const int s : kFaultSignals) EXPECT_FALSE(status.Blocks(s)) << s;
  ASSERT_EQ(g_asker.List(), 0);
  g_asker.Ask(signal_, 1h, clock_);
  EXPECT_EQ(StageOf(&g_asker, tid), Stage::kAnswered);
  is_over = true;
  own.join();
  EXPECT_FALSE(ReadThreadStatus(::gettid()).Blocks(SIGTERM));
}

TEST_F(ThreadAskerTest, ADeafThreadIsLeftUncoveredAndNotWaitedFor) {
  OtherThread deaf(signal_);
  EXPECT_THAT(CoverOtherThreads(signal_, 1h, clock_), IsOk());
  EXPECT_LT(clock_.passed(), 100ms);
}

}  // namespace
}  // namespace fodc::guard
