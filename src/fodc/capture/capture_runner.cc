// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_runner.h"

#include <algorithm>
#include <deque>
#include <map>
#include <stop_token>
#include <thread>
#include <utility>
#include <variant>

#include "fodc/base/log.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/base/thread_priority.h"
#include "fodc/capture/capture_run.h"

namespace fodc::capture {
namespace {

constexpr std::chrono::milliseconds kHoldTime{1000};

}  // namespace

class CaptureRunner::Impl {
 public:
  Impl(CaptureRunnerOptions options, Callbacks callbacks,
       evidence::EventStore* store, const Clock& clock);
  ~Impl();

  Status Begin(CaptureRequest request);
  Status AddAftermath(CaptureAftermath aftermath);
  void Hold(std::size_t row, const CaptureProcess& process);
  CaptureStats stats() const;

 private:
  struct Capture {
    CaptureRequest request;
    MonotonicTime decided_at;
  };
  using Job = std::variant<Capture, CaptureAftermath>;
  // A job that runs.
  struct Running {
    std::optional<std::size_t> row;  // of a capture
    std::string event_id;            // empty until it is known
  };
  // Of one thread.
  struct Readers {
    PatientThread processes;
    PatientThread files;
  };
  using Slot = std::map<std::uint64_t, Running>::iterator;

  void Work();
  void HoldOne(std::size_t row, const CaptureProcess& process,
               Readers* readers);
  std::deque<Job>::iterator NextJob() FODC_REQUIRES(mutex_);
  bool Runs(std::size_t row) const FODC_REQUIRES(mutex_);
  bool Waits(std::size_t row) const FODC_REQUIRES(mutex_);
  CaptureTools Tools(Readers* readers, Slot slot);
  void RunOne(const Capture& capture, Readers* readers, Slot slot);
  void RunOne(const CaptureAftermath& aftermath, Readers* readers, Slot slot);
  void Retain();
  LogTails TakeTails(const std::string& event_id);
  void Follow(const std::string& event_id, LogTails tails);

  const CaptureRunnerOptions options_;
  const Callbacks callbacks_;
  evidence::EventStore& store_;
  const Clock& clock_;
  net::HttpClient client_;
  // Work that is not waited for may outlive this object.
  const std::shared_ptr<HeldTables> tables_ = std::make_shared<HeldTables>();
  std::stop_source stop_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Job> waiting_ FODC_GUARDED_BY(mutex_);
  // By row: whose tables are to be looked for.
  std::map<std::size_t, CaptureProcess> to_hold_ FODC_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Running> running_ FODC_GUARDED_BY(mutex_);
  std::uint64_t next_slot_ FODC_GUARDED_BY(mutex_) = 0;
  // The newest events last.
  std::deque<std::pair<std::string, LogTails>> followed_
      FODC_GUARDED_BY(mutex_);
  CaptureStats stats_ FODC_GUARDED_BY(mutex_);

  std::vector<std::jthread> threads_;  // last: they use the others
};

CaptureRunner::Impl::Impl(CaptureRunnerOptions options, Callbacks callbacks,
                          evidence::EventStore* store, const Clock& clock)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      store_(*store),
      clock_(clock) {
  const std::size_t threads = std::max<std::size_t>(options_.threads, 1);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this] { Work(); });
}

CaptureRunner::Impl::~Impl() {
  stop_.request_stop();
  {
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  }
  threads_.clear();
}

bool CaptureRunner::Impl::Runs(std::size_t row) const {
  return std::any_of(running_.begin(), running_.end(),
                     [row](const auto& r) { return r.second.row == row; });
}

bool CaptureRunner::Impl::Waits(std::size_t row) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [row](const Job& job) {
    const auto* capture = std::get_if<Capture>(&job);
    return capture != nullptr && capture->request.row == row;
  });
}

Status CaptureRunner::Impl::Begin(CaptureRequest request) {
  MutexLock lock(mutex_);
  const auto refuse = [this](Status status) FODC_REQUIRES(mutex_) {
    ++stats_.refused;
    return status;
  };
  // What a dead target left lies there for longer than it takes to wait.
  const bool may_wait = request.processes.empty() && !request.is_unseen;
  if (Waits(request.row) || (Runs(request.row) && !may_wait)) {
    return refuse(Unavailable(
        StrCat("a capture of ", request.target, " is in progress")));
  }
  if (waiting_.size() >= options_.max_waiting) {
    return refuse(ResourceExhausted(
        StrCat(options_.max_waiting, " captures are waiting")));
  }
  ++stats_.begun;
  waiting_.push_back(Capture{std::move(request), clock_.Monotonic()});
  changed_.NotifyOne();
  return OkStatus();
}

