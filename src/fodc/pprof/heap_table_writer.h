// SPDX-License-Identifier: Apache-2.0
// The owner's side of the table of heap samples. What is called from within an
// allocator allocates nothing, throws nothing and takes no lock but that of one
// slot, for some nanoseconds.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/pprof/heap_table.h"

namespace fodc::pprof {

// Thread-safe; Open is called once, and before it nothing is recorded. Must not
// be used in a child after fork: the memory is the parent's as well.
class HeapTableWriter {
 public:
  struct Options {
    std::uint64_t sample_interval_bytes = 512 * 1024;
    std::uint32_t slots = 4096;  // distinct stacks; 2.3 MiB, touched when used
    std::uint32_t mappings = 256;
    // Samples that may live at once; 2 MiB, touched when used.
    std::uint32_t live_samples = 64 * 1024;
  };

  constexpr HeapTableWriter() = default;
  ~HeapTableWriter();
  HeapTableWriter(const HeapTableWriter&) = delete;
  HeapTableWriter& operator=(const HeapTableWriter&) = delete;

  // Makes the memory. Once. Errors: as memfd_create(2) and mmap(2);
  // kInvalidArgument for an option of 0, or beyond what a reader takes.
  Status Open(const Options& options);
  int fd() const { return fd_.get(); }

  // A sampled allocation. `stack`: return addresses, innermost first; cut to
  // kHeapTableFrames. Before the caller gets `address`.
  void RecordAllocation(std::uintptr_t address, std::size_t size_bytes,
                        std::span<const std::uint64_t> stack);

  // Whether `address` may be a sampled one; mostly false if it is not. Cheap:
  // one load.
  bool MayBeSampled(std::uintptr_t address) const {
    const FilterCell* filter = filter_.load(std::memory_order_acquire);
    return filter != nullptr &&
           filter[FilterPlace(address)].load(std::memory_order_relaxed) != 0;
  }
  // Before `address` goes back to the allocator: another thread may get it at
  // once. No effect if it was not sampled.
  void RecordFree(std::uintptr_t address);

  // Adds what code has been mapped since. One caller at a time does it; a
  // second one returns at once.
  void RefreshMappings();
  // Whether the mappings that the table has hold the address.
  bool KnowsCode(std::uint64_t address) const;

 private:
  static constexpr std::size_t kFilterBits = 16;
  static constexpr std::size_t kWays = 8;

  // How many sampled addresses fall on a place; sticks at 255.
  using FilterCell = std::atomic<std::uint8_t>;

  // A sampled allocation that is not freed. Its fields are the allocating
  // thread's until `address` is stored, and the freeing thread's after.
  struct Live {
    std::atomic<std::uintptr_t> address{0};
    std::uint64_t size_bytes = 0;
    HeapTableSlot* slot = nullptr;
    std::uint64_t reserved = 0;
  };

  static std::size_t Mixed(std::uintptr_t address) {
    // Allocators align to 16; the constant is 2^64 by the golden ratio.
    return (address >> 4) * 0x9e3779b97f4a7c15u;
  }
  static std::size_t FilterPlace(std::uintptr_t address) {
    return Mixed(address) >> (64 - kFilterBits);
  }

  Live* LiveSet(std::uintptr_t address) const;
  HeapTableSlot* FindSlot(std::span<const std::uint64_t> stack);
  HeapTableSlot* TakeSlot(std::uint64_t hash,
                          std::span<const std::uint64_t> stack);
  void Count(HeapTableSlot* slot, std::uint64_t size_bytes, bool is_free);

  UniqueFd fd_;
  HeapTableHeader* header_ = nullptr;
  Mapping* mappings_ = nullptr;
  HeapTableSlot* slots_ = nullptr;
  // Private to the owner, in one piece of memory.
  void* private_memory_ = nullptr;
  std::size_t private_bytes_ = 0;
  Live* live_ = nullptr;
  std::size_t live_sets_ = 0;
  std::atomic<std::uint32_t>* index_ = nullptr;  // by hash: slot + 1, 0, busy
  std::size_t index_size_ = 0;
  std::atomic<std::uint32_t> mapping_lock_{0};
  Mapping* fresh_ = nullptr;  // under mapping_lock_; as many as the table's
  std::atomic<FilterCell*> filter_{nullptr};
};

}  // namespace fodc::pprof
