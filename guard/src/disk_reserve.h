// SPDX-License-Identifier: Apache-2.0
// Disk space that is kept for the moment when there is none left: an unlinked
// file of its own size. It goes with the process, however that ends.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

class DiskReserve {
 public:
  // Errors: as open(2) and fallocate(2); kUnimplemented where the file system
  // of `directory` has no unlinked files. It then holds nothing.
  Status Hold(const std::string& directory, std::size_t bytes);
  // Gives the space, and a descriptor, back. Async-signal-safe.
  void Release();

 private:
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace fodc::guard
