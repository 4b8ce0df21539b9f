// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/pace.h"

#include <algorithm>

namespace fodc::fleet {
namespace {

constexpr auto kOffsetSpan = std::chrono::minutes(1);
// A sane bound for what a stranger says, so that sums cannot overflow.
constexpr std::int64_t kLongMs = std::int64_t{1} << 52;

std::int64_t ToMs(MonotonicTime t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             t.time_since_epoch())
      .count();
}

std::int64_t Bounded(std::int64_t ms) {
  return std::clamp(ms, -kLongMs, kLongMs);
}

}  // namespace

void Pace::Follow(recorder::Incarnation incarnation) {
  if (incarnation == incarnation_) return;
  *this = Pace();
  incarnation_ = incarnation;
}

void Pace::OnRow(const recorder::RowEntry& row, MonotonicTime now) {
  if (row.name.incarnation != incarnation_) return;
  const std::int64_t at = Bounded(row.time.monotonic_ms);
  Source& source = sources_[row.source];
  if (source.last_ms != 0 && at > source.last_ms) {
    source.steps[source.count++ % source.steps.size()] = at - source.last_ms;
  }
  source.last_ms = at;
  if (now - offset_since_ >= kOffsetSpan) {
    previous_offset_ms_ = offset_ms_;
    offset_ms_ = INT64_MAX;
    offset_since_ = now;
  }
  offset_ms_ = std::min(offset_ms_, ToMs(now) - at);
}

std::chrono::milliseconds Pace::interval() const {
  std::int64_t slowest = 0;
  for (const auto& [id, source] : sources_) {
    if (source.count == 0) continue;
    auto steps = source.steps;
    const auto count = std::min<std::size_t>(source.count, steps.size());
    const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(steps.begin(), middle,
                     steps.begin() + static_cast<std::ptrdiff_t>(count));
    slowest = std::max(slowest, *middle);
  }
  return slowest == 0 ? kUnknownInterval : std::chrono::milliseconds(slowest);
}

bool Pace::IsFresh(const recorder::FrameName& name,
                   const recorder::FrameTime& time, MonotonicTime now) const {
  return AgeOf(name, time, now) <= patience();
}

std::chrono::milliseconds Pace::AgeOf(const recorder::FrameName& name,
                                      const recorder::FrameTime& time,
                                      MonotonicTime now) const {
  const std::int64_t offset = std::min(offset_ms_, previous_offset_ms_);
  if (name.incarnation != incarnation_ || offset == INT64_MAX) {
    return std::chrono::milliseconds::max();
  }
  return std::chrono::milliseconds(std::max<std::int64_t>(
      0, ToMs(now) - (Bounded(time.monotonic_ms) + offset)));
}

}  // namespace fodc::fleet
