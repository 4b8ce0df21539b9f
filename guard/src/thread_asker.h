// SPDX-License-Identifier: Apache-2.0
// Has all threads of this process run a function, by a signal to each and a
// wait with an end: how the stack of another thread is learnt.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "thread_status.h"

namespace fodc::guard {

// The handler of `wanted`, 0: of the highest real-time signal that has none.
// Taken already is no error.
// Errors: kInvalidArgument for no real-time signal or one that the host
// handles; kFailedPrecondition if none is free.
Result<int> TakeThreadSignal(int wanted);
// Puts back what the signal did. Threads that have not heard it never will.
void GiveBackThreadSignal(int signal);
// Whether it is taken, and the host has not put a handler of its own there
// since. Async-signal-safe.
bool IsThreadSignal(int signal);

class AskedThread {
 public:
  enum class Stage : std::uint8_t {
    kListed,
    kDeaf,  // blocks the signal, and has not been sent it
    kAsked,
    kAnswering,
    kAnswered,
    kFaulted,  // in the midst of the answer
    kSilent,   // the time was over, or it has ended
  };
  static constexpr std::size_t kMaxFrames = 128;

  Stage stage() const {
    return StageOf(state_.load(std::memory_order_acquire));
  }
  std::span<const std::uintptr_t> Stack() const { return {frames, size}; }

  pid_t tid;
  ThreadStatus status;  // before it was asked
  // For the question and the answer.
  std::size_t size;
  std::uintptr_t frames[kMaxFrames];
  stack_t stack;

 private:
  friend class ThreadAsker;
  static Stage StageOf(std::uint64_t state) {
    return static_cast<Stage>(state & 7);
  }
  static std::uint64_t StateOf(std::uint64_t round, Stage stage) {
    return round << 3 | static_cast<std::uint64_t>(stage);
  }
  bool Move(std::uint64_t round, Stage from, Stage to);

  // The round and the stage: a signal that is heard too late is one of an
  // older round and touches nothing.
  std::atomic<std::uint64_t> state_;
};

// A static object: a thread may answer late, so this, and the memory that it
// takes, are there until the process ends. One caller at a time. One question
// does not disturb another: each has an asker of its own, and they may share a
// signal.
class ThreadAsker {
 public:
  // Runs on each thread, within a signal handler that interrupted `context`.
  using Answer = void (*)(AskedThread* self, void* context);

  // Beyond these, threads are counted only.
  static constexpr std::size_t kMaxThreads = 2048;

  explicit constexpr ThreadAsker(Answer answer) : answer_(answer) {}
  ThreadAsker(const ThreadAsker&) = delete;
  ThreadAsker& operator=(const ThreadAsker&) = delete;

  // Before all else. Again is a no-op. Errors: kResourceExhausted.
  Status Prepare();
  // The rows of so many threads take memory from now on, not when they are
  // asked. Also while another thread asks.
  void Touch(std::size_t threads);

  // Begins a round: all threads but the caller's. Returns 0, or errno of
  // /proc/self/task. Async-signal-safe.
  int List();
  // Asks those that were listed, and waits until all have answered or for
  // `limit`. Nobody is asked by a signal that is not taken. For one that blocks
  // the signal it waits a moment only: it may do so for ever, and what is sent
  // to it might be read by its signalfd. Async-signal-safe.
  void Ask(int signal, std::chrono::milliseconds limit, const Clock& clock);

  // Of this round. One that is still answering (kAnswering) keeps its row to
  // itself: only tid and status are to be read.
  std::span<AskedThread* const> threads() const {
    return {listed_.data(), count_};
  }
  std::size_t beyond() const { return beyond_; }

  // The calling thread faulted while it answered: true, and it is marked.
  // Async-signal-safe.
  bool MarkFaulted();

  // The handler of the signals that are taken.
  static void OnSignal(int number, siginfo_t* info, void* context);

 private:
  AskedThread* ClaimRow(std::size_t* from);
  void Send(AskedThread* t, int signal);
  bool IsOpen(AskedThread* t, int signal, bool is_deaf_awaited);

  const Answer answer_;
  std::uint64_t index_ = 0;  // among all askers
  AskedThread* rows_ = nullptr;
  std::array<AskedThread*, kMaxThreads> listed_ = {};
  std::size_t count_ = 0;
  std::size_t beyond_ = 0;
  std::uint64_t round_ = 0;
};

// An answer: its own stack, the innermost call first (stack_walk.h).
void TellStack(AskedThread* self, void* context);

}  // namespace fodc::guard
