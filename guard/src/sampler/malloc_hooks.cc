// SPDX-License-Identifier: Apache-2.0
// malloc and its family, in place of the C library's, which does the work.
// operator new and delete of libstdc++ come here as well, and so do those of
// the host that call malloc. "Replacing malloc" in the manual of the GNU C
// library lists what must be there.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "sampler.h"
#include "sampler_link.h"

using fodc::guard::sampler::OnAllocation;
using fodc::guard::sampler::OnFree;

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void* __libc_valloc(std::size_t size);
void* __libc_pvalloc(std::size_t size);
void __libc_free(void* p);

#define FODC_EXPORT __attribute__((visibility("default")))

FODC_EXPORT void* malloc(std::size_t size) {
  void* p = __libc_malloc(size);
  OnAllocation(p, size);
  return p;
}

FODC_EXPORT void free(void* p) {
  OnFree(p);
  __libc_free(p);
}

FODC_EXPORT void* calloc(std::size_t count, std::size_t size) {
  void* p = __libc_calloc(count, size);
  if (p != nullptr) OnAllocation(p, count * size);  // which has not overflowed
  return p;
}

FODC_EXPORT void* realloc(void* p, std::size_t size) {
  // A block that grows in place is another sample all the same: it is freed and
  // allocated anew, by whoever makes it grow. One that is not freed because
  // there is no memory is forgotten.
  OnFree(p);
  void* moved = __libc_realloc(p, size);
  OnAllocation(moved, size);
  return moved;
}

FODC_EXPORT void* memalign(std::size_t alignment, std::size_t size) {
  void* p = __libc_memalign(alignment, size);
  OnAllocation(p, size);
  return p;
}

FODC_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t size) {
  void* p = __libc_memalign(alignment, size);
  OnAllocation(p, size);
  return p;
}

FODC_EXPORT int posix_memalign(void** out, std::size_t alignment,
                               std::size_t size) {
  if (alignment % sizeof(void*) != 0 || alignment == 0 ||
      (alignment & (alignment - 1)) != 0) {
    return EINVAL;
  }
  const int kept_errno = errno;
  void* p = __libc_memalign(alignment, size);
  errno = kept_errno;
  if (p == nullptr) return ENOMEM;
  OnAllocation(p, size);
  *out = p;
  return 0;
}

FODC_EXPORT void* valloc(std::size_t size) {
  void* p = __libc_valloc(size);
  OnAllocation(p, size);
  return p;
}

FODC_EXPORT void* pvalloc(std::size_t size) {
  void* p = __libc_pvalloc(size);
  OnAllocation(p, size);
  return p;
}

}  // extern "C"

// Beside malloc, so that asking the linker for this name brings that as well.
int fodc_guard_sampler_table() noexcept {
  return fodc::guard::sampler::TableDescriptor();
}
