// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/heavy_workers.h"

#include <sys/resource.h>

#include <utility>

namespace kvnode {

using fodc::MutexLock;

namespace {
// A tenth of the CPU beside a busy thread of the node. Not less: who holds a
// lock of RocksDB must come to its end.
constexpr int kNice = 10;
}  // namespace

HeavyWorkers::HeavyWorkers(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { Work(stop); });
  }
}

HeavyWorkers::~HeavyWorkers() {
  {
    const MutexLock lock(mutex_);
    for (std::jthread& t : threads_) t.request_stop();
  }
  changed_.NotifyAll();
}

void HeavyWorkers::Run(fodc::net::Task work) {
  {
    const MutexLock lock(mutex_);
    waiting_.push_back(std::move(work));
  }
  changed_.NotifyOne();
}

void HeavyWorkers::Work(const std::stop_token& stop) {
  // On Linux it is this thread's alone.
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
  for (;;) {
    fodc::net::Task work;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !stop.stop_requested()) changed_.Wait(mutex_);
      if (stop.stop_requested()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

}  // namespace kvnode
