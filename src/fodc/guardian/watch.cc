// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/watch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace fodc::guardian {

Watch::Watch(std::size_t row, const Rules& rules, const WallRules& wall_rules,
             std::vector<Stop> before, const Clock& clock, ActionCounts& counts,
             Tell tell)
    : row_(row),
      rules_(rules),
      wall_rules_(wall_rules),
      before_(std::move(before)),
      clock_(clock),
      counts_(counts),
      tell_(std::move(tell)),
      course_(rules) {
  for (const Stop& s : before_) course_.Remember(s.at, s.age);
}

Retired Watch::Arm(std::unique_ptr<Subject> subject, MonotonicTime started) {
  // Whoever follows another has not been seen to end.
  if (subject_ != nullptr && begun_ != subject->name())
    Lose(ReportKind::kEnded);
  if (begun_ != subject->name()) {
    begun_ = subject->name();
    started_ = started;
    course_.Begin(started);
    for (const Stop& s : before_) {
      if (s.who == *begun_) course_.WasAsked(s.at);
    }
    is_announced_ = false;
    is_spent_ = false;
  }
  if (subject_ != nullptr) {
    // It was moved: the wall is another group's.
    if (subject_->group() != subject->group()) DropWall();
    retired_.subject = std::move(subject_);
  }
  near_reads_ = kNearReads - 1;  // of this one nothing is known
  subject_ = std::move(subject);
  limit_read_at_ = clock_.Monotonic();
  state_.is_armed = true;
  return std::exchange(retired_, {});
}

Retired Watch::Disarm() {
  if (subject_ != nullptr) {
    Lose(subject_->HasEnded() ? ReportKind::kEnded : ReportKind::kLost);
  }
  return std::exchange(retired_, {});
}

Retired Watch::PutWall(std::unique_ptr<Wall> wall, const ProcessName& who) {
  if (subject_ != nullptr && subject_->name() == who && wall_ == nullptr) {
    wall_ = std::move(wall);
  } else {
    retired_.wall = std::move(wall);
  }
  return std::exchange(retired_, {});
}

Report Watch::Make(ReportKind kind, const Sample& sample) const {
  Report r;
  r.kind = kind;
  r.row = row_;
  r.who = *begun_;
  r.at = clock_.Unix();
  r.bytes = sample.bytes;
  r.limit_bytes = sample.limit_bytes;
  r.lines = sample.lines;
  r.age_seconds = std::chrono::duration<double>(sample.at - started_).count();
  r.seconds_to_limit = course_.SecondsTo(sample.limit_bytes);
  r.is_dry_run = rules_.dry_run;
  r.was_asked = course_.was_asked();
  if (subject_ != nullptr) {
    r.has_cgroup_limit = subject_->has_cgroup_limit();
    r.resident_bytes = subject_->ReadResident().value_or(0);
  }
  return r;
}

void Watch::Lose(ReportKind why) {
  Sample last;
  last.at = clock_.Monotonic();
  last.bytes = state_.bytes;
  last.limit_bytes = state_.limit_bytes;
  last.lines = state_.lines;
  Report report = Make(why, last);
  report.resident_bytes = 0;
  tell_(report);
  DropWall();
  retired_.subject = std::move(subject_);
  state_.is_armed = false;
  state_.seconds_to_limit.reset();
}

// What the charge is exactly does not matter below all lines that are still to
// be reached. It does for how long to wait, but for the shortest wait; and for
// whether it still holds, once it was asked to stop.
std::optional<std::uint64_t> Watch::ReadBytes() {
  const bool is_hurried = state_.wait_seconds > 0 &&
                          std::chrono::duration<double>(state_.wait_seconds) <=
                              Course::kShortestWait;
  const bool is_below =
      !course_.was_asked() &&
      (state_.lines.term == 0 || state_.bytes < state_.lines.term);
  if (!is_hurried || !is_below || near_reads_ == kNearReads - 1) {
    near_reads_ = 0;
    return subject_->ReadBytes();
  }
  ++near_reads_;
  return subject_->ReadBytesNear(
      state_.lines.Above(state_.bytes, state_.limit_bytes));
}

std::optional<Sample> Watch::Read() {
  if (subject_ == nullptr) return {};
  const MonotonicTime now = clock_.Monotonic();
  if (now - limit_read_at_ >= kLimitEvery) {
    limit_read_at_ = now;
    subject_->ReadLimit();
  }
  const auto bytes = ReadBytes();
  // Asked after the reading: what was read is then of a process that lived.
  if (subject_->HasEnded()) {
    Lose(ReportKind::kEnded);
    return {};
  }
  Sample sample;
  sample.limit_bytes = subject_->limit_bytes();
  const auto lines = rules_.levels.At(sample.limit_bytes);
  if (!bytes || !lines.ok()) {
    ++state_.failures;
    Lose(ReportKind::kLost);
    return {};
  }
  sample.at = clock_.Monotonic();
  sample.bytes = *bytes;
  sample.lines = *lines;
  state_.bytes = *bytes;
  state_.limit_bytes = sample.limit_bytes;
  state_.lines = *lines;
  if (!is_announced_) {
    is_announced_ = true;
    tell_(Make(ReportKind::kArmed, sample));
  }
  return sample;
}

