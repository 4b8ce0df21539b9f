// SPDX-License-Identifier: Apache-2.0
#include "tests/support/held_bytes.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::uint64_t> g_held_bytes{0};
}  // namespace

namespace fodc::test {
std::uint64_t HeldBytes() {
  return g_held_bytes.load(std::memory_order_relaxed);
}
}  // namespace fodc::test

#if !defined(FODC_SANITIZED)
void* operator new(std::size_t size) {
  void* const p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  g_held_bytes.fetch_add(malloc_usable_size(p), std::memory_order_relaxed);
  return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept {
  g_held_bytes.fetch_sub(malloc_usable_size(p), std::memory_order_relaxed);
  std::free(p);
}
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
#endif
