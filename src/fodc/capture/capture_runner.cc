// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_runner.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
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
  ~Impl() {
    Stop();
    threads_.clear();
  }

  Status Begin(CaptureRequest request);
  Status AddAftermath(CaptureAftermath aftermath);
  void Hold(std::size_t row, const CaptureProcess& process);
  void RetainSoon();
  void Stop();
  CaptureStats stats() const;

 private:
  struct Capture {
    CaptureRequest request;
    MonotonicTime decided_at;
  };
  using Job = std::variant<Capture, CaptureAftermath>;
  // A job that runs.
  struct Running {
    std::optional<std::size_t> row{};  // of a capture
    bool is_urgent = false;
    std::string event_id{};  // empty until it is known
    std::stop_source stop{};
  };
  // Of one thread.
  struct Readers {
    explicit Readers(const std::shared_ptr<LostReads>& lost)
        : processes(lost), files(lost) {}
    PatientThread processes;
    PatientThread files;
  };
  using Slot = std::map<std::uint64_t, Running>::iterator;
  // Log files of an event that are kept open.
  struct Followed {
    std::string event_id{};
    LogTails tails{};
    MonotonicTime until{};
  };
  // What a thread is to do next: the first that is there.
  struct Task {
    std::optional<Job> job;
    Slot slot;  // of the job
    std::map<std::size_t, CaptureProcess>::node_type hold;
    std::optional<Followed> old;  // to be closed, with no lock held
    bool retains = false;
    bool ends = false;
  };

  void Work();
  Task NextTask();
  // Until something has changed, at most so long; the thread is idle meanwhile.
  void Wait(std::optional<std::chrono::nanoseconds> limit = {})
      FODC_REQUIRES(mutex_);
  void HoldOne(std::size_t row, const CaptureProcess& process,
               Readers* readers);
  std::deque<Job>::iterator NextJob() FODC_REQUIRES(mutex_);
  bool Runs(std::size_t row) const FODC_REQUIRES(mutex_);
  bool Waits(std::size_t row, bool is_urgent) const FODC_REQUIRES(mutex_);
  bool IsUrgentRunning(std::size_t row) const FODC_REQUIRES(mutex_);
  template <typename Kind>
  std::size_t CountWaiting() const FODC_REQUIRES(mutex_);
  static bool IsUrgent(const Job& job);
  // Makes all urgent captures find threads, after that of the row has come.
  void MakeWay(std::size_t row) FODC_REQUIRES(mutex_);
  CaptureTools Tools(Readers* readers, Slot slot);
  void RunOne(const Capture& capture, Readers* readers, Slot slot);
  void RunOne(const CaptureAftermath& aftermath, Readers* readers, Slot slot);
  void Retain();
  Followed TakeFollowed(const std::string& event_id);
  void Follow(Followed followed);

  const CaptureRunnerOptions options_;
  const Callbacks callbacks_;
  evidence::EventStore& store_;
  const Clock& clock_;
  net::HttpClient client_;
  // Work that is not waited for may outlive this object.
  const std::shared_ptr<HeldTables> tables_ = std::make_shared<HeldTables>();
  const std::shared_ptr<LostReads> lost_ = std::make_shared<LostReads>();
  std::stop_source stop_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Job> waiting_ FODC_GUARDED_BY(mutex_);
  // By row: whose tables are to be looked for.
  std::map<std::size_t, CaptureProcess> to_hold_ FODC_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Running> running_ FODC_GUARDED_BY(mutex_);
  std::uint64_t next_slot_ FODC_GUARDED_BY(mutex_) = 0;
  // What is followed for longest last.
  std::deque<Followed> followed_ FODC_GUARDED_BY(mutex_);
  // At the start the bounds may be narrower than they were.
  bool must_retain_ FODC_GUARDED_BY(mutex_) = true;
  CaptureStats stats_ FODC_GUARDED_BY(mutex_);
  std::size_t working_ FODC_GUARDED_BY(mutex_);   // threads
  std::size_t idle_ FODC_GUARDED_BY(mutex_) = 0;  // of them, that wait

  std::vector<std::jthread> threads_;  // last: they use the others
};

CaptureRunner::Impl::Impl(CaptureRunnerOptions options, Callbacks callbacks,
                          evidence::EventStore* store, const Clock& clock)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      store_(*store),
      clock_(clock),
      working_(std::max<std::size_t>(options_.threads, 1)) {
  const std::size_t threads = working_;
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this] { Work(); });
}

void CaptureRunner::Impl::Stop() {
  stop_.request_stop();
  {
    MutexLock lock(mutex_);
    for (auto& [slot, running] : running_) running.stop.request_stop();
    changed_.NotifyAll();
  }
}

