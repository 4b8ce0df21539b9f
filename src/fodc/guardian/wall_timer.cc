// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/wall_timer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace fodc::guardian {

WallTimer::WallTimer(std::size_t rows, const Clock& clock,
                     std::unique_ptr<WallKeeper> keeper)
    : clock_(clock),
      keeper_(std::move(keeper)),
      slots_(rows),
      thread_([this] { Run(); }) {}

WallTimer::~WallTimer() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

bool WallTimer::Set(std::size_t row, int control_fd, MonotonicTime deadline) {
  const MutexLock lock(mutex_);
  Slot& slot = slots_[row];
  if (!slot.fd.ok()) {
    slot.fd = UniqueFd(::fcntl(control_fd, F_DUPFD_CLOEXEC, 0));
    if (!slot.fd.ok()) return false;
    if (keeper_ != nullptr && !keeper_->Keep(row, slot.fd.get())) {
      slot.fd.reset();
      return false;
    }
    changed_.NotifyAll();
  }
  // Later than before: the thread finds that out when it wakes.
  slot.deadline = deadline;
  return true;
}

void WallTimer::Clear(std::size_t row) {
  UniqueFd fd;  // closed without the lock
  const MutexLock lock(mutex_);
  fd = std::move(slots_[row].fd);
  // Also after the time was up: then it has been kept until now.
  if (keeper_ != nullptr) keeper_->Drop(row);
}

void WallTimer::Run() {
  for (;;) {
    UniqueFd due;
    {
      const MutexLock lock(mutex_);
      if (is_stopping_) return;
      const MonotonicTime now = clock_.Monotonic();
      MonotonicTime next = now + std::chrono::hours(1);
      for (Slot& slot : slots_) {
        if (!slot.fd.ok()) continue;
        if (slot.deadline <= now) {
          due = std::move(slot.fd);
          break;
        }
        next = std::min(next, slot.deadline);
      }
      if (!due.ok()) changed_.WaitFor(mutex_, next - now);
    }
    if (due.ok()) (void)!::pwrite(due.get(), "0", 1, 0);
  }
}

}  // namespace fodc::guardian
