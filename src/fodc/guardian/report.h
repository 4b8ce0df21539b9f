// SPDX-License-Identifier: Apache-2.0
// What the watching thread tells: plain data of a fixed size, so that telling
// it allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "fodc/base/clock.h"
#include "fodc/guardian/levels.h"
#include "fodc/guardian/process.h"

namespace fodc::guardian {

enum class ReportKind : std::uint8_t {
  kArmed,       // a process is guarded from now on
  kCapture,     // the incident begins
  kInCooldown,  // it would, but for the cooldown
  kCalm,        // it is over
  kTerm,        // asked to stop; `error` if that failed
  kSuppressed,  // would have been, but for the crash-loop guard
  kGraceOver,   // was asked, and is still there
  kKill,        // `error` if that failed
  kEnded,       // the process is gone
  kLost,        // it lives, but is not guarded any more
  kWall,        // stands still at its limit
  kRaise,       // its limit was raised, or not: `raise`, `error`
  kWallOver,    // the kernel's killer is on again
};

enum class RaiseResult : std::uint8_t { kDone, kRefused, kFailed };

struct Report {
  ReportKind kind = ReportKind::kArmed;
  std::size_t row = 0;  // of the target table
  ProcessName who;
  UnixTime at;
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;
  bool has_cgroup_limit = false;  // else it is physical memory
  Lines lines;
  std::uint64_t resident_bytes = 0;  // 0: not known
  double age_seconds = 0;            // of the process
  std::optional<double> seconds_to_limit;
  bool is_dry_run = false;
  bool is_still_over = false;  // kGraceOver
  bool was_asked = false;      // kEnded, kGraceOver: by the guardian
  RaiseResult raise = RaiseResult::kDone;
  std::uint64_t raised_bytes = 0;
  int error = 0;  // an errno
};

// Bounded; the newest are dropped beyond, and counted. Not thread-safe.
class ReportRing {
 public:
  static constexpr std::size_t kReports = 128;

  void Push(const Report& report) {
    if (size_ == kReports) {
      ++dropped_;
      return;
    }
    ring_[(first_ + size_++) % kReports] = report;
  }
  std::optional<Report> Pop() {
    if (size_ == 0) return {};
    const Report& report = ring_[first_];
    first_ = (first_ + 1) % kReports;
    --size_;
    return report;
  }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::array<Report, kReports> ring_{};
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace fodc::guardian
