// SPDX-License-Identifier: Apache-2.0
#include "tests/support/allocation_count.h"

#include <cstdlib>
#include <new>

namespace {
// Of each thread, so that what is measured beside it pays next to nothing.
thread_local std::uint64_t t_allocations = 0;
}  // namespace

namespace fodc::test {
std::uint64_t AllocationCount() { return t_allocations; }
}  // namespace fodc::test

#if !defined(FODC_SANITIZED)
void* operator new(std::size_t size) {
  ++t_allocations;
  void* const p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
#endif
