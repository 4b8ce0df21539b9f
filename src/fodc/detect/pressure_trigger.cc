// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/pressure_trigger.h"

#include <algorithm>
#include <utility>

namespace fodc::detect {
namespace {

// So far below the hard line it is armed again: a target that stays at the line
// would fire with every tremble.
constexpr int kHysteresisPercent = 5;

}  // namespace

std::uint64_t PercentOf(std::uint64_t limit_bytes, int percent) {
  const auto p = static_cast<std::uint64_t>(percent);
  return limit_bytes / 100 * p + limit_bytes % 100 * p / 100;
}

const PressureDecision& PressureTrigger::OnSample(
    const PressureSample& sample) {
  last_ = {.sample = sample, .captured_bytes = captured_bytes_};
  if (sample.limit_bytes == 0) {
    last_.reason = PressureReason::kNoLimit;
    return last_;
  }
  last_.threshold_bytes =
      PercentOf(sample.limit_bytes, options_.trigger_percent);
  last_.hard_bytes = PercentOf(sample.limit_bytes, options_.hard_percent);
  last_.reason = Judge(sample);
  last_.left = pace_.Left(sample.at);
  if (last_.fires()) {
    begun_bytes_ = sample.bytes;
    pace_.Begin(sample.at);
  }
  return last_;
}

PressureReason PressureTrigger::Judge(const PressureSample& sample) {
  const std::uint64_t rearm =
      PercentOf(sample.limit_bytes, options_.hard_percent - kHysteresisPercent);
  // What an earlier life captured above the hard line is not captured again.
  if (std::exchange(is_restored_, false) &&
      captured_bytes_ >= last_.hard_bytes) {
    is_hard_spent_ = true;
  }
  if (sample.bytes < rearm) is_hard_spent_ = false;
  if (sample.bytes < last_.threshold_bytes) return PressureReason::kBelow;
  const bool is_hard = sample.bytes >= last_.hard_bytes;
  const CapturePace::Answer pace = pace_.Ask(sample.at);
  if (pace == CapturePace::Answer::kInProgress)
    return PressureReason::kInProgress;
  const bool is_first_hard = is_hard && !is_hard_spent_;
  is_hard_spent_ = is_hard_spent_ || is_hard;
  if (pace == CapturePace::Answer::kGo) return PressureReason::kLine;
  if (is_first_hard && !dies_again_) return PressureReason::kHard;
  if (pace == CapturePace::Answer::kRetryLater)
    return PressureReason::kRetryLater;
  return IsStepAbove(sample) ? PressureReason::kStep
                             : PressureReason::kCooldown;
}

bool PressureTrigger::IsStepAbove(const PressureSample& sample) const {
  const std::uint64_t step =
      PercentOf(sample.limit_bytes, options_.step_percent);
  return sample.bytes > captured_bytes_ &&
         sample.bytes - captured_bytes_ >= step;
}

const PressureDecision& PressureTrigger::OnNothing(MonotonicTime at,
                                                   PressureReason why) {
  last_ = {
      .reason = why, .sample = {.at = at}, .captured_bytes = captured_bytes_};
  return last_;
}

void PressureTrigger::OnCaptured(MonotonicTime now, bool has_evidence) {
  pace_.End(now, has_evidence);
  if (has_evidence) captured_bytes_ = begun_bytes_;
}

std::uint64_t PressureTrigger::NextLine(std::uint64_t bytes,
                                        std::uint64_t limit_bytes) const {
  std::uint64_t next = limit_bytes;
  const auto add = [&next, bytes](std::uint64_t line) {
    if (bytes < line) next = std::min(next, line);
  };
  add(PercentOf(limit_bytes, options_.trigger_percent));
  add(PercentOf(limit_bytes, options_.hard_percent));
  if (captured_bytes_ != 0)
    add(captured_bytes_ + PercentOf(limit_bytes, options_.step_percent));
  return next;
}

std::optional<PressureTrigger::Past> PressureTrigger::past() const {
  const auto at = pace_.captured_at();
  if (!at) return {};
  return Past{.captured_at = *at, .captured_bytes = captured_bytes_};
}

void PressureTrigger::Restore(MonotonicTime now, std::chrono::nanoseconds ago,
                              std::uint64_t captured_bytes) {
  pace_.Restore(now, ago);
  if (!pace_.captured_at()) return;
  captured_bytes_ = captured_bytes;
  is_restored_ = true;
}

std::string_view PressureReasonName(PressureReason reason) {
  switch (reason) {
    case PressureReason::kLine:
      return "line";
    case PressureReason::kStep:
      return "step";
    case PressureReason::kHard:
      return "hard";
    case PressureReason::kBelow:
      return "below";
    case PressureReason::kInProgress:
      return "in_progress";
    case PressureReason::kCooldown:
      return "cooldown";
    case PressureReason::kRetryLater:
      return "retry_later";
    case PressureReason::kNoLimit:
      return "no_limit";
    case PressureReason::kUnreadable:
      return "unreadable";
    case PressureReason::kNoTarget:
      return "no_target";
  }
  return "";
}

std::string_view PressureMeasureName(PressureMeasure measure) {
  switch (measure) {
    case PressureMeasure::kNone:
      return "none";
    case PressureMeasure::kCharge:
      return "charge";
    case PressureMeasure::kResident:
      return "resident";
    case PressureMeasure::kPage:
      return "page";
  }
  return "";
}

}  // namespace fodc::detect
