// SPDX-License-Identifier: Apache-2.0
// What the soft limit does at each look: shrink caches, have the allocator give
// back, stop when that is of no use, restore. What it measures is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fodc/guard/soft_limit.h"
#include "heap.h"

namespace fodc::guard {

struct MemoryMeasure {
  std::uint64_t bytes = 0;      // what is compared with the line
  std::uint64_t rss_bytes = 0;  // 0: not known
};

// Not thread-safe.
class SoftRounds {
 public:
  struct Lines {
    std::uint64_t soft_bytes = 0;
    std::uint64_t limit_bytes = 0;
  };
  // `heap`: of this process. `heap_is_slow`: ask it to give back only when less
  // than half of what is resident is in use.
  SoftRounds(std::function<std::optional<MemoryMeasure>()> measure,
             std::unique_ptr<Heap> heap, bool heap_is_slow)
      : measure_(std::move(measure)),
        heap_(std::move(heap)),
        heap_is_slow_(heap_is_slow) {}

  void AddCache(ReclaimableCache cache);

  struct Outcome {
    bool over = false;
    bool round = false;  // tried to give back
    std::uint64_t from_caches_bytes = 0;
    std::uint64_t from_allocator_bytes = 0;
    bool gave_up = false;  // by this round
  };
  Outcome Look(const Lines& lines);
  // Something changed: try again.
  void TryAgain() { idle_rounds_ = 0; }

 private:
  struct Cache {
    ReclaimableCache cache;
    std::uint64_t now_bytes = 0;
  };
  static void SetBudget(Cache* c, std::uint64_t bytes);
  // What is less than before; `*bytes` becomes what is now.
  std::uint64_t Fallen(std::uint64_t* bytes) const;
  void ReleaseHeap(std::uint64_t rss_bytes);
  void Restore();

  std::function<std::optional<MemoryMeasure>()> measure_;
  std::unique_ptr<Heap> heap_;
  const bool heap_is_slow_;
  std::vector<Cache> caches_;
  int idle_rounds_ = 0;
};

}  // namespace fodc::guard
