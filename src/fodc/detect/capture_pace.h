// SPDX-License-Identifier: Apache-2.0
// How often evidence is captured for one reason of one target: one capture at a
// time, a cooldown after each that brought something, a short and growing wait
// after each that did not. Pure: times come with the calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/clock.h"

namespace fodc::detect {

struct CapturePaceOptions {
  std::chrono::nanoseconds cooldown = std::chrono::minutes(5);
  // After a capture without any evidence; doubled with each in a row.
  std::chrono::nanoseconds first_retry = std::chrono::seconds(1);
  std::chrono::nanoseconds longest_retry = std::chrono::minutes(1);
};

// Not thread-safe; allocates nothing.
class CapturePace {
 public:
  enum class Answer : std::uint8_t {
    kGo,
    kInProgress,
    kCooldown,  // counted from the moment of the last one that succeeded
    kRetryLater,
  };

  explicit CapturePace(const CapturePaceOptions& options) : options_(options) {}

  Answer Ask(MonotonicTime now) const;
  // Until kCooldown or kRetryLater is over; 0 if there is none.
  std::chrono::nanoseconds Left(MonotonicTime now) const;

  // A capture begins; whoever begins it has asked, or knows better.
  void Begin(MonotonicTime now);
  // It is over. `has_evidence`: at least one artifact of the target was kept.
  void End(MonotonicTime now, bool has_evidence);

  // When the last one with evidence began; nothing if none did.
  std::optional<MonotonicTime> captured_at() const { return captured_at_; }
  // What an earlier life knew: one with evidence began `ago`. A wall clock that
  // was set back since makes `ago` negative: it counts as now.
  void Restore(MonotonicTime now, std::chrono::nanoseconds ago);

 private:
  CapturePaceOptions options_;
  std::optional<MonotonicTime> begun_at_;  // one is in progress
  std::optional<MonotonicTime> captured_at_;
  std::optional<MonotonicTime> failed_at_;
  std::chrono::nanoseconds retry_{0};
};

// "go", "in_progress", "cooldown", "retry_later": for metrics and texts.
std::string_view CapturePaceName(CapturePace::Answer answer);

}  // namespace fodc::detect
