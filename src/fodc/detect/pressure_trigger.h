// SPDX-License-Identifier: Apache-2.0
// Whether a target's memory is so near its limit that its evidence is captured
// now. Pure: samples in, decisions out, each with all that it was made of.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/detect/capture_pace.h"

namespace fodc::detect {

struct PressureOptions {
  int trigger_percent = 75;  // of the limit; 1 to 100
  // A further capture within the cooldown: when so much more of the limit is
  // used than at the last one, and once at this line, whatever was before.
  int step_percent = 10;
  int hard_percent = 90;
  CapturePaceOptions pace = {};
};

// What was measured, and of what.
enum class PressureMeasure : std::uint8_t {
  kNone,
  kCharge,    // of the cgroup that has the limit
  kResident,  // of the process, against physical memory
  kPage,      // the target's own page tells memory and limit
};

struct PressureSample {
  MonotonicTime at;
  PressureMeasure measure = PressureMeasure::kNone;
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;  // 0: no limit is known
};

enum class PressureReason : std::uint8_t {
  // It fires:
  kLine,  // at the line or above
  kStep,  // within the cooldown, a step above the last capture
  kHard,  // at the hard line for the first time
  // It does not:
  kBelow,
  kInProgress,
  kCooldown,
  kRetryLater,  // the last capture brought nothing
  // It cannot:
  kNoLimit,
  kUnreadable,
  kNoTarget,
};

// "line", "step", ...: for metrics and texts.
std::string_view PressureReasonName(PressureReason reason);
std::string_view PressureMeasureName(PressureMeasure measure);

struct PressureDecision {
  PressureReason reason = PressureReason::kNoTarget;
  PressureSample sample;
  std::uint64_t threshold_bytes = 0;
  std::uint64_t hard_bytes = 0;
  std::uint64_t captured_bytes = 0;  // at the last capture; 0: none
  std::chrono::nanoseconds left{0};  // of kCooldown and kRetryLater

  bool fires() const { return reason <= PressureReason::kHard; }
  bool is_armed() const { return reason < PressureReason::kNoLimit; }
};

// percent of limit, rounded down as Go does; without overflow.
std::uint64_t PercentOf(std::uint64_t limit_bytes, int percent);

// One target, over all its instances. Not thread-safe; allocates nothing.
class PressureTrigger {
 public:
  explicit PressureTrigger(const PressureOptions& options)
      : options_(options), pace_(options.pace) {}

  // The next sample, in the order of time. When it fires a capture has begun:
  // OnCaptured must follow.
  const PressureDecision& OnSample(const PressureSample& sample);
  // There is none, and why: kUnreadable or kNoTarget.
  const PressureDecision& OnNothing(MonotonicTime at, PressureReason why);
  // That capture is over.
  void OnCaptured(MonotonicTime now, bool has_evidence);

  // It dies of it again and again: at the hard line, too, the cooldown holds.
  void set_dies_again(bool dies_again) { dies_again_ = dies_again; }

  // The last decision, with its inputs.
  const PressureDecision& last() const { return last_; }
  // What comes next above `bytes` of what may make it fire, for whoever plans
  // the next look: a line, or a step above the last capture; 0 without a limit.
  std::uint64_t NextLine(std::uint64_t bytes, std::uint64_t limit_bytes) const;

  // What outlives the agent: when the last capture with evidence began, at how
  // many bytes.
  struct Past {
    MonotonicTime captured_at;
    std::uint64_t captured_bytes = 0;
  };
  std::optional<Past> past() const;
  void Restore(MonotonicTime now, std::chrono::nanoseconds ago,
               std::uint64_t captured_bytes);

 private:
  PressureReason Judge(const PressureSample& sample);
  bool IsStepAbove(const PressureSample& sample) const;

  PressureOptions options_;
  CapturePace pace_;
  PressureDecision last_;
  std::uint64_t captured_bytes_ = 0;
  std::uint64_t begun_bytes_ = 0;  // of the capture in progress
  bool is_hard_spent_ = false;     // fired at the hard line, not left since
  bool is_restored_ = false;       // and no sample has come since
  bool dies_again_ = false;
};

}  // namespace fodc::detect
