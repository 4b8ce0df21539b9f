// SPDX-License-Identifier: Apache-2.0
#include "memwatch_core.h"

#include <algorithm>
#include <cmath>

#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr std::chrono::seconds kLoopAge{60};
// A step that was foreseen and did not come keeps the level for so long.
constexpr std::chrono::seconds kPredictionHolds{1};
constexpr double kLeaveAt = 0.95;  // of where the level is entered
// Beyond, a sum with the time of now might not be one any more.
constexpr std::chrono::hours kLongestInterval{24};

bool IsOff(const MemoryThreshold& t) { return t.bytes == 0 && t.percent == 0; }

std::uint64_t Resolve(const MemoryThreshold& t, std::uint64_t limit_bytes) {
  if (t.percent == 0) return t.bytes;
  return static_cast<std::uint64_t>(
      std::llround(static_cast<double>(limit_bytes) / 100 * t.percent));
}

Status Check(const MemoryThreshold& t, std::string_view name) {
  if (t.bytes > 0 && t.percent != 0) {
    return InvalidArgument(
        StrCat("threshold ", name, " is given in bytes and in per cent"));
  }
  // Not a number is outside, too.
  if (t.percent != 0 && !(t.percent >= 1 && t.percent <= 100)) {
    return InvalidArgument(
        StrCat("threshold ", name, ": per cent are from 1 to 100"));
  }
  return OkStatus();
}

}  // namespace

Result<CoreSettings> ToCoreSettings(const MemwatchOptions& o) {
  FODC_RETURN_IF_ERROR(Check(o.hard, "hard"));
  FODC_RETURN_IF_ERROR(Check(o.soft, "soft"));
  // Levels of different units are compared once the limit is known.
  const bool both_bytes = o.hard.bytes > 0 && o.soft.bytes > 0;
  const bool both_percent = o.hard.percent > 0 && o.soft.percent > 0;
  if ((both_bytes && o.soft.bytes >= o.hard.bytes) ||
      (both_percent && o.soft.percent >= o.hard.percent)) {
    return InvalidArgument("threshold soft is not below threshold hard");
  }
  CoreSettings s;
  s.hard = o.hard;
  s.soft = o.soft;
  s.cadence.shortest = Memwatch::kMinPollInterval;
  s.cadence.longest = o.poll_interval <= std::chrono::nanoseconds(0)
                          ? std::chrono::seconds(1)
                          : o.poll_interval;
  if (o.source == MemorySource::kHeapGlibc) {
    s.cadence.shortest = std::chrono::seconds(1);
  }
  s.cadence.longest = std::clamp<std::chrono::nanoseconds>(
      s.cadence.longest, s.cadence.shortest, kLongestInterval);
  s.adaptive = o.adaptive;
  s.predict = o.predict;
  s.predict_margin_bytes = o.predict_margin_bytes;
  s.failures_to_unknown = std::max(o.failures_to_unknown, 1);
  return s;
}

std::uint64_t MemwatchCore::HardBytes(std::uint64_t limit_bytes) const {
  return Resolve(settings_.hard, limit_bytes);
}

std::uint64_t MemwatchCore::SoftBytes(std::uint64_t limit_bytes) const {
  if (!IsOff(settings_.soft)) return Resolve(settings_.soft, limit_bytes);
  const std::uint64_t hard = HardBytes(limit_bytes);
  return hard - std::min(hard, std::max<std::uint64_t>(hard / 9, 1));
}

void MemwatchCore::SetShortestWait(std::chrono::nanoseconds shortest) {
  settings_.cadence.shortest = shortest;
  settings_.cadence.longest = std::max(settings_.cadence.longest, shortest);
}

CoreDecision MemwatchCore::Step(const CoreSample& sample) {
  CoreDecision d;
  d.before = level_;
  d.level = level_;
  d.hard_bytes = HardBytes(sample.limit_bytes);
  d.soft_bytes = SoftBytes(sample.limit_bytes);
  d.wait = settings_.cadence.longest;
  if (!sample.bytes) {
    Fail(&d);
    return d;
  }
  d.unknown_changed = failures_ >= settings_.failures_to_unknown;
  failures_ = 0;
  forecast_.Add(sample.at, *sample.bytes);
  d.seconds_to_limit = forecast_.SecondsTo(sample.limit_bytes);

  const bool over = d.hard_bytes > 0 && *sample.bytes >= d.hard_bytes;
  d.over_at_start = over && !any_sample_;
  any_sample_ = true;
  if (!over && sample.age >= kLoopAge) settings_.in_crash_loop = false;
  d.below_baseline = over && settings_.in_crash_loop;
  if (over && !d.below_baseline) {
    d.fire = !fired_;
    fired_ = true;
    level_ = MemoryLevel::kHard;
  } else {
    level_ = over || IsSoft(sample, d.soft_bytes) ? MemoryLevel::kSoft
                                                  : MemoryLevel::kNormal;
  }
  d.level = level_;
  ChooseWait(sample, &d);
  return d;
}

// Blind, no level is entered or left; it hurries until it knows that it is.
void MemwatchCore::Fail(CoreDecision* d) {
  if (failures_ < settings_.failures_to_unknown) {
    ++failures_;
    d->unknown_changed = failures_ == settings_.failures_to_unknown;
    if (settings_.adaptive) d->wait = settings_.cadence.shortest;
  }
  d->unknown = failures_ >= settings_.failures_to_unknown;
}

bool MemwatchCore::IsSoft(const CoreSample& sample, std::uint64_t soft_bytes) {
  if (soft_bytes == 0) return false;
  const std::uint64_t margin =
      std::min(settings_.predict_margin_bytes, sample.limit_bytes / 8);
  if (settings_.predict &&
      forecast_.NextStepReaches(sample.limit_bytes, margin)) {
    predicted_until_ = sample.at + kPredictionHolds;
  }
  if (*sample.bytes >= soft_bytes || sample.at < predicted_until_) return true;
  return level_ != MemoryLevel::kNormal &&
         static_cast<double>(*sample.bytes) >=
             kLeaveAt * static_cast<double>(soft_bytes);
}

void MemwatchCore::ChooseWait(const CoreSample& sample, CoreDecision* d) const {
  if (!settings_.adaptive || d->below_baseline) return;
  const bool to_soft = d->hard_bytes == 0 && *sample.bytes < d->soft_bytes;
  const std::uint64_t line = to_soft             ? d->soft_bytes
                             : d->hard_bytes > 0 ? d->hard_bytes
                                                 : sample.limit_bytes;
  d->wait = NextWait(settings_.cadence, *sample.bytes, line,
                     forecast_.fastest_bytes_per_second());
}

}  // namespace fodc::guard
