// SPDX-License-Identifier: Apache-2.0
// Why this process ends, and why the one before it did. The first cause wins:
// an error that follows from a stop for memory does not hide the stop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

enum class ExitCause : std::uint8_t {
  kNone = 0,  // it runs
  kStop,      // asked for: SIGTERM, an operator
  kPressure,  // the memory watchdog
  kError,     // it returned an error
  kCrash,     // a fatal signal, std::terminate
  // Only of a life before, which ended without a word:
  kKilled,
  kOomKill,  // and its cgroup counts a kill for memory since it began
};
// "stop", "pressure", "error", "crash", "killed", "oom_kill"; "none".
std::string_view ExitCauseName(ExitCause cause) noexcept;

// What is known at the end, 0 where it is not.
struct ExitNumbers {
  std::uint64_t rss_bytes = 0;
  std::uint64_t limit_bytes = 0;
  std::uint64_t threshold_bytes = 0;
};

// How a life ended.
struct LastExit {
  ExitCause cause = ExitCause::kNone;
  std::int64_t unix_ms = 0;  // when it ended; 0 if it ended without a word
  double run_seconds = 0;    // how long it ran; 0 likewise
  ExitNumbers numbers;
};

struct LifeOptions {
  // Of this process alone; made if need be. It gets `life`, which the next
  // life reads, `last-exit.json`, for everyone else, and `lock`, which is held
  // for the life. Empty: nothing is kept, and there is no life before.
  std::string directory = {};
  int pressure_exit_code = 2;  // 1 to 125
  EventSink events = {};
  Metrics* metrics = nullptr;    // fodc_guard_last_exit_info; outlives the life
  const Clock* clock = nullptr;  // none: the machine's
};

// One per process, made first in main and gone last. Thread-safe. Allocates
// nothing after Begin but in Conclude. While the crash handler of crash.h is
// armed, whichever of both came first, a crash ends it by kCrash; without that
// handler the next life knows a crash as kKilled.
//
// A child made by fork does not live this life: there Claim and End do nothing
// and return false, and Conclude only returns the code of `run`. It may destroy
// its copy, and begin a life of its own in another directory. The lock stays
// with the parent and ends with it.
class Life {
 public:
  // Reads how the life before ended, and begins this one. A directory that
  // cannot be read or written is said in an event and is no error: a node must
  // start on a full disk.
  // Errors: kInvalidArgument for the exit code; kFailedPrecondition, naming the
  // directory and the process, if a life that still runs has the directory:
  // nothing in it is touched.
  static Result<std::unique_ptr<Life>> Begin(LifeOptions options) noexcept;
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // None if this is the first life in the directory.
  const std::optional<LastExit>& previous() const noexcept;
  // From so many on the watchdog waits until memory was seen below its
  // threshold.
  static constexpr int kPressureLoop = 3;
  // How many lives right before this one ended by pressure within a minute of
  // their start. A life that waited as above and was killed neither adds to it
  // nor ends it: that is what the waiting may lead to.
  int pressure_streak() const noexcept;
  int pressure_exit_code() const noexcept;
  std::chrono::nanoseconds age() const noexcept;

  // The numbers of now, for the end whenever it comes. Async-signal-safe.
  void Note(const ExitNumbers& numbers) noexcept;
  // Sets the cause if there is none yet. False if there is one.
  // Async-signal-safe.
  bool Claim(ExitCause cause) noexcept;
  // Likewise, and writes `last-exit.json` and the line that the next life
  // reads, once, without a sync: the machine goes on. Async-signal-safe.
  bool End(ExitCause cause) noexcept;
  ExitCause cause() const noexcept;

  // What main returns: the code of pressure if that is the cause, whatever
  // `run` says; else 1 for an error and 0 without. An error beside pressure is
  // said ("shutdown error after memory pressure"). kCancelled is what a stop
  // itself makes: no error beside a cause. Ends the life if nothing has.
  int Conclude(const Status& run) noexcept;

 private:
  struct Impl;
  explicit Life(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
