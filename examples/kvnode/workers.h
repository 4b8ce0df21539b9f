// SPDX-License-Identifier: Apache-2.0
// Threads that read for requests, at a priority of their own.
#pragma once

#include <cstddef>
#include <deque>
#include <stop_token>
#include <thread>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/net/unique_function.h"

namespace kvnode {

// Thread-safe.
class Workers {
 public:
  // Up to `threads`, each started when none is idle. `nice`: as of nice(2);
  // beside a busy thread at 0, one at 5 gets a quarter of the CPU, one at 10 a
  // tenth. Not less: who holds a lock of RocksDB must come to its end.
  Workers(std::size_t threads, int nice) : threads_(threads), nice_(nice) {}
  // Finishes what runs; what waits is dropped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False, with nothing run, if too much waits.
  [[nodiscard]] bool Run(fodc::net::Task work);

 private:
  void Work(const std::stop_token& stop);

  const std::size_t threads_;
  const int nice_;
  fodc::Mutex mutex_;
  fodc::CondVar changed_;
  std::deque<fodc::net::Task> waiting_ FODC_GUARDED_BY(mutex_);
  std::size_t idle_ FODC_GUARDED_BY(mutex_) = 0;
  std::vector<std::jthread> started_;  // by Run and the destructor alone
};

}  // namespace kvnode
