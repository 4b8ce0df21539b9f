// SPDX-License-Identifier: Apache-2.0
// The one thread that owns a program's state: timers, sockets, descriptors and
// what other threads post to it. Others hand it values; nobody shares.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/net/unique_function.h"

namespace fodc::net {

// Unless a comment says otherwise, methods belong to the loop's thread: the one
// in Run() or RunReady(), or, before the first run, the one that owns it.
class EventLoop {
 public:
  struct Options {
    // Threads for work that blocks (disk): a read of a spill segment takes
    // milliseconds, which HTTP on this loop must not wait for. Started with
    // the first Offload.
    unsigned workers = 2;
    // Offloaded work that waits or runs; Offload refuses beyond.
    std::size_t max_offloaded = 256;
    // Posted tasks that wait; TryPost refuses beyond, Post does not.
    std::size_t max_posted = 65536;
  };

  // Counters since the start and, where said, present values.
  struct Stats {
    std::uint64_t posted_waiting = 0;     // now
    std::uint64_t posts_refused = 0;      // by TryPost
    std::uint64_t offloaded_waiting = 0;  // now, running ones included
    std::uint64_t offloads_refused = 0;
    std::uint64_t ticks_missed = 0;  // of all RunEvery timers
  };

  // One tick of RunEvery.
  struct Tick {
    MonotonicTime planned;     // start + n * period, whatever the delays
    std::uint64_t missed = 0;  // ticks skipped since the previous call
  };

  // A pending timer or a watched descriptor. Destroying or resetting it
  // cancels: the callback does not run afterwards. May outlive the loop.
  class Handle {
   public:
    Handle() = default;
    Handle(Handle&& other) noexcept = default;
    Handle& operator=(Handle&& other) noexcept;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { Cancel(); }
    // Also from the callback itself. No effect on an empty or spent handle.
    void Cancel();
    explicit operator bool() const { return target_ != nullptr; }

    // What the loop knows about it; private to event_loop.cc.
    struct Target {
      virtual ~Target() = default;
      virtual void Cancel() = 0;
    };
    explicit Handle(std::shared_ptr<Target> target)
        : target_(std::move(target)) {}

   private:
    std::shared_ptr<Target> target_;
  };

  // `clock` rules the timers and must outlive the loop. With a FakeClock a test
  // advances it and calls RunReady.
  explicit EventLoop(const Clock& clock);
  EventLoop(const Clock& clock, const Options& options);
  // Joins the workers (work that waits is dropped, what runs is finished),
  // drops what is posted. Not from the loop's thread while it runs.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  const Clock& clock() const;

  // Runs until Stop. Aborts if called while running.
  void Run();
  // Runs what is due and ready now, without waiting; returns how many
  // callbacks ran. For tests, and to drain before the end.
  std::size_t RunReady();
  // As RunReady, over and over, until `done` or until `limit` of real time has
  // passed; the result of `done` at the end. For tests.
  bool RunUntil(UniqueFunction<bool()> done,
                std::chrono::milliseconds limit = std::chrono::seconds(60));
  // Thread-safe. Run returns when it has run what was posted before; one that
  // has not begun returns at once. A later Run goes on.
  void Stop();

  // Thread-safe. Runs `task` on the loop, in the order of posting of each
  // thread. Post is for answers to what the loop asked for (bounded by the
  // asking); TryPost is for what others start, and gives false, drops and
  // counts when the bound is reached.
  void Post(Task task);
  [[nodiscard]] bool TryPost(Task task);

  // Once, `delay` from now (at once, but never inside the call, if <= 0).
  [[nodiscard]] Handle RunAfter(std::chrono::nanoseconds delay, Task task);
  [[nodiscard]] Handle RunAt(MonotonicTime when, Task task);
  // At start + n * period, n = 0, 1, ...: no drift. A tick that comes so late
  // that later ones are due is the last due one; the others are skipped and
  // counted. `start`: now + period if absent. Aborts if `period` <= 0.
  [[nodiscard]] Handle RunEvery(std::chrono::nanoseconds period,
                                UniqueFunction<void(const Tick&)> task,
                                std::optional<MonotonicTime> start = {});

  // Calls `ready` whenever `fd` is readable (level-triggered), until cancelled
  // (pidfd, signalfd, eventfd, pipes). The caller keeps the descriptor open
  // longer than the handle.
  // Errors: kFailedPrecondition for a descriptor that epoll refuses (a file).
  [[nodiscard]] Result<Handle> WatchReadable(int fd, Task ready);

  // Runs `work` on a worker, then `done` on the loop. Thread-safe. False, with
  // nothing run, when `max_offloaded` is reached (counted).
  [[nodiscard]] bool Offload(Task work, Task done);
  template <typename T>
  [[nodiscard]] bool Offload(UniqueFunction<T()> work,
                             UniqueFunction<void(T)> done) {
    auto slot = std::make_shared<std::optional<T>>();
    return Offload(
        [slot, work = std::move(work)]() mutable { slot->emplace(work()); },
        [slot, done = std::move(done)]() mutable { done(*std::move(*slot)); });
  }

  // Thread-safe.
  Stats stats() const;

  // For this room's sources: the I/O context behind (event_loop_internal.h).
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace fodc::net
