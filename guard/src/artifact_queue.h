// SPDX-License-Identifier: Apache-2.0
// Jobs for a thread of its own: to write an artifact syncs files, which takes
// as long as the disk likes.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace fodc::guard {

// Thread-safe.
class ArtifactQueue {
 public:
  struct Job {
    std::function<void()> run;   // throws nothing
    std::function<void()> drop;  // called in its place if it is never run
  };

  // Errors: kResourceExhausted without a thread.
  static Result<std::unique_ptr<ArtifactQueue>> Create(std::size_t max_jobs);
  ~ArtifactQueue();
  ArtifactQueue(const ArtifactQueue&) = delete;
  ArtifactQueue& operator=(const ArtifactQueue&) = delete;

  // Never blocks for a job. False if it is full or closed; neither function is
  // called then.
  bool Submit(Job job);

  // Takes no more jobs and waits until all have run, or for `limit`; then
  // drops those that have not begun and waits for the one that has. Whether
  // all have run. Idempotent.
  bool Close(std::chrono::milliseconds limit);

 private:
  explicit ArtifactQueue(std::size_t max_jobs) : max_jobs_(max_jobs) {}
  void Work();

  const std::size_t max_jobs_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Job> jobs_ FODC_GUARDED_BY(mutex_);
  bool is_running_ FODC_GUARDED_BY(mutex_) = false;
  bool is_closed_ FODC_GUARDED_BY(mutex_) = false;
  bool has_dropped_ FODC_GUARDED_BY(mutex_) = false;
  Mutex join_mutex_;
  std::thread thread_ FODC_GUARDED_BY(join_mutex_);
};

}  // namespace fodc::guard