Status CaptureRunner::Impl::AddAftermath(CaptureAftermath aftermath) {
  MutexLock lock(mutex_);
  if (waiting_.size() >= options_.max_waiting) {
    ++stats_.aftermath_failures;
    return ResourceExhausted(
        StrCat(options_.max_waiting, " captures are waiting"));
  }
  waiting_.push_back(std::move(aftermath));
  changed_.NotifyOne();
  return OkStatus();
}

void CaptureRunner::Impl::Hold(std::size_t row, const CaptureProcess& process) {
  if (tables_->Find(row, process) != nullptr) return;
  MutexLock lock(mutex_);
  to_hold_[row] = process;
  changed_.NotifyOne();
}

void CaptureRunner::Impl::HoldOne(std::size_t row,
                                  const CaptureProcess& process,
                                  Readers* readers) {
  // Most targets share none, and who is gone is told of elsewhere.
  (void)readers->processes.Run(
      [tables = tables_, row, process,
       root = options_.proc_root]() -> Result<StepText> {
        FODC_RETURN_IF_ERROR(tables->Hold(row, process, root));
        return StepText();
      },
      kHoldTime, stop_.get_token());
}

// Captures first: what is perishable goes before what is not.
std::deque<CaptureRunner::Impl::Job>::iterator CaptureRunner::Impl::NextJob() {
  const auto capture =
      std::find_if(waiting_.begin(), waiting_.end(),
                   [this](const Job& job) FODC_REQUIRES(mutex_) {
                     const auto* c = std::get_if<Capture>(&job);
                     return c != nullptr && !Runs(c->request.row);
                   });
  if (capture != waiting_.end()) return capture;
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [this](const Job& job) FODC_REQUIRES(mutex_) {
                        const auto* a = std::get_if<CaptureAftermath>(&job);
                        return a != nullptr &&
                               std::none_of(running_.begin(), running_.end(),
                                            [a](const auto& r) {
                                              return r.second.event_id ==
                                                     a->event_id;
                                            });
                      });
}

void CaptureRunner::Impl::Work() {
  RunSoon();
  Readers readers;
  for (;;) {
    std::optional<Job> job;
    std::map<std::size_t, CaptureProcess>::node_type hold;
    Slot slot;
    {
      MutexLock lock(mutex_);
      auto next = NextJob();
      while (next == waiting_.end()) {
        if (stop_.stop_requested() && waiting_.empty()) return;
        if (!to_hold_.empty() && !stop_.stop_requested()) {
          hold = to_hold_.extract(to_hold_.begin());
          break;
        }
        changed_.Wait(mutex_);
        next = NextJob();
      }
      if (!hold) {
        job = std::move(*next);
        waiting_.erase(next);
        Running running;
        if (const auto* capture = std::get_if<Capture>(&*job)) {
          running.row = capture->request.row;
        } else {
          running.event_id = std::get<CaptureAftermath>(*job).event_id;
        }
        slot = running_.emplace(next_slot_++, std::move(running)).first;
      }
    }
    if (hold) {
      HoldOne(hold.key(), hold.mapped(), &readers);
    } else {
      std::visit([&](const auto& what) { RunOne(what, &readers, slot); }, *job);
    }
  }
}

CaptureTools CaptureRunner::Impl::Tools(Readers* readers, Slot slot) {
  return {.options = options_,
          .store = store_,
          .client = client_,
          .processes = readers->processes,
          .files = readers->files,
          .tables = *tables_,
          .clock = clock_,
          .stop = stop_.get_token(),
          .on_begun =
              [this, slot](const std::string& id) {
                MutexLock lock(mutex_);
                slot->second.event_id = id;
              },
          .on_committed =
              [this](const std::string& id, std::uint32_t revision) {
                if (callbacks_.on_committed)
                  callbacks_.on_committed(id, revision);
              }};
}

