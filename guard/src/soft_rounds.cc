// SPDX-License-Identifier: Apache-2.0
#include "soft_rounds.h"

#include <algorithm>
#include <utility>

#include "edge.h"

namespace fodc::guard {
namespace {

constexpr int kIdleRounds = 3;        // then it stops trying
constexpr double kWorthwhile = 0.01;  // of the limit
constexpr double kLeaveAt = 0.95;     // of the line

double ToDouble(std::uint64_t v) { return static_cast<double>(v); }

}  // namespace

void SoftRounds::AddCache(ReclaimableCache cache) {
  const std::uint64_t budget = cache.budget_bytes;
  caches_.push_back({std::move(cache), budget});
}

SoftRounds::Outcome SoftRounds::Look(const Lines& lines) {
  Outcome out;
  const std::optional<MemoryMeasure> now = measure_();
  if (!now) return out;
  out.over = now->bytes >= lines.soft_bytes;
  if (!out.over) {
    idle_rounds_ = 0;
    if (ToDouble(now->bytes) < kLeaveAt * ToDouble(lines.soft_bytes)) Restore();
    return out;
  }
  if (idle_rounds_ >= kIdleRounds) return out;
  out.round = true;
  std::uint64_t bytes = now->bytes;
  for (Cache& c : caches_) {
    SetBudget(&c, std::max(c.cache.minimum_bytes, c.now_bytes / 2));
  }
  if (!caches_.empty()) out.from_caches_bytes = Fallen(&bytes);
  if (heap_ != nullptr) {
    ReleaseHeap(now->rss_bytes);
    out.from_allocator_bytes = Fallen(&bytes);
  }
  const std::uint64_t given = out.from_caches_bytes + out.from_allocator_bytes;
  const bool worthwhile =
      ToDouble(given) >= kWorthwhile * ToDouble(lines.limit_bytes);
  idle_rounds_ = worthwhile ? 0 : idle_rounds_ + 1;
  out.gave_up = idle_rounds_ == kIdleRounds;
  return out;
}

void SoftRounds::SetBudget(Cache* c, std::uint64_t bytes) {
  if (bytes == c->now_bytes) return;
  c->now_bytes = bytes;
  Quietly([c, bytes] {
    if (c->cache.set_budget) c->cache.set_budget(bytes);
  });
}

std::uint64_t SoftRounds::Fallen(std::uint64_t* bytes) const {
  const std::optional<MemoryMeasure> now = measure_();
  if (!now) return 0;
  const std::uint64_t before = std::exchange(*bytes, now->bytes);
  return now->bytes < before ? before - now->bytes : 0;
}

void SoftRounds::ReleaseHeap(std::uint64_t rss_bytes) {
  if (heap_is_slow_) {
    const std::optional<std::uint64_t> used = heap_->ReadInUse();
    if (!used || *used >= rss_bytes / 2) return;
  }
  heap_->Release();
}

void SoftRounds::Restore() {
  for (Cache& c : caches_) {
    // From nothing, too.
    const std::uint64_t more =
        std::max(c.now_bytes * 2, c.cache.budget_bytes / 16);
    SetBudget(&c, std::min(c.cache.budget_bytes, more));
  }
}

}  // namespace fodc::guard
