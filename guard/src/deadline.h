// SPDX-License-Identifier: Apache-2.0
// The end of a shutdown that does not end: a thread that waits for nothing else
// and calls _exit.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

class Deadline {
 public:
  Deadline() = default;
  ~Deadline() { Stop(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Makes the thread. When `after` has passed since Arm, it asks for the flush
  // (see RunFlush), waits a second for it and calls _exit with what
  // `exit_code` returns. Errors: as eventfd(2) and pthread_create(3).
  Status Start(std::chrono::nanoseconds after, std::function<int()> exit_code);
  void Arm();
  // Calls the whole thing off.
  void Stop();

  // Waits until the deadline has passed, then flushes; returns at once when it
  // was called off. On a thread that has nothing else to do: if that hangs
  // elsewhere, the process ends without.
  void RunFlush(const std::function<void()>& flush);

 private:
  void Run(std::chrono::nanoseconds after) const;

  std::function<int()> exit_code_;
  UniqueFd armed_, stopped_, flush_, flushed_;
  std::thread thread_;
};

}  // namespace fodc::guard
