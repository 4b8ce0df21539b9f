// SPDX-License-Identifier: Apache-2.0
// Runs captures, each to its end or its budget's, and keeps what came of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/capture/capture_plan.h"
#include "fodc/capture/capture_request.h"
#include "fodc/capture/profile_source.h"
#include "fodc/evidence/event_store.h"

namespace fodc::capture {

// What is known of a row of the target table before anything happens.
struct CaptureTarget {
  ProfileSource profiles{};
  std::vector<std::string> config_files{};  // paths
  std::vector<std::string> log_files{};     // patterns of glob(3)
};

// Takes the next bytes. A failure (disk full, deadline, the runner's end) ends
// the writing; it is to be given back.
using WindowSink = std::function<Status(std::string_view bytes)>;

struct CaptureRunnerOptions {
  std::string pod_name{};
  std::vector<CaptureTarget> targets{};  // by row
  std::vector<const ProfileType*> profiles{};
  // Limits of a capture. `profiles`, `config_files`, `endpoints` and what there
  // is are filled in by the runner.
  CapturePlanOptions plan{};
  evidence::EventBudget budget{};
  evidence::RetentionLimits retention{};

  // Each is called on a thread of the runner, perhaps on several at once.
  // The pages of a row's target; empty: none.
  std::function<std::vector<CaptureEndpoint>(std::size_t row)> endpoints{};
  // The recording of that time as a file (.fdr); empty: none is captured.
  std::function<Status(UnixTime from, UnixTime to, const WindowSink& sink)>
      window{};
  std::chrono::nanoseconds window_before = std::chrono::minutes(15);

  // Captures at once, of different rows; the others wait.
  std::size_t threads = 2;
  std::size_t max_waiting = 16;  // captures; and as many aftermaths
  // Events whose aftermath is awaited: their log files are kept open, also when
  // they are deleted, which takes room of the disk.
  std::size_t max_followed = 16;
  std::chrono::nanoseconds max_follow_time = std::chrono::hours(1);

  // For tests.
  std::string proc_root = "/proc";
};

struct CaptureStats {
  std::uint64_t begun = 0;
  std::uint64_t captured = 0;  // events that were kept
  // Events that were not, and of what: of the target there was no evidence, the
  // directory was not to be had, or (also of those that were kept in part) a
  // commit failed.
  std::uint64_t failed = 0;
  std::uint64_t empty = 0;
  std::uint64_t mkdir_failures = 0;
  std::uint64_t commit_failures = 0;
  std::uint64_t refused = 0;     // by Begin
  std::uint64_t aftermaths = 0;  // that were added
  std::uint64_t aftermath_failures = 0;
  std::uint64_t artifacts = 0;
  std::uint64_t bytes = 0;
  std::uint64_t profile_failures = 0;
  std::uint64_t cut = 0;  // steps
  std::uint64_t retention_failures = 0;
  std::size_t waiting = 0;  // now
  std::size_t running = 0;  // now
  // Reads that hang now, beside those that are waited for. They are bounded:
  // when so many do, no further one is begun behind one that hangs.
  std::size_t lost_reads = 0;
  // Of the last capture that ended.
  std::optional<CaptureResult> last{};
};

// Thread-safe. It has threads of its own, and none of its functions waits for
// the disk, the network or a target, but the destructor.
class CaptureRunner {
 public:
  // On a thread of the runner, with no lock held: hand it to your loop.
  struct Callbacks {
    // Once for each Begin that was OK. After it the row is free again.
    std::function<void(CaptureResult)> on_captured{};
    // The event has this revision on disk: it may be listed, shown and copied.
    std::function<void(std::string event_id, std::uint32_t revision)>
        on_committed{};
    // Retention has deleted these: they are there no more.
    std::function<void(std::vector<std::string> event_ids)> on_deleted{};
    // Once, after Stop: nothing runs any more, and nothing else is called.
    std::function<void()> on_stopped{};
  };

  // `store` and `clock` must outlive it. Soon it brings what the store holds
  // within `options.retention`, as after each capture and aftermath.
  CaptureRunner(CaptureRunnerOptions options, Callbacks callbacks,
                evidence::EventStore* store, const Clock& clock);
  // Stop, and waits until nothing runs: as long as the disk takes.
  ~CaptureRunner();
  CaptureRunner(const CaptureRunner&) = delete;
  CaptureRunner& operator=(const CaptureRunner&) = delete;

  // Errors, with nothing begun and no callback: kUnavailable while a capture of
  // the row waits or runs (that of a dead target waits for the one that runs;
  // an urgent one only minds another urgent one); kResourceExhausted when
  // max_waiting do.
  Status Begin(CaptureRequest request);

  // Adds what came after the moment to a committed event: a second window from
  // the moment to now, what the logs got since, how the target died. Of an
  // event that is being captured it waits for the end.
  // Errors: kResourceExhausted when max_waiting aftermaths wait.
  Status AddAftermath(CaptureAftermath aftermath);

  // Finds the heap table that the process shares, if it does, and holds it:
  // what a capture or an aftermath that names it as `dead` reads. Soon, when
  // nothing else is to be done; again it is nearly free.
  void Hold(std::size_t row, const CaptureProcess& process);

  // For what else may leave too much in the store: an event is pinned no more.
  void RetainSoon();

  // Asks what runs to end: what was complete of it is kept as if its target had
  // died. What waits is dropped; from now on nothing begins (kCancelled). When
  // on_captured has been called for all, on_stopped is: within moments, unless
  // the disk hangs.
  void Stop();

  CaptureStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::capture
