// SPDX-License-Identifier: Apache-2.0
// One row of the target table under guard: looks, decides, acts and tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/guardian/actions.h"
#include "fodc/guardian/course.h"
#include "fodc/guardian/report.h"
#include "fodc/guardian/stop_record.h"
#include "fodc/guardian/subject.h"
#include "fodc/guardian/wall.h"
#include "fodc/guardian/wall_timer.h"

namespace fodc::guardian {

// What one no longer needs, to be freed by another thread.
struct Retired {
  std::unique_ptr<Subject> subject;
  std::unique_ptr<Wall> wall;
};

// Rules of the pause at the wall; `timer` may be null where there is none.
struct WallRules {
  WallOptions options;
  WallTimer* timer = nullptr;
};

// What is shown of a row.
struct WatchState {
  bool is_armed = false;
  bool is_suppressed = false;
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;
  Lines lines;
  std::optional<double> seconds_to_limit;
  double wait_seconds = 0;
  std::uint64_t failures = 0;  // to read its memory
};

// Not thread-safe: belongs to the watching thread. Once armed it allocates
// nothing.
class Watch {
 public:
  // While it looks as often as it can, it reads the memory in full once in so
  // many looks, as long as nothing is reached meanwhile.
  static constexpr int kNearReads = 8;
  // A limit may be lowered under a running process at any time.
  static constexpr std::chrono::seconds kLimitEvery{1};
  using Tell = std::function<void(const Report&)>;

  // `before`: what guardians before this one did, the oldest first. The
  // references must outlive it.
  Watch(std::size_t row, const Rules& rules, const WallRules& wall_rules,
        std::vector<Stop> before, const Clock& clock, ActionCounts& counts,
        Tell tell);

  // A process to guard. One of the name it guards already (looked up anew, for
  // limits and cgroups change) goes on where it was: shots that were fired stay
  // fired, and its wall stays, unless its group is another one now. Returns
  // what it had.
  Retired Arm(std::unique_ptr<Subject> subject, MonotonicTime started);
  // There is nobody to guard.
  Retired Disarm();
  // Where that process is to stand still instead of being killed. Given back if
  // another one is guarded by now.
  Retired PutWall(std::unique_ptr<Wall> wall, const ProcessName& who);

  // One look, and what it leads to. How long to wait for the next; nothing if
  // nobody is guarded.
  std::optional<std::chrono::nanoseconds> Look();

  Subject* subject() const { return subject_.get(); }
  Wall* wall() const { return wall_.get(); }
  const WatchState& state() const { return state_; }

 private:
  std::optional<Sample> Read();
  std::optional<std::uint64_t> ReadBytes();
  void Carry(const Orders& orders, const Sample& sample);
  void AskToStop(const Sample& sample);
  void Kill(const Sample& sample);
  void Lose(ReportKind why);
  void TendWall(const Sample& sample);
  void HitWall(const Sample& sample);
  void LeaveWall();
  void DropWall();
  Report Make(ReportKind kind, const Sample& sample) const;

  const std::size_t row_;
  const Rules rules_;
  const WallRules wall_rules_;
  const std::vector<Stop> before_;
  const Clock& clock_;
  ActionCounts& counts_;
  const Tell tell_;
  Course course_;
  std::unique_ptr<Subject> subject_;
  // What ended or was lost, until somebody takes it away: freeing is for
  // another thread.
  Retired retired_;
  std::optional<ProcessName> begun_;  // whose course it is
  MonotonicTime started_;
  bool is_announced_ = false;
  MonotonicTime limit_read_at_;
  int near_reads_ = 0;  // since the memory was read in full
  WatchState state_;

  std::unique_ptr<Wall> wall_;
  bool is_held_ = false;   // its killer is off
  bool has_hit_ = false;   // stood still: no more is done than was
  bool is_spent_ = false;  // the killer stays on for this process
};

}  // namespace fodc::guardian
