// SPDX-License-Identifier: Apache-2.0
// The node's log in front of the store, and the one thread
// that writes both. Group commit: whatever came in while the disk was busy with
// the batch before is the next batch, and costs one sync. An operation is
// answered when it is on disk and in the store.
//
// The thread blocks in fsync, for milliseconds; that is why it is one of its
// own, and why the node's loop never touches the log.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "examples/kvnode/operation.h"
#include "examples/kvnode/store.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/guard/wal.h"
#include "fodc/net/unique_function.h"

namespace kvnode {

// Thread-safe.
class CommitLog {
 public:
  struct Options {
    fodc::guard::WalOptions wal;
    // Beyond, the store is flushed and the log's old segments go.
    std::uint64_t max_log_bytes = 128u << 20;
    // What waits. Beyond, Submit refuses: a queue that grows without a bound
    // is memory that nobody planned for.
    std::size_t max_queued_bytes = 256u << 20;
    // One batch is not larger, unless it is one operation.
    std::size_t max_batch_bytes = 8u << 20;
    // Called once, on the log's thread, when the log or the store has failed:
    // the node should stop. Nothing is lost: what was answered is in the log.
    std::function<void(const fodc::Status&)> on_failure;
  };
  struct Recovery {
    std::uint64_t replayed = 0;  // operations that the store lacked
    std::uint64_t last_sequence = 0;
    bool repaired = false;
  };
  struct Figures {
    std::uint64_t batches = 0;
    std::uint64_t operations = 0;
    std::uint64_t refused = 0;  // at max_queued_bytes
    std::uint64_t queued_bytes = 0;
    std::uint64_t log_bytes = 0;
  };
  // Called on the log's thread (by DropWaiting on its caller's); must be short.
  using Done =
      fodc::net::UniqueFunction<void(fodc::Result<std::uint64_t> sequence)>;

  // Repairs the log's tail if need be, gives the store what it lacks, and
  // starts the thread. `store` must outlive it.
  // Errors: those of guard::Wal; kDataLoss if log and store do not fit
  // together.
  static fodc::Result<std::unique_ptr<CommitLog>> Open(Options options,
                                                       Store* store);
  // As Stop.
  ~CommitLog();
  CommitLog(const CommitLog&) = delete;
  CommitLog& operator=(const CommitLog&) = delete;

  const Recovery& recovery() const { return recovery_; }

  // Errors, with `done` never called: kResourceExhausted when too much waits;
  // kUnavailable after Stop; the failure after one.
  fodc::Status Submit(Operation operation, Done done);

  // Answers kUnavailable to all that waits and takes no more: for a stop for
  // want of memory. Nobody was told that it is done.
  void DropWaiting();

  // Finishes what was taken, then ends the thread. The last sync is done when
  // it returns.
  void Stop();

  Figures figures() const;

 private:
  struct Waiting {
    Operation operation;
    Done done;
  };

  CommitLog(Options options, Store* store)
      : options_(std::move(options)), store_(store) {}
  fodc::Status Recover();
  void Run();
  // Empty when it is time to end.
  std::vector<Waiting> TakeBatch() FODC_EXCLUDES(mutex_);
  fodc::Status Commit(const std::vector<Waiting>& batch, std::uint64_t* first,
                      bool* is_fatal);
  void Trim();

  const Options options_;
  Store* const store_;
  Recovery recovery_;
  std::unique_ptr<fodc::guard::Wal> log_;  // after Open, the thread's

  mutable fodc::Mutex mutex_;
  fodc::CondVar changed_;
  std::vector<Waiting> queue_ FODC_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ FODC_GUARDED_BY(mutex_) = 0;
  bool stopping_ FODC_GUARDED_BY(mutex_) = false;
  fodc::Status failure_ FODC_GUARDED_BY(mutex_);
  std::uint64_t refused_ FODC_GUARDED_BY(mutex_) = 0;

  std::atomic<std::uint64_t> batches_{0};
  std::atomic<std::uint64_t> operations_{0};
  std::atomic<std::uint64_t> log_bytes_{0};
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace kvnode
