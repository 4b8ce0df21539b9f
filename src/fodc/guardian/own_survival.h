// SPDX-License-Identifier: Apache-2.0
// What lets the guardian act when memory is short: the kernel spares its
// process, and its code, stack and reports stay in memory. The rows it watches
// lie on the heap and are not locked: they leave memory for swap alone.
#pragma once

#include <cstddef>

#include "fodc/base/status.h"

namespace fodc::guardian {

// Lowers the process's oom_score_adj: of the machine's processes the kernel
// then kills others first. Call it before capabilities are given up.
// Errors: kPermissionDenied without CAP_SYS_RESOURCE.
Status LowerOomScore();

// Keeps in memory what runs when it counts, and not before: the code of this
// program and of the C library, all of it, for good. Where memory is short the
// kernel drops code that has not run lately, and reads it back from a disk that
// everybody waits for.
// Errors: as mlock(2): kResourceExhausted beyond RLIMIT_MEMLOCK.
Status LockCode();

// Memory of its own that is resident for good, where that is permitted. It is
// never a part of what malloc gives, so that nothing else is locked.
class LockedPages {
 public:
  // Aborts if there is no memory at all. `status()` tells whether it is locked.
  explicit LockedPages(std::size_t bytes);
  ~LockedPages();
  LockedPages(const LockedPages&) = delete;
  LockedPages& operator=(const LockedPages&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return bytes_; }
  // Errors: as mlock(2): kPermissionDenied, kResourceExhausted beyond
  // RLIMIT_MEMLOCK. The pages are there all the same.
  const Status& status() const { return status_; }

 private:
  std::size_t bytes_ = 0;
  void* data_ = nullptr;
  Status status_;
};

}  // namespace fodc::guardian
