// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/workers.h"

#include <utility>

#include "fodc/base/thread_priority.h"

namespace kvnode {

using fodc::MutexLock;

Workers::~Workers() {
  {
    const MutexLock lock(mutex_);
    for (std::jthread& t : started_) t.request_stop();
  }
  changed_.NotifyAll();
}

bool Workers::Run(fodc::net::Task work) {
  constexpr std::size_t kMostWaiting = 1024;
  {
    const MutexLock lock(mutex_);
    if (waiting_.size() >= kMostWaiting) return false;
    waiting_.push_back(std::move(work));
    if (waiting_.size() > idle_ && started_.size() < threads_) {
      started_.emplace_back([this](const std::stop_token& s) { Work(s); });
    }
  }
  changed_.NotifyOne();
  return true;
}

void Workers::Work(const std::stop_token& stop) {
  if (nice_ > 0) fodc::GiveWay(nice_);
  for (;;) {
    fodc::net::Task work;
    {
      const MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !stop.stop_requested()) changed_.Wait(mutex_);
      --idle_;
      if (stop.stop_requested()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

}  // namespace kvnode