bool CaptureRunner::Impl::Runs(std::size_t row) const {
  return std::any_of(running_.begin(), running_.end(),
                     [row](const auto& r) { return r.second.row == row; });
}

bool CaptureRunner::Impl::IsUrgentRunning(std::size_t row) const {
  return std::any_of(running_.begin(), running_.end(), [row](const auto& r) {
    return r.second.row == row && r.second.is_urgent;
  });
}

bool CaptureRunner::Impl::Waits(std::size_t row, bool is_urgent) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [=](const Job& job) {
    const auto* capture = std::get_if<Capture>(&job);
    return capture != nullptr && capture->request.row == row &&
           capture->request.is_urgent == is_urgent;
  });
}

bool CaptureRunner::Impl::IsUrgent(const Job& job) {
  const auto* capture = std::get_if<Capture>(&job);
  return capture != nullptr && capture->request.is_urgent;
}

template <typename Kind>
std::size_t CaptureRunner::Impl::CountWaiting() const {
  return static_cast<std::size_t>(std::count_if(
      waiting_.begin(), waiting_.end(),
      [](const Job& job) { return std::holds_alternative<Kind>(job); }));
}

// The lesser one of the row burdens the same target; another's is stopped only
// if one of those that wait would wait for its end.
void CaptureRunner::Impl::MakeWay(std::size_t row) {
  for (auto& [slot, running] : running_) {
    if (running.row == row && !running.is_urgent) running.stop.request_stop();
  }
  std::size_t threads = idle_;
  for (const auto& [slot, running] : running_)
    threads += running.stop.stop_requested() ? 1 : 0;
  const auto needed = static_cast<std::size_t>(
      std::count_if(waiting_.begin(), waiting_.end(), IsUrgent));
  // An aftermath only where there is no capture: it loses what it has not got.
  for (const bool of_captures : {true, false}) {
    for (auto& [slot, running] : running_) {
      if (threads >= needed) return;
      if (running.row.has_value() != of_captures || running.is_urgent ||
          running.stop.stop_requested()) {
        continue;
      }
      running.stop.request_stop();
      ++threads;
    }
  }
}

Status CaptureRunner::Impl::Begin(CaptureRequest request) {
  MutexLock lock(mutex_);
  const auto refuse = [this](Status status) FODC_REQUIRES(mutex_) {
    ++stats_.refused;
    return status;
  };
  if (stop_.stop_requested()) return refuse(Cancelled("the agent ends"));
  // What a dead target left lies there for longer than it takes to wait.
  const bool may_wait = request.processes.empty() && !request.is_unseen;
  const bool is_busy = request.is_urgent ? IsUrgentRunning(request.row)
                                         : Runs(request.row) && !may_wait;
  if (is_busy || Waits(request.row, request.is_urgent)) {
    return refuse(Unavailable(
        StrCat("a capture of ", request.target, " is in progress")));
  }
  if (CountWaiting<Capture>() >= options_.max_waiting) {
    return refuse(ResourceExhausted(
        StrCat(options_.max_waiting, " captures are waiting")));
  }
  ++stats_.begun;
  Capture capture{std::move(request), clock_.Monotonic()};
  if (capture.request.is_urgent) {
    const std::size_t row = capture.request.row;
    // Before the lesser ones, behind those that came first.
    waiting_.insert(
        std::find_if_not(waiting_.begin(), waiting_.end(), IsUrgent),
        std::move(capture));
    MakeWay(row);
  } else {
    waiting_.push_back(std::move(capture));
  }
  changed_.NotifyOne();
  return OkStatus();
}

