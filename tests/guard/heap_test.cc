// SPDX-License-Identifier: Apache-2.0
// The sources of an allocator, in a program that has it. FODC_HEAP names it.
#include "guard/src/heap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/guard/memwatch.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMib = 1 << 20;

TEST(HeapTest, OnlyTheAllocatorOfTheProcessIsThere) {
  for (const MemorySource source :
       {MemorySource::kHeapJemalloc, MemorySource::kHeapTcmalloc,
        MemorySource::kHeapGlibc}) {
    MemwatchOptions options;
    options.hard.percent = 90;
    options.source = source;
    const auto watch = Memwatch::Create(std::move(options));
    if (MemorySourceName(source) == FODC_HEAP) {
      EXPECT_THAT(watch, IsOk());
    } else {
      EXPECT_THAT(watch, StatusIs(Code::kNotFound,
                                  HasSubstr(MemorySourceName(source))));
    }
  }
}

TEST(HeapTest, TellsWhatIsInUseAndGivesBackTheRest) {
  const auto heap = FindHeap(*ParseMemorySource(FODC_HEAP));
  ASSERT_NE(heap, nullptr);
  const std::uint64_t before = heap->ReadInUse().value();
  std::vector<void*> blocks;
  for (int i = 0; i < 640; ++i) {
    blocks.push_back(std::malloc(100'000));  // NOLINT: the allocator itself
    std::memset(blocks.back(), 1, 100'000);
  }
  const std::uint64_t with = heap->ReadInUse().value();
  EXPECT_GE(with, before + 60 * kMib);
  EXPECT_LE(with, before + 90 * kMib);
  for (void* block : blocks) std::free(block);  // NOLINT
  heap->Release();
  EXPECT_LE(heap->ReadInUse().value(), before + 8 * kMib);
}

}  // namespace
}  // namespace fodc::guard
