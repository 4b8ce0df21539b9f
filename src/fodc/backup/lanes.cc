// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/lanes.h"

#include <algorithm>
#include <utility>

namespace fodc::backup {

Lanes::Lanes(std::size_t small, std::size_t large, const std::stop_token& stop)
    : outer_(stop, [this] { Fail(Cancelled("stopped")); }) {
  const std::array<std::size_t, 2> wanted = {std::max<std::size_t>(small, 1),
                                             std::max<std::size_t>(large, 1)};
  for (const Lane lane : {Lane::kSmall, Lane::kLarge}) {
    const std::size_t threads = wanted[static_cast<std::size_t>(lane)];
    {
      const MutexLock lock(mutex_);
      Of(lane).threads = threads;
    }
    for (std::size_t i = 0; i < threads; ++i)
      threads_.emplace_back([this, lane] { Work(lane); });
  }
}

Lanes::~Lanes() {
  Fail(Cancelled("stopped"));
  {
    const MutexLock lock(mutex_);
    is_ending_ = true;
    for (Queue& queue : queues_) queue.filled.NotifyAll();
  }
  threads_.clear();
}

void Lanes::Fail(const Status& status) {
  std::array<std::deque<Task>, 2> dropped;  // with no lock held
  {
    const MutexLock lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = status;
    for (std::size_t i = 0; i < queues_.size(); ++i)
      dropped[i] = std::exchange(queues_[i].waiting, {});
    emptied_.NotifyAll();
  }
  stop_.request_stop();
}

Lanes::Task Lanes::Next(Lane lane) {
  MutexLock lock(mutex_);
  Queue& queue = Of(lane);
  while (queue.waiting.empty() && !is_ending_) queue.filled.Wait(mutex_);
  if (queue.waiting.empty()) return {};
  Task task = std::move(queue.waiting.front());
  queue.waiting.pop_front();
  ++queue.under_way;
  emptied_.NotifyAll();
  return task;
}

void Lanes::Work(Lane lane) {
  while (Task task = Next(lane)) {
    const Status s = task(stop_.get_token());
    task = {};
    if (!s.ok()) Fail(s);
    const MutexLock lock(mutex_);
    --Of(lane).under_way;
    emptied_.NotifyAll();
  }
}

Status Lanes::Submit(Lane lane, Task task) {
  MutexLock lock(mutex_);
  Queue& queue = Of(lane);
  while (failure_.ok() && queue.waiting.size() >= queue.threads)
    emptied_.Wait(mutex_);
  if (!failure_.ok()) return failure_;
  queue.waiting.push_back(std::move(task));
  queue.filled.NotifyOne();
  return OkStatus();
}

Status Lanes::Finish() {
  MutexLock lock(mutex_);
  const auto is_idle = [this]() FODC_REQUIRES(mutex_) {
    return std::all_of(queues_.begin(), queues_.end(), [](const Queue& q) {
      return q.waiting.empty() && q.under_way == 0;
    });
  };
  while (!is_idle()) emptied_.Wait(mutex_);
  return failure_;
}

}  // namespace fodc::backup
