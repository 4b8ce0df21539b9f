// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/capture_pace.h"

#include <algorithm>

namespace fodc::detect {

using std::chrono::nanoseconds;

CapturePace::Answer CapturePace::Ask(MonotonicTime now) const {
  if (begun_at_) return Answer::kInProgress;
  if (failed_at_ && now - *failed_at_ < retry_) return Answer::kRetryLater;
  if (captured_at_ && now - *captured_at_ < options_.cooldown)
    return Answer::kCooldown;
  return Answer::kGo;
}

nanoseconds CapturePace::Left(MonotonicTime now) const {
  switch (Ask(now)) {
    case Answer::kCooldown:
      return options_.cooldown - (now - *captured_at_);
    case Answer::kRetryLater:
      return retry_ - (now - *failed_at_);
    case Answer::kGo:
    case Answer::kInProgress:
      break;
  }
  return nanoseconds(0);
}

void CapturePace::Begin(MonotonicTime now) { begun_at_ = now; }

void CapturePace::End(MonotonicTime now, bool has_evidence) {
  if (has_evidence) {
    captured_at_ = begun_at_.value_or(now);
    failed_at_.reset();
    retry_ = nanoseconds(0);
  } else {
    failed_at_ = now;
    retry_ = std::clamp(retry_ * 2, options_.first_retry,
                        std::max(options_.first_retry, options_.longest_retry));
  }
  begun_at_.reset();
}

void CapturePace::Restore(MonotonicTime now, nanoseconds ago) {
  if (ago >= options_.cooldown) return;
  captured_at_ = now - std::max(ago, nanoseconds(0));
}

std::string_view CapturePaceName(CapturePace::Answer answer) {
  switch (answer) {
    case CapturePace::Answer::kGo:
      return "go";
    case CapturePace::Answer::kInProgress:
      return "in_progress";
    case CapturePace::Answer::kCooldown:
      return "cooldown";
    case CapturePace::Answer::kRetryLater:
      return "retry_later";
  }
  return "";
}

}  // namespace fodc::detect
