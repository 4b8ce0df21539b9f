// SPDX-License-Identifier: Apache-2.0
// Memory that is charged to this process already, for when there is none left.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "fodc/base/status.h"

namespace fodc::guard {

class MemoryReserve {
 public:
  MemoryReserve() = default;
  ~MemoryReserve() { GiveBack(); }
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // Again, and of 0 bytes, is a no-op. Errors: as mmap(2).
  Status Take(std::size_t bytes) {
    if (bytes == 0 || at_ != nullptr) return OkStatus();
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED) return ErrnoStatus(errno, "mmap of the reserve");
    at_ = at;
    bytes_ = bytes;
    return OkStatus();
  }
  // Async-signal-safe.
  void GiveBack() {
    if (at_ != nullptr) (void)::munmap(std::exchange(at_, nullptr), bytes_);
  }

 private:
  void* at_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace fodc::guard