void CaptureRunner::Impl::RunOne(const Capture& capture, Readers* readers,
                                 Slot slot) {
  CaptureTally tally;
  LogTails tails;
  CaptureResult result =
      RunCapture(capture.request, Tools(readers, slot), &tally, &tails);
  result.decided_at = capture.decided_at;
  if (result.status.ok()) {
    // Only now: a capture that fails is to cost nothing.
    Retain();
    Follow(result.event_id, std::move(tails));
  }
  if (!result.rest.ok()) {
    Log(LogLevel::kWarn, "the last of an event was not kept",
        {{"event", result.event_id}, {"error", result.rest}});
  }
  {
    MutexLock lock(mutex_);
    running_.erase(slot);
    if (result.status.ok()) {
      ++stats_.captured;
      stats_.artifacts += result.artifacts;
      stats_.bytes += result.bytes;
    } else {
      ++stats_.failed;
    }
    stats_.profile_failures += tally.profile_failures;
    stats_.cut += tally.cut;
    stats_.empty += tally.empty;
    stats_.mkdir_failures += tally.mkdir_failures;
    stats_.commit_failures += tally.commit_failures;
    stats_.last = result;
    changed_.NotifyAll();
  }
  if (callbacks_.on_captured) callbacks_.on_captured(std::move(result));
}

void CaptureRunner::Impl::RunOne(const CaptureAftermath& aftermath,
                                 Readers* readers, Slot slot) {
  LogTails tails = TakeTails(aftermath.event_id);
  const Status status =
      stop_.stop_requested()
          ? Cancelled("the agent ends")
          : RunAftermath(aftermath, Tools(readers, slot), &tails);
  if (status.ok()) Follow(aftermath.event_id, std::move(tails));
  if (!status.ok() && status.code() != Code::kCancelled) {
    Log(LogLevel::kWarn, "what came after an event was not added",
        {{"event", aftermath.event_id}, {"error", status}});
  }
  MutexLock lock(mutex_);
  running_.erase(slot);
  ++(status.ok() ? stats_.aftermaths : stats_.aftermath_failures);
  changed_.NotifyAll();
}

void CaptureRunner::Impl::Retain() {
  const auto report = store_.Retain(options_.retention, clock_.Unix());
  std::size_t failures = 0;
  if (!report.ok()) {
    failures = 1;
    Log(LogLevel::kWarn, "old events were not looked through",
        {{"error", report.status()}});
  } else {
    failures = report->failures.size();
    for (const Status& s : report->failures)
      Log(LogLevel::kWarn, "an old event was not deleted", {{"error", s}});
  }
  MutexLock lock(mutex_);
  stats_.retention_failures += failures;
}

LogTails CaptureRunner::Impl::TakeTails(const std::string& event_id) {
  MutexLock lock(mutex_);
  const auto it =
      std::find_if(followed_.begin(), followed_.end(),
                   [&](const auto& f) { return f.first == event_id; });
  if (it == followed_.end()) return {};
  LogTails tails = std::move(it->second);
  followed_.erase(it);
  return tails;
}

void CaptureRunner::Impl::Follow(const std::string& event_id, LogTails tails) {
  if (tails.empty()) return;
  MutexLock lock(mutex_);
  followed_.emplace_back(event_id, std::move(tails));
  while (followed_.size() > options_.max_followed) followed_.pop_front();
}

CaptureStats CaptureRunner::Impl::stats() const {
  MutexLock lock(mutex_);
  CaptureStats stats = stats_;
  stats.waiting = waiting_.size();
  stats.running = running_.size();
  return stats;
}

CaptureRunner::CaptureRunner(CaptureRunnerOptions options, Callbacks callbacks,
                             evidence::EventStore* store, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(callbacks),
                                   store, clock)) {}

CaptureRunner::~CaptureRunner() = default;

Status CaptureRunner::Begin(CaptureRequest request) {
  return impl_->Begin(std::move(request));
}

Status CaptureRunner::AddAftermath(CaptureAftermath aftermath) {
  return impl_->AddAftermath(std::move(aftermath));
}

void CaptureRunner::Hold(std::size_t row, const CaptureProcess& process) {
  impl_->Hold(row, process);
}

CaptureStats CaptureRunner::stats() const { return impl_->stats(); }

}  // namespace fodc::capture
