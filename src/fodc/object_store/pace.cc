// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/pace.h"

#include <algorithm>

namespace fodc::object_store {
namespace {

constexpr std::chrono::milliseconds kSaved{100};
constexpr std::uint64_t kPiecesPerSecond = 8;

}  // namespace

Pace::Pace(std::uint64_t per_second, const Clock& clock)
    : ns_each_(1e9 / static_cast<double>(per_second)),
      piece_(std::max<std::uint64_t>(per_second / kPiecesPerSecond, 1)),
      clock_(clock),
      free_at_(clock.Monotonic() - kSaved) {}

std::chrono::nanoseconds Pace::Reserve(std::uint64_t amount) {
  const MonotonicTime now = clock_.Monotonic();
  const std::chrono::nanoseconds takes(
      static_cast<std::int64_t>(static_cast<double>(amount) * ns_each_));
  const MutexLock lock(mutex_);
  free_at_ = std::max(free_at_, now - kSaved);
  const auto wait = std::max(free_at_ - now, std::chrono::nanoseconds(0));
  free_at_ += takes;
  return wait;
}

}  // namespace fodc::object_store
