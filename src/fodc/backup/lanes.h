// SPDX-License-Identifier: Apache-2.0
// Threads that upload: small files beside each other, large ones beside them,
// few at a time, so that neither waits for the other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/net/unique_function.h"

namespace fodc::backup {

enum class Lane : std::uint8_t { kSmall, kLarge };

// The first failure ends all: what waits is dropped, what runs is asked to
// stop. Submit and Finish belong to one thread.
class Lanes {
 public:
  using Task = net::UniqueFunction<Status(const std::stop_token& stop)>;

  // As many threads for each. `stop` ends it from outside.
  Lanes(std::size_t small, std::size_t large, const std::stop_token& stop);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // Waits while as many of the lane wait as it has threads.
  // Errors: the first failure of any task; kCancelled.
  Status Submit(Lane lane, Task task);
  // Waits for all. Errors: as Submit, the failure before the stop that it led
  // to.
  Status Finish();
  // The first failure, so far. Thread-safe.
  Status failure() const {
    const MutexLock lock(mutex_);
    return failure_;
  }

 private:
  struct Queue {
    std::size_t threads = 0;
    std::size_t under_way = 0;
    CondVar filled;  // its threads wait here
    std::deque<Task> waiting;
  };

  void Work(Lane lane);
  // Waits for one; empty: it is over.
  Task Next(Lane lane);
  Queue& Of(Lane lane) FODC_REQUIRES(mutex_) {
    return queues_[static_cast<std::size_t>(lane)];
  }
  void Fail(const Status& status);

  std::stop_source stop_;
  mutable Mutex mutex_;
  CondVar emptied_;  // who submits or finishes waits here
  std::array<Queue, 2> queues_ FODC_GUARDED_BY(mutex_);
  Status failure_ FODC_GUARDED_BY(mutex_);
  bool is_ending_ FODC_GUARDED_BY(mutex_) = false;
  std::stop_callback<std::function<void()>> outer_;
  std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace fodc::backup