std::optional<std::chrono::nanoseconds> Watch::Look() {
  const auto sample = Read();
  if (!sample) return {};
  Carry(course_.OnSample(*sample), *sample);
  TendWall(*sample);
  std::chrono::nanoseconds wait = course_.Wait(*sample);
  // An estimate is no reason to look less often.
  if (near_reads_ > 0)
    wait = std::min<std::chrono::nanoseconds>(wait, Course::kShortestWait);
  // Whoever does not look within the deadline keeps no killer off.
  if (is_held_) wait = std::min(wait, wall_rules_.options.deadline / 2);
  state_.is_suppressed = course_.is_suppressed(sample->at);
  state_.seconds_to_limit = course_.SecondsTo(sample->limit_bytes);
  state_.wait_seconds = std::chrono::duration<double>(wait).count();
  return wait;
}

// Off only near the limit, so that as little as possible depends on us.
void Watch::TendWall(const Sample& sample) {
  if (wall_ == nullptr || is_spent_) return;
  // Without a line of incidents that of the stop, which is always there.
  const std::uint64_t line =
      sample.lines.capture != 0 ? sample.lines.capture : sample.lines.term;
  const MonotonicTime deadline = sample.at + wall_rules_.options.deadline;
  const auto control = [this, deadline] {
    return wall_rules_.timer->Set(row_, wall_->control_fd(), deadline);
  };
  if (!is_held_) {
    if (sample.bytes < line || course_.is_suppressed(sample.at)) return;
    is_held_ = control() && wall_->Hold() == 0;
    if (!is_held_) LeaveWall();
    return;
  }
  if (!wall_->IsHeld()) {  // the timer, or an operator
    tell_(Make(ReportKind::kWallOver, sample));
    LeaveWall();
    is_spent_ = true;
  } else if (has_hit_) {
    return;  // until it ends, or the timer says that it took too long
  } else if (wall_->IsStanding()) {
    (void)control();
    HitWall(sample);
  } else if (sample.bytes < line - line / 20) {
    LeaveWall();
  } else {
    (void)control();
  }
}

void Watch::HitWall(const Sample& sample) {
  has_hit_ = true;
  Carry(course_.OnWall(sample), sample);
  tell_(Make(ReportKind::kWall, sample));
  if (!course_.was_asked()) {  // nobody will make it leave
    LeaveWall();
    is_spent_ = true;
    tell_(Make(ReportKind::kWallOver, sample));
    return;
  }
  Report report = Make(ReportKind::kRaise, sample);
  report.raised_bytes = wall_rules_.options.raise_bytes;
  report.raise = wall_->Raise(report.raised_bytes, &report.error);
  switch (report.raise) {
    case RaiseResult::kDone:
      counts_.Add(Action::kRaiseDone);
      break;
    case RaiseResult::kRefused:
      counts_.Add(Action::kRaiseRefused);
      break;
    case RaiseResult::kFailed:
      counts_.Add(Action::kRaiseFailed);
      break;
  }
  tell_(report);
}

void Watch::DropWall() {
  if (wall_ == nullptr) return;
  LeaveWall();
  wall_->Lower();
  retired_.wall = std::move(wall_);
  has_hit_ = false;
}

void Watch::LeaveWall() {
  if (wall_ == nullptr) return;
  wall_->Release();
  wall_rules_.timer->Clear(row_);
  is_held_ = false;
}

void Watch::Carry(const Orders& orders, const Sample& sample) {
  // What is urgent first: telling can wait.
  if (orders.term) AskToStop(sample);
  if (orders.grace_over) {
    Report report = Make(ReportKind::kGraceOver, sample);
    report.is_still_over = orders.is_still_over;
    tell_(report);
  }
  if (orders.kill) Kill(sample);
  if (orders.suppressed) {
    counts_.Add(Action::kSuppressedByCrashLoop);
    tell_(Make(ReportKind::kSuppressed, sample));
  }
  if (orders.capture) {
    counts_.Add(rules_.dry_run ? Action::kDryRunCapture
                               : Action::kCaptureRaised);
    tell_(Make(ReportKind::kCapture, sample));
  }
  if (orders.no_capture) {
    counts_.Add(Action::kCaptureInCooldown);
    tell_(Make(ReportKind::kInCooldown, sample));
  }
  if (orders.calm) tell_(Make(ReportKind::kCalm, sample));
}

void Watch::AskToStop(const Sample& sample) {
  int error = 0;
  if (rules_.dry_run) {
    counts_.Add(Action::kDryRunTerm);
  } else {
    error = subject_->Signal(SIGTERM);
    counts_.Add(error == 0 ? Action::kTermSent : Action::kTermFailed);
    if (error == 0) course_.WasSent(sample.at);
  }
  Report report = Make(ReportKind::kTerm, sample);
  report.error = error;
  tell_(report);
}

void Watch::Kill(const Sample& sample) {
  int error = 0;
  if (rules_.dry_run) {
    counts_.Add(Action::kDryRunKill);
  } else {
    error = subject_->Signal(SIGKILL);
    counts_.Add(error == 0 ? Action::kKillSent : Action::kKillFailed);
    // Best effort: the process dies in any case.
    if (error == 0) (void)subject_->Release();
  }
  Report report = Make(ReportKind::kKill, sample);
  report.error = error;
  tell_(report);
}

}  // namespace fodc::guardian
