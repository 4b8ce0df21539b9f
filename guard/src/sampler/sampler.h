// SPDX-License-Identifier: Apache-2.0
// Which allocations are looked at. Every byte of every allocation is equally
// likely to be a sample: distances between samples are exponential, with the
// mean of the table's interval, and counted by each thread on its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fodc/pprof/heap_table_writer.h"

namespace fodc::guard::sampler {

// Bytes that this thread may allocate before its next sample. Begins at 0, so
// that the first allocation of a thread draws its first distance. Initial-exec:
// an access must not allocate.
extern thread_local std::int64_t bytes_left
    __attribute__((tls_model("initial-exec")));

// What a freed address is looked up in; nothing is in it before it is open.
// Never destroyed: other threads allocate while the process ends.
union TableForEver {
  constexpr TableForEver() : table() {}
  ~TableForEver() {}  // NOLINT(modernize-use-equals-default): keeps the table
  pprof::HeapTableWriter table;
};
extern constinit TableForEver kept;

// Draws the next distance and, if this allocation is a sample, takes it in.
void OnSample(void* address, std::size_t size_bytes) noexcept;
void OnSampledFree(void* address) noexcept;

// -1 while nothing is sampled.
int TableDescriptor() noexcept;

// After the allocation; a null `address` is none.
inline void OnAllocation(void* address, std::size_t size_bytes) noexcept {
  // Of a size that no allocator gives, it goes round.
  bytes_left = static_cast<std::int64_t>(
      static_cast<std::uint64_t>(bytes_left) - size_bytes);
  if (__builtin_expect(bytes_left < 0, 0)) OnSample(address, size_bytes);
}

// Before it.
inline void OnFree(void* address) noexcept {
  if (__builtin_expect(
          kept.table.MayBeSampled(reinterpret_cast<std::uintptr_t>(address)),
          0)) {
    OnSampledFree(address);
  }
}

}  // namespace fodc::guard::sampler
