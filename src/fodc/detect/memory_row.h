// SPDX-License-Identifier: Apache-2.0
// One target's memory, watched: look after look, over all its instances.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/forecast.h"
#include "fodc/detect/memory_source.h"
#include "fodc/detect/pressure_trigger.h"

namespace fodc::detect {

// Memory and limit as the target's own page tells them, of one page.
struct PagePair {
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;
};

// What is shown of a row.
struct MemoryState {
  PressureDecision last;
  std::optional<PressureDecision> last_fired;
  // Why it is not armed, in words; empty if it is.
  std::string problem;
  std::optional<double> seconds_to_limit;
  std::chrono::nanoseconds wait{0};  // until the next look
  std::uint64_t looks = 0;
  std::uint64_t failures = 0;  // to read the memory
  std::uint64_t fired = 0;
  std::uint64_t skipped_cooldown = 0;  // scrapes that found it over the line
  bool may_use_page = true;            // its cgroup is not seen
  bool has_events = false;             // of cgroup v1
  bool has_stall = false;              // of PSI
  std::string events_problem;          // see MemorySource
  std::optional<PressureTrigger::Past> past;
};

// What one look led to.
struct MemoryLook {
  bool fires = false;
  bool is_calm = false;  // well below the line after it fired
  // Until the next; nothing: there is nothing to look at.
  std::optional<std::chrono::nanoseconds> wait;
};

// Not thread-safe: belongs to the watching thread. A look that reads no limits
// and fires nothing allocates nothing.
class MemoryRow {
 public:
  // Limits change under a running process: they are read anew this often.
  static constexpr std::chrono::seconds kLimitsEvery{5};
  // So far below the line a ramp-up is over, of the limit.
  static constexpr int kCalmPercent = 5;

  MemoryRow(const PressureOptions& pressure, const CadenceOptions& cadence);

  // From now on that process is the target's; null: there is none, or it cannot
  // be read, `why` and `problem` then say which. Returns what it had, to be
  // freed elsewhere.
  std::unique_ptr<MemorySource> Follow(std::unique_ptr<MemorySource> source,
                                       PressureReason why, std::string problem);
  // What its page told last; nothing: it tells no more. Used while the cgroup
  // is not visible.
  void OnPage(std::optional<PagePair> page) { page_ = page; }
  // A capture that this row made begin is over.
  void OnCaptured(MonotonicTime now, bool has_evidence);
  void Restore(MonotonicTime now, std::chrono::nanoseconds ago,
               std::uint64_t captured_bytes);
  // See PressureTrigger.
  void set_dies_again(bool dies_again) { trigger_.set_dies_again(dies_again); }

  // One look. `is_scrape`: it is due because a scrape has ended.
  MemoryLook Look(const Clock& clock, bool is_scrape = false);

  MemorySource* source() const { return source_.get(); }
  // Names the ramp-up that fired last, from 1.
  std::uint64_t ramp() const { return ramp_; }
  const MemoryState& state() const { return state_; }

 private:
  std::optional<PressureSample> Read(const Clock& clock);
  void Judge(const PressureSample& sample, MemoryLook* look);
  bool UsesPage() const {
    // A page that tells no limit (0: the gauge is there, the limit is not) is
    // no better than what can be read.
    return page_ && (source_ == nullptr ||
                     (source_->is_blind() && page_->limit_bytes > 0));
  }
  void Nothing(MonotonicTime at, PressureReason why, std::string problem);

  const int trigger_percent_;
  const CadenceOptions cadence_;
  PressureTrigger trigger_;
  Forecast forecast_;
  PressureMeasure measure_ = PressureMeasure::kNone;  // of the forecast
  std::unique_ptr<MemorySource> source_;
  PressureReason absence_ = PressureReason::kNoTarget;
  std::string absence_text_ = "no process is found";
  std::optional<PagePair> page_;
  MonotonicTime limits_read_at_;
  std::uint64_t ramp_ = 0;
  bool is_rising_ = false;  // fired, and not calm since
  MemoryState state_;
};

}  // namespace fodc::detect
