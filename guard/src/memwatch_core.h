// SPDX-License-Identifier: Apache-2.0
// What the memory watchdog decides, given what it measured: no clock, no file,
// no thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fodc/base/forecast.h"
#include "fodc/guard/memwatch.h"

namespace fodc::guard {

struct CoreSettings {
  MemoryThreshold hard;
  MemoryThreshold soft;  // off: 8/9 of hard
  CadenceOptions cadence;
  bool adaptive = true;
  bool predict = true;
  std::uint64_t predict_margin_bytes = 0;
  int failures_to_unknown = 10;
  // The last lives ended by pressure in their first minute.
  bool in_crash_loop = false;
};

// The settings that the options ask for; see MemwatchOptions.
// Errors: as Memwatch::Create.
Result<CoreSettings> ToCoreSettings(const MemwatchOptions& options);

struct CoreSample {
  MonotonicTime at;
  std::chrono::nanoseconds age{0};     // of the life
  std::optional<std::uint64_t> bytes;  // none: it could not be taken
  std::uint64_t limit_bytes = 0;
};

struct CoreDecision {
  MemoryLevel before = MemoryLevel::kNormal;
  MemoryLevel level = MemoryLevel::kNormal;
  bool fire = false;
  // The very first sample was at or above hard.
  bool over_at_start = false;
  // At or above hard, and not firing: the threshold lies below the baseline.
  bool below_baseline = false;
  bool unknown = false;
  bool unknown_changed = false;
  std::optional<double> seconds_to_limit;
  std::chrono::nanoseconds wait{0};
  std::uint64_t soft_bytes = 0;  // in force; 0: off
  std::uint64_t hard_bytes = 0;
};

// Not thread-safe; allocates nothing.
class MemwatchCore {
 public:
  explicit MemwatchCore(const CoreSettings& settings) : settings_(settings) {}

  CoreDecision Step(const CoreSample& sample);

  std::uint64_t HardBytes(std::uint64_t limit_bytes) const;
  std::uint64_t SoftBytes(std::uint64_t limit_bytes) const;
  // Another source measures something else.
  void ForgetHistory() { forecast_.Reset(); }
  void SetShortestWait(std::chrono::nanoseconds shortest);
  const CadenceOptions& cadence() const { return settings_.cadence; }

 private:
  void Fail(CoreDecision* d);
  bool IsSoft(const CoreSample& sample, std::uint64_t soft_bytes);
  void ChooseWait(const CoreSample& sample, CoreDecision* d) const;

  CoreSettings settings_;
  Forecast forecast_;
  MemoryLevel level_ = MemoryLevel::kNormal;
  MonotonicTime predicted_until_{};
  int failures_ = 0;
  bool any_sample_ = false;
  bool fired_ = false;
};

}  // namespace fodc::guard
