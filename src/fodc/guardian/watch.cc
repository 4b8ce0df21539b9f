// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/watch.h"

#include <cerrno>
#include <csignal>
#include <utility>

namespace fodc::guardian {

Watch::Watch(std::size_t row, const Rules& rules, const Clock& clock,
             ActionCounts& counts, Tell tell)
    : row_(row),
      rules_(rules),
      clock_(clock),
      counts_(counts),
      tell_(std::move(tell)),
      course_(rules) {}

std::unique_ptr<Subject> Watch::Arm(std::unique_ptr<Subject> subject,
                                    MonotonicTime started) {
  // Whoever follows another has not been seen to end.
  if (subject_ != nullptr && begun_ != subject->name())
    Lose(ReportKind::kEnded);
  if (begun_ != subject->name()) {
    begun_ = subject->name();
    started_ = started;
    course_.Begin(started);
    is_announced_ = false;
  }
  if (retired_ == nullptr) retired_ = std::move(subject_);
  subject_ = std::move(subject);
  state_.is_armed = true;
  return std::move(retired_);
}

std::unique_ptr<Subject> Watch::Disarm() {
  if (subject_ != nullptr) {
    Lose(subject_->HasEnded() ? ReportKind::kEnded : ReportKind::kLost);
  }
  return std::move(retired_);
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
  retired_ = std::move(subject_);
  state_.is_armed = false;
  state_.seconds_to_limit.reset();
}

std::optional<Sample> Watch::Read() {
  if (subject_ == nullptr) return {};
  const auto bytes = subject_->ReadBytes();
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
  const std::chrono::nanoseconds wait = course_.Wait(*sample);
  state_.is_suppressed = course_.is_suppressed(sample->at);
  state_.seconds_to_limit = course_.SecondsTo(sample->limit_bytes);
  state_.wait_seconds = std::chrono::duration<double>(wait).count();
  return wait;
}

std::optional<std::chrono::nanoseconds> Watch::OnWall() {
  const auto sample = Read();
  if (!sample) return {};
  tell_(Make(ReportKind::kWall, *sample));
  Carry(course_.OnWall(*sample), *sample);
  return course_.Wait(*sample);
}

void Watch::Carry(const Orders& orders, const Sample& sample) {
  // What is urgent first: telling can wait.
  if (orders.term) Stop(sample);
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

void Watch::Stop(const Sample& sample) {
  int error = 0;
  if (rules_.dry_run) {
    counts_.Add(Action::kDryRunTerm);
  } else {
    error = subject_->Signal(SIGTERM);
    counts_.Add(error == 0 ? Action::kTermSent : Action::kTermFailed);
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
