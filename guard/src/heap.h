// SPDX-License-Identifier: Apache-2.0
// The allocators that this process may have, found at run time: one library
// serves all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "fodc/guard/memwatch.h"

namespace fodc::guard {

// Not thread-safe; allocates nothing after it was found.
class Heap {
 public:
  virtual ~Heap() = default;
  // Bytes in use by pages: what was given out, and the rest of those pages.
  virtual std::optional<std::uint64_t> ReadInUse() = 0;
  // Gives what is free back to the kernel. May take long.
  virtual void Release() = 0;
};

// Nothing if the process does not have it, or if the source is none of a heap.
// glibc's is there only if no other is: it has nothing to tell beside one.
std::unique_ptr<Heap> FindHeap(MemorySource source);

}  // namespace fodc::guard
