// SPDX-License-Identifier: Apache-2.0
// Threads for heavy requests. They have a lower priority than all others of the
// node: whoever commits a write or answers a read of one key gets the CPU
// first.
#pragma once

#include <deque>
#include <stop_token>
#include <thread>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/net/unique_function.h"

namespace kvnode {

// Thread-safe.
class HeavyWorkers {
 public:
  // One thread for each slot: what has a slot runs at once.
  explicit HeavyWorkers(unsigned threads);
  // Finishes what runs; what waits is dropped.
  ~HeavyWorkers();
  HeavyWorkers(const HeavyWorkers&) = delete;
  HeavyWorkers& operator=(const HeavyWorkers&) = delete;

  void Run(fodc::net::Task work);

 private:
  void Work(const std::stop_token& stop);

  fodc::Mutex mutex_;
  fodc::CondVar changed_;
  std::deque<fodc::net::Task> waiting_ FODC_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace kvnode
