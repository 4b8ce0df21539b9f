// SPDX-License-Identifier: Apache-2.0
// Switches killers on again that the watching thread keeps off but no longer
// looks after: it hangs, or a target does not leave in time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guardian/wall_keeper.h"

namespace fodc::guardian {

// A thread of its own, which does nothing else. Thread-safe.
class WallTimer {
 public:
  // `clock` must outlive it; its waits are of real time. What is set is kept
  // by `keeper`, too, for the case that the whole process dies; null: by none.
  WallTimer(std::size_t rows, const Clock& clock,
            std::unique_ptr<WallKeeper> keeper = nullptr);
  ~WallTimer();
  WallTimer(const WallTimer&) = delete;
  WallTimer& operator=(const WallTimer&) = delete;

  // Writes "0" to a descriptor like that one at `deadline`, unless it is set
  // anew or cleared before. A descriptor that cannot be had, or a keeper that
  // is gone: false, and nobody must rely on it.
  bool Set(std::size_t row, int control_fd, MonotonicTime deadline);
  void Clear(std::size_t row);

 private:
  struct Slot {
    UniqueFd fd;
    MonotonicTime deadline;
  };
  void Run();

  const Clock& clock_;
  const std::unique_ptr<WallKeeper> keeper_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<Slot> slots_ FODC_GUARDED_BY(mutex_);
  bool is_stopping_ FODC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace fodc::guardian
