// SPDX-License-Identifier: Apache-2.0
// The loop's inside, for the sources of this room only: it includes Asio.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/net/event_loop.h"

namespace fodc::net {

struct EventLoop::Impl : std::enable_shared_from_this<Impl> {
  struct Timer;
  struct FdWatch;
  // Order of firing: by time, then by age.
  using TimerKey = std::pair<MonotonicTime, std::uint64_t>;

  Impl(const Clock& c, const Options& o)
      : clock(c), options(o), io(1), guard(io.get_executor()), alarm(io) {}

  void Add(std::shared_ptr<Timer> timer, MonotonicTime when);
  // Sets the alarm to the earliest timer.
  void Arm();
  std::size_t RunDueTimers();
  std::size_t RunQueued();
  void Work(const std::stop_token& stop);
  void Shutdown();

  const Clock& clock;
  const Options options;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard;
  std::atomic<std::thread::id> thread{};

  std::map<TimerKey, std::shared_ptr<Timer>> timers;
  std::uint64_t next_timer = 0;
  boost::asio::steady_timer alarm;
  std::optional<MonotonicTime> alarm_at;
  std::uint64_t alarm_generation = 0;
  std::set<std::shared_ptr<FdWatch>> watches;

  std::atomic<std::uint64_t> posted_waiting{0};
  std::atomic<std::uint64_t> posts_refused{0};
  std::atomic<std::uint64_t> offloads_refused{0};
  std::atomic<std::uint64_t> ticks_missed{0};

  Mutex mutex;
  CondVar work_there;
  std::deque<std::pair<Task, Task>> work FODC_GUARDED_BY(mutex);
  std::size_t offloaded FODC_GUARDED_BY(mutex) = 0;
  bool closed FODC_GUARDED_BY(mutex) = false;
  std::vector<std::jthread> workers FODC_GUARDED_BY(mutex);
};

}  // namespace fodc::net
