// SPDX-License-Identifier: Apache-2.0
// The shared table of heap samples: the bytes. docs/formats/heap-table.md says
// what they mean. A process writes it (heap_table_writer.h); another one that
// holds the same memory reads it (heap_table_reader.h), also when the writer
// was killed in the middle.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fodc/pprof/mapping.h"

namespace fodc::pprof {

inline constexpr std::array<char, 8> kHeapTableMagic = {'F', 'O', 'D', 'C',
                                                        'H', 'E', 'A', 'P'};
inline constexpr std::uint32_t kHeapTableVersion = 1;
inline constexpr std::size_t kHeapTableFrames = 60;
// A reader takes no more: it may be older than the process, and trusts it less.
inline constexpr std::uint32_t kMaxHeapTableMappings = 4096;
inline constexpr std::uint32_t kMaxHeapTableSlots = 64 * 1024;
// Its slot, of no stack, takes what finds no slot of its own.
inline constexpr std::uint32_t kHeapTableRestSlot = 0;
// As the memory is called in /proc/<pid>/fd: "/memfd:fodc-heap-table".
inline constexpr const char* kHeapTableName = "fodc-heap-table";

// What happened since the table was made. Each number is whole by itself.
struct HeapTableCounts {
  std::atomic<std::uint64_t> samples{0};  // allocations taken in
  std::atomic<std::uint64_t> frees{0};    // of those
  // Not taken in: no place to remember the address until it is freed.
  std::atomic<std::uint64_t> dropped_samples{0};
  // Taken in without their stack: no slot.
  std::atomic<std::uint64_t> dropped_stacks{0};
  std::atomic<std::uint64_t> dropped_mappings{0};
};

struct alignas(64) HeapTableHeader {
  // Written once, before anybody else can see it.
  std::array<char, 8> magic = kHeapTableMagic;
  std::uint32_t version = kHeapTableVersion;
  std::uint32_t header_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint32_t mapping_bytes = 0;
  std::uint32_t mapping_capacity = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t slot_capacity = 0;
  std::uint64_t sample_interval_bytes = 0;
  std::uint64_t pid = 0;          // in the owner's namespace
  std::uint64_t start_ticks = 0;  // proc(5), stat: with the pid it is one life

  alignas(64) std::atomic<std::uint32_t> mapping_count{0};
  std::atomic<std::uint32_t> slots_taken{0};
  HeapTableCounts counts;
};
static_assert(sizeof(HeapTableHeader) == 128);

// Of one stack, since the table was made; estimates of all allocations.
struct HeapSlotNumbers {
  std::atomic<std::uint64_t> alloc_objects{0};
  std::atomic<std::uint64_t> alloc_bytes{0};
  std::atomic<std::uint64_t> freed_objects{0};
  std::atomic<std::uint64_t> freed_bytes{0};
};

// numbers[sequence & 1] counts. A writer fills in the other one and then raises
// `sequence`, so that what a reader finds is whole whenever the writer died.
struct alignas(64) HeapTableSlot {
  std::atomic<std::uint32_t> is_published{0};  // then the stack never changes
  std::atomic<std::uint32_t> sequence{0};
  std::atomic<std::uint32_t> lock{0};  // among writers
  std::uint32_t depth = 0;
  std::uint64_t hash = 0;
  std::uint64_t reserved = 0;
  std::array<HeapSlotNumbers, 2> numbers;
  std::array<std::uint64_t, kHeapTableFrames> frames = {};
};
static_assert(sizeof(HeapTableSlot) == 576);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// The header, then the mappings, then the slots.
constexpr std::uint64_t HeapTableBytes(std::uint64_t mappings,
                                       std::uint64_t slots) {
  return sizeof(HeapTableHeader) + mappings * sizeof(Mapping) +
         slots * sizeof(HeapTableSlot);
}

}  // namespace fodc::pprof
