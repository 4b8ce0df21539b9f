// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/counted_new.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

#if !defined(FODC_SANITIZED)
void* operator new(std::size_t n) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = std::malloc(n == 0 ? 1 : n);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace fodc::target {

std::uint64_t AllocationsSoFar() { return allocations.load(); }

}  // namespace fodc::target
