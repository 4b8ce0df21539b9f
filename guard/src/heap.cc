// SPDX-License-Identifier: Apache-2.0
#include "heap.h"

#include <dlfcn.h>
#include <malloc.h>

#include <cstddef>
#include <cstdio>

// Weak, for an allocator that is linked statically; dlsym finds the others.
extern "C" {
int mallctl(const char*, void*, std::size_t*, void*, std::size_t)
    __attribute__((weak));
int mallctlnametomib(const char*, std::size_t*, std::size_t*)
    __attribute__((weak));
int mallctlbymib(const std::size_t*, std::size_t, void*, std::size_t*, void*,
                 std::size_t) __attribute__((weak));
int MallocExtension_GetNumericProperty(const char*, std::size_t*)
    __attribute__((weak));
void MallocExtension_ReleaseFreeMemory() __attribute__((weak));
bool MallocExtension_Internal_GetNumericProperty(const char*, std::size_t,
                                                 std::size_t*)
    __attribute__((weak));
void MallocExtension_Internal_ReleaseMemoryToSystem(std::size_t)
    __attribute__((weak));
}

namespace fodc::guard {
namespace {

template <typename F>
F* Find(F* linked, const char* name) {
  if (linked != nullptr) return linked;
  return reinterpret_cast<F*>(::dlsym(RTLD_DEFAULT, name));
}

// jemalloc(3).
class Jemalloc final : public Heap {
 public:
  static std::unique_ptr<Heap> Find() {
    auto heap = std::make_unique<Jemalloc>();
    if (heap->ctl_ == nullptr || heap->to_mib_ == nullptr ||
        heap->by_mib_ == nullptr) {
      return nullptr;
    }
    heap->epoch_size_ = kMibParts;
    heap->active_size_ = kMibParts;
    if (heap->to_mib_("epoch", heap->epoch_, &heap->epoch_size_) != 0 ||
        heap->to_mib_("stats.active", heap->active_, &heap->active_size_) !=
            0 ||
        !heap->ReadInUse()) {
      return nullptr;  // built without statistics
    }
    // 4096 stands for all arenas (MALLCTL_ARENAS_ALL).
    (void)std::snprintf(heap->purge_, sizeof heap->purge_, "arena.%u.purge",
                        4096U);
    return heap;
  }

  std::optional<std::uint64_t> ReadInUse() override {
    // Statistics are those of the last epoch.
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    if (by_mib_(epoch_, epoch_size_, &epoch, &size, &epoch, sizeof epoch) !=
        0) {
      return {};
    }
    std::size_t active = 0;
    size = sizeof active;
    if (by_mib_(active_, active_size_, &active, &size, nullptr, 0) != 0) {
      return {};
    }
    return active;
  }

  void Release() override { (void)ctl_(purge_, nullptr, nullptr, nullptr, 0); }

 private:
  static constexpr std::size_t kMibParts = 4;
  decltype(&mallctl) ctl_ = guard::Find(&mallctl, "mallctl");
  decltype(&mallctlnametomib) to_mib_ =
      guard::Find(&mallctlnametomib, "mallctlnametomib");
  decltype(&mallctlbymib) by_mib_ = guard::Find(&mallctlbymib, "mallctlbymib");
  std::size_t epoch_[kMibParts] = {};
  std::size_t epoch_size_ = 0;
  std::size_t active_[kMibParts] = {};
  std::size_t active_size_ = 0;
  char purge_[32] = {};
};

// gperftools, and google/tcmalloc: the same properties, asked differently.
class Tcmalloc final : public Heap {
 public:
  static std::unique_ptr<Heap> Find() {
    auto heap = std::make_unique<Tcmalloc>();
    if (!heap->ReadInUse()) return nullptr;
    return heap;
  }

  std::optional<std::uint64_t> ReadInUse() override {
    std::size_t heap = 0;
    std::size_t free = 0;
    std::size_t unmapped = 0;
    if (!Read("generic.heap_size", &heap) ||
        !Read("tcmalloc.pageheap_free_bytes", &free) ||
        !Read("tcmalloc.pageheap_unmapped_bytes", &unmapped)) {
      return {};
    }
    const std::size_t idle = free + unmapped;
    return idle < heap ? heap - idle : 0;  // not read at one instant
  }

  void Release() override {
    if (release_ != nullptr) {
      release_();
    } else if (google_release_ != nullptr) {
      google_release_(static_cast<std::size_t>(-1) / 2);
    }
  }

 private:
  bool Read(std::string_view name, std::size_t* value) const {
    if (get_ != nullptr) return get_(name.data(), value) != 0;
    return google_get_ != nullptr &&
           google_get_(name.data(), name.size(), value);
  }

  decltype(&MallocExtension_GetNumericProperty) get_ =
      guard::Find(&MallocExtension_GetNumericProperty,
                  "MallocExtension_GetNumericProperty");
  decltype(&MallocExtension_ReleaseFreeMemory) release_ = guard::Find(
      &MallocExtension_ReleaseFreeMemory, "MallocExtension_ReleaseFreeMemory");
  decltype(&MallocExtension_Internal_GetNumericProperty) google_get_ =
      guard::Find(&MallocExtension_Internal_GetNumericProperty,
                  "MallocExtension_Internal_GetNumericProperty");
  decltype(&MallocExtension_Internal_ReleaseMemoryToSystem) google_release_ =
      guard::Find(&MallocExtension_Internal_ReleaseMemoryToSystem,
                  "MallocExtension_Internal_ReleaseMemoryToSystem");
};

class Glibc final : public Heap {
 public:
  std::optional<std::uint64_t> ReadInUse() override {
    const struct mallinfo2 m = ::mallinfo2();
    return m.uordblks + m.hblkhd;
  }
  void Release() override { (void)::malloc_trim(0); }
};

}  // namespace

std::unique_ptr<Heap> FindHeap(MemorySource source) {
  switch (source) {
    case MemorySource::kHeapJemalloc:
      return Jemalloc::Find();
    case MemorySource::kHeapTcmalloc:
      return Tcmalloc::Find();
    case MemorySource::kHeapGlibc:
      if (Jemalloc::Find() || Tcmalloc::Find()) return nullptr;
      return std::make_unique<Glibc>();
    case MemorySource::kAuto:
    case MemorySource::kCgroup:
    case MemorySource::kRss:
      break;
  }
  return nullptr;
}

}  // namespace fodc::guard
