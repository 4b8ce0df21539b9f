// SPDX-License-Identifier: Apache-2.0
// The stacks of all threads of this process, told by the threads themselves: a
// signal to each, and a wait with an end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::guard {

enum class ThreadState : std::uint8_t {
  kFree,
  kAskedForStack,
  kAskedToCover,
  kAnswering,
  kTold,
  kFaulted,  // its stack could not be walked
  kSilent,   // the time was over
};

struct ThreadStack {
  static constexpr std::size_t kMaxFrames = 128;

  std::atomic<ThreadState> state;
  pid_t tid;
  char run_state;  // R, S, D, ... (proc(5)) before it was asked; '?' unknown
  char name[16];
  std::size_t name_bytes;
  std::size_t size;
  std::uintptr_t frames[kMaxFrames];
  stack_t to_install;
};

class ThreadStacks {
 public:
  // Beyond these, threads are counted only.
  static constexpr std::size_t kMaxThreads = 1024;

  // Installs the handler of `signal`, 0: of the highest real-time signal that
  // has none. One object at a time.
  // Errors: kInvalidArgument for no real-time signal or one that has a
  // handler; kFailedPrecondition if none is free; kResourceExhausted.
  static Result<std::unique_ptr<ThreadStacks>> Create(int signal);
  // Puts back what the signal did.
  ~ThreadStacks();
  ThreadStacks(const ThreadStacks&) = delete;
  ThreadStacks& operator=(const ThreadStacks&) = delete;

  int signal() const { return signal_; }

  // Asks all threads but the caller; after `limit` those that have not
  // answered are kSilent, with the one address at which the kernel holds them
  // if it tells. Async-signal-safe.
  void Collect(std::chrono::milliseconds limit, const Clock& clock);
  // Of the last Collect.
  std::span<ThreadStack> stacks() { return {stacks_, size_}; }
  std::size_t beyond() const { return beyond_; }

  // The calling thread faulted while it told its stack: true, and it is marked.
  // Async-signal-safe.
  bool MarkFaulted();

  // Gives each thread that has none an alternate stack. Not with Collect.
  Status Cover(std::chrono::milliseconds limit, const Clock& clock);

 private:
  ThreadStacks() = default;
  static void OnSignal(int number, siginfo_t* info, void* context);
  ThreadStack* FindOwn();
  void ListThreads();
  void AskAll(ThreadState question);
  void Await(ThreadState question, std::chrono::milliseconds limit,
             const Clock& clock);

  int signal_ = 0;
  struct sigaction before_ {};
  ThreadStack* stacks_ = nullptr;
  std::size_t size_ = 0;
  std::size_t beyond_ = 0;
};

}  // namespace fodc::guard
