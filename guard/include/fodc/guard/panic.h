// SPDX-License-Identifier: Apache-2.0
// Exceptions caught at the border of a task: recorded, counted, reported, and
// written as the same panic.json as a death (crash.h), with `recovered` true.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/breadcrumb.h"
#include "fodc/guard/event.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

// A JSON object that a state dumper fills, member by member. Beyond the limit
// of bytes nothing is kept any more. Not thread-safe.
class StateDump {
 public:
  explicit StateDump(std::size_t max_bytes);

  // A member of the object that is open; in a list the key is not used.
  void Add(std::string_view key, std::string_view value);
  void Add(std::string_view key, const char* value) {
    Add(key, std::string_view(value));
  }
  void Add(std::string_view key, bool value);
  void Add(std::string_view key, std::int64_t value);
  void Add(std::string_view key, std::uint64_t value);
  void Add(std::string_view key, int value) {
    Add(key, static_cast<std::int64_t>(value));
  }
  // What is no number in JSON (NaN, infinities) becomes null.
  void Add(std::string_view key, double value);
  void BeginObject(std::string_view key);
  void BeginList(std::string_view key);
  void End();  // of what was begun last

  bool is_over_limit() const { return is_over_; }
  // The document, with what is open ended, 2 spaces a level, a line feed at
  // the end. Empty over the limit.
  std::string Finish();

 private:
  void Open(std::string_view key);
  void Append(std::string_view text);

  std::size_t max_bytes_;
  std::string text_;
  std::string closers_;  // of what is open
  bool is_first_ = true;
  bool is_over_ = false;
};

struct StateDumpOutcome {
  std::string path;   // of deep-dump.json, empty if none was written
  std::string error;  // empty if there was none
  bool truncated = false;
};

struct PanicRecord {
  std::string artifact_id;  // name of its directory; of this record alone
  std::string component;
  std::string value;  // what() with its type; of other types the type
  std::string stack;  // of the failing thread, from where it threw
  UnixTime occurred_at;
  bool recovered = true;
  std::vector<Breadcrumb> breadcrumbs;
  std::vector<std::pair<std::string, std::string>> metadata;
  StateDumpOutcome state_dump;
  // Where the artifact will be; empty without a directory.
  std::string artifact_directory;
};

enum class ArtifactState : std::uint8_t {
  kPending,
  kWritten,
  kSkipped,  // there is no directory, or the queue was full or closed
  kFailed,   // disk
};

// Whether the artifact is on disk. Copies see the same. Thread-safe.
class ArtifactHandle {
 public:
  ArtifactHandle() = default;  // kSkipped for ever
  ArtifactState state() const noexcept;
  // Until it is no longer pending, or for `limit`.
  ArtifactState Wait(std::chrono::milliseconds limit) const noexcept;

 private:
  friend class PanicRecorder;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

// What a hook throws is told as an event and goes no further.
using PanicReporter = std::function<void(const PanicRecord&)>;
using StateDumper = std::function<void(StateDump*)>;

struct PanicOptions {
  std::string directory = "crash";  // as CrashOptions; empty: nothing on disk
  std::size_t max_artifacts = 10;   // as CrashOptions
  std::vector<std::pair<std::string, std::string>> metadata = {};  // likewise
  PanicReporter reporter = {};  // of every panic, before that of the call
  std::function<void()> on_abort = {};  // after the reporters, before the write
  std::size_t max_state_dump_bytes = std::size_t{5} << 20;
  // Artifacts are written by a thread of its own: a queue of kMaxQueued that
  // never blocks and drops what does not fit. Otherwise by who panics.
  bool write_in_background = false;
  std::chrono::milliseconds drain_limit{10000};  // when the recorder goes
  EventSink sink = {};
  Metrics* metrics = nullptr;    // outlives the recorder
  const Clock* clock = nullptr;  // none: the machine's
};

struct GuardedOptions {
  StateDumper state_dumper = {};
  PanicReporter reporter = {};
};

struct GuardedResult {
  bool panicked = false;
  std::exception_ptr exception;               // as it was thrown
  std::shared_ptr<const PanicRecord> record;  // null without memory
  ArtifactHandle artifact;
};

// Thread-safe. Must outlive the tasks that it guards.
//
// The order of steps after a panic: record, counter, state dump, path of the
// artifact (no I/O), the event "panic", reporter of the recorder, reporter of
// the call, on_abort, write of the artifact.
class PanicRecorder {
 public:
  static constexpr std::size_t kMaxQueued = 64;
  // Values of the label `component`; those beyond count as "other".
  static constexpr std::size_t kMaxComponents = 50;

  // Errors: kInvalidArgument for an option out of its range;
  // kResourceExhausted. A directory that cannot be made is an event: it is
  // tried again with each artifact.
  static Result<std::unique_ptr<PanicRecorder>> Create(
      PanicOptions options) noexcept;
  // Close(drain_limit).
  ~PanicRecorder();
  PanicRecorder(const PanicRecorder&) = delete;
  PanicRecorder& operator=(const PanicRecorder&) = delete;

  // Calls `task` with a chain of breadcrumbs of its own, a fork of the calling
  // thread's: what the task adds is gone from the thread when it is done.
  // Throws nothing; only the cancellation of the thread (pthread_cancel) goes
  // through.
  GuardedResult Run(std::string_view component,
                    const std::function<void()>& task,
                    const GuardedOptions& options = {});

  // The same on a new thread, with a fork of the caller's breadcrumbs and an
  // alternate signal stack. `done`, if given, gets the result there.
  // Errors: kResourceExhausted if no thread can be made.
  Result<std::thread> RunInThread(
      std::string component, std::function<void()> task,
      GuardedOptions options = {},
      std::function<void(const GuardedResult&)> done = {}) noexcept;

  // For what was caught elsewhere, such as in a server's own catch. The stack
  // is the caller's; null is no panic.
  GuardedResult Record(std::string_view component,
                       const std::exception_ptr& caught,
                       const GuardedOptions& options = {}) noexcept;

  // Takes no further artifacts, and waits for those in the queue. False if
  // the limit passed before; they are dropped then. Idempotent.
  bool Close(std::chrono::milliseconds limit) noexcept;

 private:
  struct Impl;
  explicit PanicRecorder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
