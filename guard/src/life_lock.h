// SPDX-License-Identifier: Apache-2.0
// The directory of lives is one process's at a time.
#pragma once

#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

// A lock of fcntl(2): unlike that of flock(2) a child made by fork does not
// hold it, so what outlives the process does not keep the next one out; it is
// gone with the process however that ends, and the kernel knows who has it.
class LifeLock {
 public:
  LifeLock() = default;
  ~LifeLock();
  LifeLock(const LifeLock&) = delete;
  LifeLock& operator=(const LifeLock&) = delete;

  // Errors: kFailedPrecondition if another life has it, of this process too;
  // else as open(2) and fcntl(2).
  Status Take(const std::string& directory);

 private:
  UniqueFd file_;
};

}  // namespace fodc::guard
