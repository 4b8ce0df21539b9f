// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/memory_row.h"

#include <algorithm>

namespace fodc::detect {

MemoryRow::MemoryRow(const PressureOptions& pressure,
                     const CadenceOptions& cadence)
    : trigger_percent_(pressure.trigger_percent),
      cadence_(cadence),
      trigger_(pressure) {
  state_.problem = absence_text_;
}

std::unique_ptr<MemorySource> MemoryRow::Follow(
    std::unique_ptr<MemorySource> source, PressureReason why,
    std::string problem) {
  std::unique_ptr<MemorySource> before = std::move(source_);
  source_ = std::move(source);
  const bool is_same = before != nullptr && source_ != nullptr &&
                       before->pid() == source_->pid() &&
                       before->start_ticks() == source_->start_ticks();
  if (!is_same) {
    forecast_.Reset();
    is_rising_ = false;
  }
  absence_ = why;
  absence_text_ = std::move(problem);
  limits_read_at_ = {};
  state_.has_events = source_ != nullptr && source_->event_fd() >= 0;
  state_.has_stall = source_ != nullptr && source_->stall_fd() >= 0;
  state_.may_use_page = source_ == nullptr || source_->is_blind();
  state_.events_problem = source_ ? source_->EventsProblem() : "";
  return before;
}

void MemoryRow::OnCaptured(MonotonicTime now, bool has_evidence) {
  trigger_.OnCaptured(now, has_evidence);
  state_.past = trigger_.past();
}

void MemoryRow::Restore(MonotonicTime now, std::chrono::nanoseconds ago,
                        std::uint64_t captured_bytes) {
  trigger_.Restore(now, ago, captured_bytes);
  state_.past = trigger_.past();
}

void MemoryRow::Nothing(MonotonicTime at, PressureReason why,
                        std::string problem) {
  state_.last = trigger_.OnNothing(at, why);
  state_.problem = std::move(problem);
  state_.seconds_to_limit.reset();
}

std::optional<PressureSample> MemoryRow::Read(const Clock& clock) {
  const MonotonicTime now = clock.Monotonic();
  PressureSample sample;
  if (UsesPage()) {
    sample = {.at = now,
              .measure = PressureMeasure::kPage,
              .bytes = page_->bytes,
              .limit_bytes = page_->limit_bytes};
    return sample;
  }
  if (source_ == nullptr) {
    Nothing(now, absence_, absence_text_);
    return {};
  }
  if (now - limits_read_at_ >= kLimitsEvery) {
    limits_read_at_ = now;
    source_->ReadLimits();
    state_.may_use_page = source_->is_blind();
    state_.has_events = source_->event_fd() >= 0;
    state_.events_problem = source_->EventsProblem();
  }
  const std::optional<std::uint64_t> bytes = source_->ReadBytes();
  // Asked after the reading: what was read is then of a process that lived.
  if (source_->HasEnded()) {
    Nothing(now, PressureReason::kNoTarget, "the process has ended");
    return {};
  }
  if (!bytes) {
    ++state_.failures;
    Nothing(now, PressureReason::kUnreadable, source_->Why());
    return {};
  }
  sample = {.at = clock.Monotonic(),
            .measure = source_->measure(),
            .bytes = *bytes,
            .limit_bytes = source_->limit_bytes()};
  return sample;
}

MemoryLook MemoryRow::Look(const Clock& clock, bool is_scrape) {
  MemoryLook look;
  ++state_.looks;
  const std::optional<PressureSample> sample = Read(clock);
  if (!sample) {
    // What cannot be read now may be readable later; who is gone is not.
    if (source_ != nullptr && !source_->HasEnded())
      look.wait = cadence_.longest;
    state_.wait = look.wait.value_or(std::chrono::nanoseconds(0));
    return look;
  }
  Judge(*sample, &look);
  if (is_scrape && state_.last.reason == PressureReason::kCooldown)
    ++state_.skipped_cooldown;
  // Between two pages there is nothing new.
  if (sample->measure != PressureMeasure::kPage) {
    look.wait = NextWait(cadence_, sample->bytes,
                         trigger_.NextLine(sample->bytes, sample->limit_bytes),
                         forecast_.fastest_bytes_per_second());
  }
  state_.wait = look.wait.value_or(std::chrono::nanoseconds(0));
  return look;
}

void MemoryRow::Judge(const PressureSample& sample, MemoryLook* look) {
  if (sample.measure != measure_) forecast_.Reset();
  measure_ = sample.measure;
  forecast_.Add(sample.at, sample.bytes);
  state_.seconds_to_limit = sample.limit_bytes == 0
                                ? std::nullopt
                                : forecast_.SecondsTo(sample.limit_bytes);
  state_.last = trigger_.OnSample(sample);
  if (state_.last.is_armed()) {
    state_.problem.clear();
  } else {
    state_.problem = "no limit is known";
  }
  if (state_.last.fires()) {
    if (!is_rising_) ++ramp_;
    is_rising_ = true;
    ++state_.fired;
    state_.last_fired = state_.last;
    look->fires = true;
    return;
  }
  const std::uint64_t calm = PercentOf(
      sample.limit_bytes, std::max(trigger_percent_ - kCalmPercent, 0));
  const bool is_below = sample.limit_bytes == 0 ||
                        sample.bytes < std::max<std::uint64_t>(calm, 1);
  if (is_rising_ && is_below) {
    is_rising_ = false;
    look->is_calm = true;
  }
}

}  // namespace fodc::detect