Status CaptureRunner::Impl::AddAftermath(CaptureAftermath aftermath) {
  MutexLock lock(mutex_);
  if (stop_.stop_requested()) return Cancelled("the agent ends");
  if (CountWaiting<CaptureAftermath>() >= options_.max_waiting) {
    ++stats_.aftermath_failures;
    return ResourceExhausted(
        StrCat("what came after ", options_.max_waiting, " events is waiting"));
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
  const auto capture = std::find_if(
      waiting_.begin(), waiting_.end(),
      [this](const Job& job) FODC_REQUIRES(mutex_) {
        const auto* c = std::get_if<Capture>(&job);
        return c != nullptr && (c->request.is_urgent || !Runs(c->request.row));
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

CaptureRunner::Impl::Task CaptureRunner::Impl::NextTask() {
  Task task;
  MutexLock lock(mutex_);
  for (;;) {
    if (const auto next = NextJob(); next != waiting_.end()) {
      task.job = std::move(*next);
      waiting_.erase(next);
      Running running;
      if (const auto* capture = std::get_if<Capture>(&*task.job)) {
        running.row = capture->request.row;
        running.is_urgent = capture->request.is_urgent;
      } else {
        running.event_id = std::get<CaptureAftermath>(*task.job).event_id;
      }
      if (stop_.stop_requested()) running.stop.request_stop();
      task.slot = running_.emplace(next_slot_++, std::move(running)).first;
      return task;
    }
    if (stop_.stop_requested()) {
      task.ends = waiting_.empty();
      if (task.ends) return task;
      Wait();
      continue;
    }
    if (!to_hold_.empty()) {
      task.hold = to_hold_.extract(to_hold_.begin());
      return task;
    }
    if (must_retain_) {
      must_retain_ = false;
      task.retains = true;
      return task;
    }
    if (followed_.empty()) {
      Wait();
      continue;
    }
    const auto left = followed_.front().until - clock_.Monotonic();
    if (left <= std::chrono::nanoseconds(0)) {
      task.old = std::move(followed_.front());
      followed_.pop_front();
      return task;
    }
    Wait(left);
  }
}

void CaptureRunner::Impl::Wait(std::optional<std::chrono::nanoseconds> limit) {
  ++idle_;
  if (limit) {
    (void)changed_.WaitFor(mutex_, *limit);
  } else {
    changed_.Wait(mutex_);
  }
  --idle_;
}

void CaptureRunner::Impl::Work() {
  RunSoon();
  Readers readers(lost_);
  for (;;) {
    Task task = NextTask();
    if (task.ends) break;
    if (task.job) {
      std::visit([&](const auto& what) { RunOne(what, &readers, task.slot); },
                 *task.job);
    } else if (task.hold) {
      HoldOne(task.hold.key(), task.hold.mapped(), &readers);
    } else if (task.retains) {
      Retain();
    }
  }
  {
    const MutexLock lock(mutex_);
    if (--working_ != 0) return;
  }
  if (callbacks_.on_stopped) callbacks_.on_stopped();
}

CaptureTools CaptureRunner::Impl::Tools(Readers* readers, Slot slot) {
  return {.options = options_,
          .store = store_,
          .client = client_,
          .processes = readers->processes,
          .files = readers->files,
          .tables = *tables_,
          .clock = clock_,
          .stop = slot->second.stop.get_token(),
          .end = stop_.get_token(),
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
    Follow({.event_id = result.event_id,
            .tails = std::move(tails),
            .until = clock_.Monotonic() + options_.max_follow_time});
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
  Followed followed = TakeFollowed(aftermath.event_id);
  const Status status =
      stop_.stop_requested()
          ? Cancelled("the agent ends")
          : RunAftermath(aftermath, Tools(readers, slot), &followed.tails);
  if (status.ok()) {
    Retain();
    Follow(std::move(followed));
  }
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
    if (!report->deleted.empty() && callbacks_.on_deleted)
      callbacks_.on_deleted(report->deleted);
  }
  MutexLock lock(mutex_);
  stats_.retention_failures += failures;
}

CaptureRunner::Impl::Followed CaptureRunner::Impl::TakeFollowed(
    const std::string& event_id) {
  MutexLock lock(mutex_);
  const auto it =
      std::find_if(followed_.begin(), followed_.end(),
                   [&](const Followed& f) { return f.event_id == event_id; });
  if (it == followed_.end()) {
    return {.event_id = event_id,
            .until = clock_.Monotonic() + options_.max_follow_time};
  }
  Followed followed = std::move(*it);
  followed_.erase(it);
  return followed;
}

void CaptureRunner::Impl::Follow(Followed followed) {
  if (followed.tails.empty()) return;
  Followed old;  // closed when the lock is no longer held
  MutexLock lock(mutex_);
  const auto place =
      std::find_if(followed_.begin(), followed_.end(),
                   [&](const Followed& f) { return f.until > followed.until; });
  followed_.insert(place, std::move(followed));
  if (followed_.size() > options_.max_followed) {
    old = std::move(followed_.front());
    followed_.pop_front();
  }
  changed_.NotifyOne();
}

void CaptureRunner::Impl::RetainSoon() {
  MutexLock lock(mutex_);
  must_retain_ = true;
  changed_.NotifyOne();
}

CaptureStats CaptureRunner::Impl::stats() const {
  MutexLock lock(mutex_);
  CaptureStats stats = stats_;
  stats.waiting = waiting_.size();
  stats.running = running_.size();
  stats.lost_reads = lost_->now();
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

void CaptureRunner::RetainSoon() { impl_->RetainSoon(); }

void CaptureRunner::Stop() { impl_->Stop(); }

CaptureStats CaptureRunner::stats() const { return impl_->stats(); }

}  // namespace fodc::capture
