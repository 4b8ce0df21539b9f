// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fodc/base/mutex.h"

namespace fodc {

// Counts what another library's threads still hold of ours and will tell an
// owner about: whoever lets that owner (or its loop) go cancels all of it, then
// waits for the end, which takes but a moment. Shared with what it counts, for
// that may outlive who waits. Thread-safe.
class Pending {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
  }
  // As the very last act of what was counted.
  void Remove() {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.NotifyAll();
  }
  void WaitForNone() {
    MutexLock lock(mutex_);
    while (count_ > 0) none_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar none_;
  int count_ FODC_GUARDED_BY(mutex_) = 0;
};

}  // namespace fodc
