// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/commit_log.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace kvnode {

using fodc::DataLoss;
using fodc::MutexLock;
using fodc::OkStatus;
using fodc::ResourceExhausted;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;
using fodc::Unavailable;

Result<std::unique_ptr<CommitLog>> CommitLog::Open(Options options,
                                                   Store* store) {
  std::unique_ptr<CommitLog> log(new CommitLog(std::move(options), store));
  FODC_RETURN_IF_ERROR(log->Recover());
  log->thread_ = std::jthread([l = log.get()] { l->Run(); });
  return log;
}

CommitLog::~CommitLog() { Stop(); }

Status CommitLog::Recover() {
  const std::uint64_t applied = store_->applied();
  fodc::guard::WalOptions wal = options_.wal;
  // A store without a log is a restored snapshot: the log begins behind it.
  wal.log.first_sequence = applied + 1;
  FODC_ASSIGN_OR_RETURN(log_, fodc::guard::Wal::Create(wal));
  fodc::wal::ReadOptions read;
  read.phase = "ReadAll";
  read.from_sequence = applied + 1;
  FODC_ASSIGN_OR_RETURN(
      const fodc::wal::ReadSummary summary,
      log_->Read(
          [&](const fodc::wal::Record& record) -> Status {
            if (record.sequence != store_->applied() + 1) {
              return DataLoss(StrCat(
                  options_.wal.directory, ": the log goes on at operation ",
                  record.sequence, ", the store ends at ", store_->applied()));
            }
            FODC_ASSIGN_OR_RETURN(const OperationView operation,
                                  Operation::Read(record.kind, record.payload));
            ++recovery_.replayed;
            return store_->Apply(record.sequence, {&operation, 1});
          },
          read));
  if (log_->next_sequence() <= applied) {
    // New operations would get sequences that the store takes for applied.
    return DataLoss(
        StrCat(options_.wal.directory, ": the log ends at operation ",
               log_->next_sequence() - 1, ", the store at ", applied));
  }
  recovery_.last_sequence = log_->next_sequence() - 1;
  recovery_.repaired = summary.repaired;
  log_bytes_ = log_->size_bytes();
  return OkStatus();
}

Status CommitLog::Submit(Operation operation, Done done) {
  const std::size_t bytes = operation.payload().size();
  {
    const MutexLock lock(mutex_);
    FODC_RETURN_IF_ERROR(failure_);
    if (stopping_) return Unavailable("the node stops");
    // What is larger than the bound by itself would wait for ever.
    if (queued_bytes_ > 0 &&
        queued_bytes_ + bytes > options_.max_queued_bytes) {
      ++refused_;
      return ResourceExhausted(StrCat("the log has ", queued_bytes_,
                                      " bytes to write, the limit is ",
                                      options_.max_queued_bytes));
    }
    queued_bytes_ += bytes;
    queue_.push_back({std::move(operation), std::move(done)});
  }
  changed_.NotifyOne();
  return OkStatus();
}

void CommitLog::DropWaiting() {
  std::vector<Waiting> dropped;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
    for (const Waiting& w : dropped) {
      queued_bytes_ -= w.operation.payload().size();
    }
  }
  changed_.NotifyOne();
  for (Waiting& w : dropped) w.done(Unavailable("the node stops"));
}

void CommitLog::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  if (thread_.joinable()) thread_.join();
}

std::vector<CommitLog::Waiting> CommitLog::TakeBatch() {
  const MutexLock lock(mutex_);
  while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (; count < queue_.size(); ++count) {
    bytes += queue_[count].operation.payload().size();
    if (count > 0 && bytes > options_.max_batch_bytes) break;
  }
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Waiting> batch(std::make_move_iterator(queue_.begin()),
                             std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return batch;
}

Status CommitLog::Commit(const std::vector<Waiting>& batch,
                         std::uint64_t* first, bool* is_fatal) {
  std::vector<fodc::wal::NewRecord> records;
  std::vector<OperationView> operations;
  for (const Waiting& w : batch) {
    records.push_back({static_cast<std::uint16_t>(w.operation.kind()),
                       w.operation.payload()});
    operations.push_back(w.operation.view());
  }
  *first = log_->next_sequence();
  const Status appended = log_->Append(records);
  if (!appended.ok()) {
    // A full disk: the log is as it was, and reads go on. Unless a part of the
    // batch went into the segment before the new one that there is no room for.
    *is_fatal = log_->next_sequence() != *first;
    return appended;
  }
  // Behind this, what the log has and the store has not would be missing from
  // every read, so nothing goes on: the next start replays it.
  *is_fatal = true;
  FODC_RETURN_IF_ERROR(log_->Sync());
  FODC_RETURN_IF_ERROR(store_->Apply(*first, operations));
  *is_fatal = false;
  return OkStatus();
}

void CommitLog::Run() {
  Status failure;
  for (std::vector<Waiting> batch; !(batch = TakeBatch()).empty();) {
    std::uint64_t sequence = 0;
    bool is_fatal = false;
    Status status = failure;
    if (status.ok()) status = Commit(batch, &sequence, &is_fatal);
    {
      const MutexLock lock(mutex_);
      for (const Waiting& w : batch) {
        queued_bytes_ -= w.operation.payload().size();
      }
      if (is_fatal) failure_ = failure = status;
    }
    ++batches_;
    operations_ += batch.size();
    for (Waiting& w : batch) {
      w.done(status.ok() ? Result<std::uint64_t>(sequence++) : status);
    }
    // Before it waits for the next: what came along is held no longer.
    batch.clear();
    if (is_fatal && options_.on_failure) options_.on_failure(status);
    if (status.ok()) Trim();
    log_bytes_ = log_->size_bytes();
  }
}

void CommitLog::Trim() {
  if (log_->size_bytes() <= options_.max_log_bytes) return;
  const std::uint64_t flushed = store_->applied();
  Status status = store_->Flush();
  if (status.ok()) status = log_->DropBefore(flushed + 1).status();
  // The log grows until it succeeds; a full disk ends that.
  if (!status.ok()) fodc::LogWarn("log is not trimmed", {{"error", status}});
}

CommitLog::Figures CommitLog::figures() const {
  Figures f;
  f.batches = batches_;
  f.operations = operations_;
  f.log_bytes = log_bytes_;
  const MutexLock lock(mutex_);
  f.refused = refused_;
  f.queued_bytes = queued_bytes_;
  return f;
}

}  // namespace kvnode
