// SPDX-License-Identifier: Apache-2.0
// What is to be done about one target, sample by sample. Pure: it reads
// nothing, signals nobody and has no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fodc/base/clock.h"
#include "fodc/base/forecast.h"
#include "fodc/guardian/crash_loop.h"
#include "fodc/guardian/levels.h"

namespace fodc::guardian {

struct Rules {
  using Duration = std::chrono::nanoseconds;

  Levels levels = {};
  Duration grace = std::chrono::seconds(30);
  Duration capture_cooldown = std::chrono::minutes(5);
  Duration longest_wait = std::chrono::seconds(1);  // between two samples
  bool dry_run = false;
};

struct Sample {
  MonotonicTime at;
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;
  Lines lines;  // of that limit
};

// All that one sample asks for; several may be set.
struct Orders {
  bool capture = false;        // raise the incident
  bool no_capture = false;     // reached the line again within the cooldown
  bool calm = false;           // well below the line: the incident is over
  bool term = false;           // ask the target to stop, once
  bool suppressed = false;     // would ask, but for the crash-loop guard
  bool grace_over = false;     // was asked, and is still there
  bool is_still_over = false;  // with grace_over: still over the line
  bool kill = false;           // once, after the grace

  bool operator==(const Orders&) const = default;
};

// One target, over all its instances. Not thread-safe; allocates nothing.
class Course {
 public:
  static constexpr std::chrono::milliseconds kShortestWait{10};
  static constexpr std::chrono::milliseconds kConfirmAfter{10};

  explicit Course(const Rules& rules) : rules_(rules) {}

  // An instance has been found that started then: every shot is there again.
  void Begin(MonotonicTime started);
  // That instance was asked then, by a guardian before this one.
  void WasAsked(MonotonicTime at) { term_at_ = at; }
  // The order to stop was carried out: it counts for the crash-loop guard. One
  // that failed, or that a dry run only told, stops nobody and makes no loop.
  void WasSent(MonotonicTime at) {
    crash_loop_.OnTermination(at, at - started_);
  }
  // So was an instance of it, of that age. In the order of time, before all
  // samples.
  void Remember(MonotonicTime at, std::chrono::nanoseconds age) {
    crash_loop_.OnTermination(at, age);
  }
  // It is gone. True if an incident is to be ended.
  bool End();

  // The next sample of the instance; samples come in the order of time.
  Orders OnSample(const Sample& sample);
  // The target hit its limit and stands still there: it is asked to stop
  // without confirmation, unless it was already or the guard forbids.
  Orders OnWall(const Sample& sample);

  // How long to wait for the sample after this one: the room up to the line
  // that comes next, at the fastest growth that is to be reckoned with, between
  // kShortestWait and the longest; earlier if something is due.
  std::chrono::nanoseconds Wait(const Sample& sample) const;

  // Until the limit; absent while it does not grow.
  std::optional<double> SecondsTo(std::uint64_t limit_bytes) const {
    return forecast_.SecondsTo(limit_bytes);
  }
  bool is_suppressed(MonotonicTime now) const {
    return is_suppressed_ || crash_loop_.IsTripped(now);
  }
  bool was_asked() const { return term_at_.has_value(); }

 private:
  void Capture(const Sample& sample, Orders* orders);
  void Stop(const Sample& sample, Orders* orders);
  void Ask(const Sample& sample, Orders* orders);

  Rules rules_;
  CrashLoop crash_loop_;
  std::optional<MonotonicTime> captured_at_;

  // Of this instance.
  MonotonicTime started_;
  bool is_captured_ = false;
  bool is_cooling_ = false;  // over the capture line, within the cooldown
  std::optional<MonotonicTime> first_over_;  // waits for confirmation
  bool is_suppressed_ = false;
  std::optional<MonotonicTime> term_at_;
  bool is_grace_over_ = false;
  bool was_killed_ = false;

  Forecast forecast_;
};

}  // namespace fodc::guardian
