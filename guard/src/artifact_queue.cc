// SPDX-License-Identifier: Apache-2.0
#include "artifact_queue.h"

#include <utility>

#include "fodc/base/clock.h"
#include "own_thread.h"

namespace fodc::guard {

Result<std::unique_ptr<ArtifactQueue>> ArtifactQueue::Create(
    std::size_t max_jobs) {
  std::unique_ptr<ArtifactQueue> queue(new ArtifactQueue(max_jobs));
  const MutexLock lock(queue->join_mutex_);
  FODC_RETURN_IF_ERROR(StartThread(&queue->thread_, "fodc-artifacts",
                                   [q = queue.get()] { q->Work(); }));
  return queue;
}

ArtifactQueue::~ArtifactQueue() { (void)Close(std::chrono::milliseconds(0)); }

void ArtifactQueue::Work() {
  for (;;) {
    Job job;
    {
      const MutexLock lock(mutex_);
      is_running_ = false;
      changed_.NotifyAll();
      while (jobs_.empty() && !is_closed_) changed_.Wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      is_running_ = true;
    }
    job.run();
  }
}

bool ArtifactQueue::Submit(Job job) {
  const MutexLock lock(mutex_);
  if (is_closed_ || jobs_.size() >= max_jobs_) return false;
  jobs_.push_back(std::move(job));
  changed_.NotifyAll();
  return true;
}

bool ArtifactQueue::Close(std::chrono::milliseconds limit) {
  const MonotonicTime end = SystemClock().Monotonic() + limit;
  std::deque<Job> dropped;
  bool all = false;
  {
    const MutexLock lock(mutex_);
    is_closed_ = true;
    changed_.NotifyAll();
    while (!jobs_.empty() || is_running_) {
      const auto left = end - SystemClock().Monotonic();
      if (left <= left.zero()) break;
      (void)changed_.WaitFor(mutex_, left);
    }
    dropped.swap(jobs_);
    has_dropped_ = has_dropped_ || !dropped.empty();
    all = !has_dropped_;
  }
  for (const Job& job : dropped) job.drop();
  const MutexLock lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
  return all;
}

}  // namespace fodc::guard
