// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/forecast.h"

#include <algorithm>
#include <cmath>

namespace fodc {
namespace {

double Seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

double Slope(MonotonicTime from, std::uint64_t from_bytes, MonotonicTime to,
             std::uint64_t to_bytes) {
  return (static_cast<double>(to_bytes) - static_cast<double>(from_bytes)) /
         Seconds(to - from);
}

std::int64_t WholeSecond(MonotonicTime at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch())
      .count();
}

}  // namespace

void Forecast::Add(MonotonicTime at, std::uint64_t bytes) {
  if (newest_ && at <= newest_->at) {
    newest_->bytes = bytes;
    return;
  }
  previous_ = newest_;
  newest_ = Sample{at, bytes};
  if (kept_count_ > 0) {
    const Sample& last = Kept(0);
    if (at - last.at < kSpacing) return;
    const double slope = Slope(last.at, last.bytes, at, bytes);
    const std::int64_t second = WholeSecond(at);
    Fastest& f = fastest_[static_cast<std::size_t>(second % kSeconds)];
    if (f.second != second) f = {second, 0};
    f.bytes_per_second = std::max(f.bytes_per_second, slope);
  }
  kept_[kept_count_++ % kKept] = *newest_;
}

std::optional<double> Forecast::slope_bytes_per_second() const {
  if (!previous_) return {};
  const std::size_t kept = std::min(kept_count_, kKept);
  const Sample* from = &*previous_;
  for (std::size_t back = 0; back < kept; ++back) {
    const Sample& s = Kept(back);
    if (newest_->at - s.at > std::chrono::seconds(1)) break;
    if (s.at < from->at) from = &s;
  }
  return Slope(from->at, from->bytes, newest_->at, newest_->bytes);
}

double Forecast::fastest_bytes_per_second() const {
  if (!newest_) return 0;
  const std::int64_t now = WholeSecond(newest_->at);
  double fastest = 0;
  for (const Fastest& f : fastest_) {
    if (f.second >= 0 && now - f.second < kSeconds) {
      fastest = std::max(fastest, f.bytes_per_second);
    }
  }
  return fastest;
}

std::optional<double> Forecast::SecondsTo(std::uint64_t limit_bytes) const {
  const std::optional<double> slope = slope_bytes_per_second();
  if (!slope || *slope <= 0) return {};
  if (newest_->bytes >= limit_bytes) return 0;
  return static_cast<double>(limit_bytes - newest_->bytes) / *slope;
}

bool Forecast::NextStepReaches(std::uint64_t limit_bytes,
                               std::uint64_t margin_bytes) const {
  if (!previous_ || newest_->bytes <= previous_->bytes) return false;
  const std::uint64_t step = newest_->bytes - previous_->bytes;
  const std::uint64_t line =
      limit_bytes > margin_bytes ? limit_bytes - margin_bytes : 0;
  return newest_->bytes >= line || step >= line - newest_->bytes;
}

std::chrono::nanoseconds NextWait(const CadenceOptions& options,
                                  std::uint64_t bytes,
                                  std::uint64_t threshold_bytes,
                                  double fastest_bytes_per_second) {
  if (bytes >= threshold_bytes) return options.shortest;
  const double rate =
      std::max(options.assumed_bytes_per_second, 2 * fastest_bytes_per_second);
  const double seconds = static_cast<double>(threshold_bytes - bytes) / rate;
  if (seconds >= Seconds(options.longest)) return options.longest;
  const std::chrono::nanoseconds wait(std::llround(seconds * 1e9));
  return std::max(wait, options.shortest);
}

}  // namespace fodc
