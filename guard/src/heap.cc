// SPDX-License-Identifier: Apache-2.0
#include "heap.h"

#include <malloc.h>

#include <cstddef>
#include <cstdio>
#include <string_view>

#include "allocator_symbols.h"

namespace fodc::guard {
namespace {

// jemalloc(3).
class JemallocHeap final : public Heap {
 public:
  static std::unique_ptr<Heap> Find() {
    const JemallocSymbols& jemalloc = Jemalloc();
    if (jemalloc.mallctl == nullptr || jemalloc.name_to_mib == nullptr ||
        jemalloc.mallctl_by_mib == nullptr) {
      return nullptr;
    }
    auto heap = std::make_unique<JemallocHeap>();
    if (jemalloc.name_to_mib("epoch", heap->epoch_, &heap->epoch_size_) != 0 ||
        jemalloc.name_to_mib("stats.active", heap->active_,
                             &heap->active_size_) != 0 ||
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
    if (symbols_.mallctl_by_mib(epoch_, epoch_size_, &epoch, &size, &epoch,
                                sizeof epoch) != 0) {
      return {};
    }
    std::size_t active = 0;
    size = sizeof active;
    if (symbols_.mallctl_by_mib(active_, active_size_, &active, &size, nullptr,
                                0) != 0) {
      return {};
    }
    return active;
  }

  void Release() override {
    (void)symbols_.mallctl(purge_, nullptr, nullptr, nullptr, 0);
  }

 private:
  static constexpr std::size_t kMibParts = 4;
  const JemallocSymbols& symbols_ = Jemalloc();
  std::size_t epoch_[kMibParts] = {};
  std::size_t epoch_size_ = kMibParts;
  std::size_t active_[kMibParts] = {};
  std::size_t active_size_ = kMibParts;
  char purge_[32] = {};
};

// gperftools, and google/tcmalloc: the same properties, asked differently.
class TcmallocHeap final : public Heap {
 public:
  static std::unique_ptr<Heap> Find() {
    auto heap = std::make_unique<TcmallocHeap>();
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
    if (gperftools_.release_free_memory != nullptr) {
      gperftools_.release_free_memory();
    } else if (google_.release_memory != nullptr) {
      google_.release_memory(static_cast<std::size_t>(-1) / 2);
    }
  }

 private:
  bool Read(std::string_view name, std::size_t* value) const {
    if (gperftools_.get_numeric_property != nullptr) {
      return gperftools_.get_numeric_property(name.data(), value) != 0;
    }
    return google_.get_numeric_property != nullptr &&
           google_.get_numeric_property(name.data(), name.size(), value);
  }

  const GperftoolsSymbols& gperftools_ = Gperftools();
  const GoogleTcmallocSymbols& google_ = GoogleTcmalloc();
};

class GlibcHeap final : public Heap {
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
      return JemallocHeap::Find();
    case MemorySource::kHeapTcmalloc:
      return TcmallocHeap::Find();
    case MemorySource::kHeapGlibc:
      if (JemallocHeap::Find() || TcmallocHeap::Find()) return nullptr;
      return std::make_unique<GlibcHeap>();
    case MemorySource::kAuto:
    case MemorySource::kCgroup:
    case MemorySource::kRss:
      break;
  }
  return nullptr;
}

}  // namespace fodc::guard
