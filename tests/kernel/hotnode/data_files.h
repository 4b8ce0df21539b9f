// SPDX-License-Identifier: Apache-2.0
// The data of a hotnode, on a real disk.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"

namespace fodc::hotnode {

inline constexpr std::uint64_t kPageBytes = 4096;
// As databases store their data.
inline constexpr std::uint64_t kBlockBytes = 4 * kPageBytes;

struct DataFiles {
  std::string hot_path;   // what is read all the time
  std::string wide_path;  // what is read seldom: far more than memory has room
  std::uint64_t hot_bytes = 0;
  std::uint64_t wide_bytes = 0;
};

// Writes what is not there in the right size, and syncs it. The page cache has
// nothing of either file then, nor the kernel a memory of having evicted it:
// the first read of each page is from the disk, and for the first time.
// Errors: as open(2) and write(2); kFailedPrecondition if the directory's file
// system lives in memory, where no read is ever slow.
Status MakeDataFiles(const DataFiles& files);

}  // namespace fodc::hotnode
