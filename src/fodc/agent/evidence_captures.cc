// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/evidence_captures.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

// A loop that takes longer has other worries than a window.
constexpr std::chrono::milliseconds kSlice{50};
constexpr int kSlices = 60;

// What the loop hands to a thread of the runner.
struct Taken {
  Mutex mutex;
  CondVar there;
  struct Value {
    recorder::Snapshot snapshot;
    recorder::FileInfo info;
  };
  std::optional<Value> value FODC_GUARDED_BY(mutex);
};

constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLongestRetry{60};
constexpr std::string_view kFlag = "--pressure-profiler-dir";

}  // namespace

struct EvidenceCaptures::Opening {
  Mutex mutex;
  net::EventLoop* loop FODC_GUARDED_BY(mutex) = nullptr;  // null: it is over
  EvidenceCaptures* owner = nullptr;  // of the loop's thread
};

struct EvidenceCaptures::Found {
  std::shared_ptr<evidence::EventStore> store{};
  Status status{};  // whether it can be written to
  Result<std::vector<evidence::EventInfo>> events = Unavailable("not listed");

  // `store`: of an earlier try, or null. Blocks as long as the disk does.
  static Found Look(const std::string& directory,
                    std::shared_ptr<evidence::EventStore> store) {
    Found found{.store = std::move(store)};
    if (found.store == nullptr) {
      auto opened = evidence::EventStore::Open({.root = directory});
      if (!opened.ok()) {
        found.status = opened.status();
        return found;
      }
      found.store = *std::move(opened);
    }
    found.status = found.store->CheckWritable();
    if (found.status.ok()) found.events = found.store->List();
    return found;
  }
};

EvidenceCaptures::EvidenceCaptures(Surroundings around,
                                   const collect::Targets& targets,
                                   const recorder::Recording& recording,
                                   net::EventLoop& loop)
    : around_(std::move(around)),
      targets_(targets),
      recording_(recording),
      loop_(loop),
      opening_(std::make_shared<Opening>()) {
  opening_->owner = this;
  {
    const MutexLock lock(opening_->mutex);
    opening_->loop = &loop;
  }
  for (const target::Row& row : targets_.table().rows()) {
    std::vector<capture::CaptureEndpoint>& pages = endpoints_.emplace_back();
    for (const collect::Endpoint& e : around_.endpoints) {
      if (collect::IsPageOf(e, row.spec))
        pages.push_back({.name = e.name, .url = e.url});
    }
  }
}

void EvidenceCaptures::Stop(std::chrono::nanoseconds limit, net::Task done) {
  is_closing_.store(true);
  retry_.Cancel();
  stopped_ = std::move(done);
  if (runner_ == nullptr) return OnStopped();
  stop_limit_ = loop_.RunAfter(limit, [this] {
    LogWarn("a capture still waits for the disk",
            {{"directory", around_.directory}});
    OnStopped();
  });
  runner_->Stop();
}

void EvidenceCaptures::OnStopped() {
  stop_limit_.Cancel();
  if (auto done = std::exchange(stopped_, {})) done();
}

EvidenceCaptures::~EvidenceCaptures() {
  is_closing_.store(true);
  opening_->owner = nullptr;
  {
    const MutexLock lock(opening_->mutex);
    opening_->loop = nullptr;
  }
  response_.reset();  // its thread asks the runner
  runner_.reset();
}

Result<std::unique_ptr<EvidenceCaptures>> EvidenceCaptures::Create(
    Surroundings around, const collect::Targets& targets,
    const collect::Collector& collector, const recorder::Recording& recording,
    net::EventLoop& loop, evidence::IncidentList& incidents) {
  std::unique_ptr<EvidenceCaptures> captures(
      new EvidenceCaptures(std::move(around), targets, recording, loop));
  EvidenceCaptures* const c = captures.get();
  const Surroundings& a = c->around_;
  FODC_ASSIGN_OR_RETURN(
      c->response_,
      FirstResponse::Create(
          {.pod_name = a.pod_name,
           .incarnation = recording.incarnation(),
           .pressure = a.checked.pressure,
           .detector_problem = a.detector_problem,
           .memory = {.trigger_percent = a.checked.pressure.trigger_percent,
                      .hard_percent = a.checked.pressure.hard_percent},
           .problem = StrCat(kFlag, " is not open yet")},
          targets, collector.scrapers(), recording, loop, incidents,
          {.begin =
               [c](capture::CaptureRequest request) {
                 return c->runner_->Begin(std::move(request));
               },
           .add_aftermath =
               [c](capture::CaptureAftermath aftermath) {
                 return c->runner_->AddAftermath(std::move(aftermath));
               },
           .hold =
               [c](std::size_t row, capture::CaptureProcess process) {
                 c->runner_->Hold(row, process);
               }}));
  c->OpenStore();
  return captures;
}

void EvidenceCaptures::LookAgain() {
  if (is_looking_ || is_closing_.load()) return;
  wait_ = {};
  OpenStore();
}

void EvidenceCaptures::OpenStore() {
  is_looking_ = true;
  const auto look = [opening = opening_, directory = around_.directory,
                     store = store_]() mutable {
    auto found = std::make_shared<Found>(Found::Look(directory, store));
    store.reset();
    const MutexLock lock(opening->mutex);
    if (opening->loop == nullptr) return;
    opening->loop->Post([opening, found] {
      if (opening->owner != nullptr)
        opening->owner->OnOpened(std::move(*found));
    });
  };
  try {
    std::thread(look).detach();
  } catch (const std::system_error& e) {
    OnOpened({.status = Unavailable(StrCat("no thread: ", e.what()))});
  }
}

void EvidenceCaptures::OnOpened(Found found) {
  is_looking_ = false;
  if (is_closing_.load()) return;
  const bool is_new = store_ == nullptr && found.store != nullptr;
  if (is_new) store_ = std::move(found.store);
  if (found.status.ok()) {
    if (runner_ == nullptr) StartRunner();
    if (std::exchange(is_restored_, true)) {
      // They are this life's by now.
    } else if (found.events.ok()) {
      response_->Restore(*found.events);
    } else {
      LogWarn("cooldowns of earlier captures are not known",
              {{"error", found.events.status()}});
    }
    response_->set_problem("");
  } else {
    const std::string problem = found.status.WithContext(kFlag).message();
    if (response_->problem() != problem)
      LogWarn("nothing can be captured", {{"error", problem}});
    response_->set_problem(problem);
    wait_ = std::clamp<std::chrono::nanoseconds>(2 * wait_, kFirstRetry,
                                                 kLongestRetry);
    retry_ = loop_.RunAfter(wait_, [this] { OpenStore(); });
  }
  // What lies there can be had, though nothing may come to it.
  if (is_new && on_store_) on_store_();
}

void EvidenceCaptures::StartRunner() {
  capture::CaptureRunnerOptions o;
  o.pod_name = around_.pod_name;
  o.targets = around_.checked.targets;
  o.profiles = around_.checked.profiles;
  o.retention = around_.checked.retention;
  o.endpoints = [this](std::size_t row) { return endpoints_[row]; };
  o.window = [this](UnixTime from, UnixTime to,
                    const capture::WindowSink& sink) {
    return WriteWindow(from, to, sink);
  };
  runner_ = std::make_unique<capture::CaptureRunner>(
      std::move(o),
      capture::CaptureRunner::Callbacks{
          .on_captured =
              [this, &loop = loop_, alive = std::weak_ptr<int>(alive_),
               tell = response_->CapturedCallback()](
                  capture::CaptureResult result) {
                const bool is_disk = !result.status.ok() &&
                                     !result.has_evidence &&
                                     result.first_byte_at == MonotonicTime();
                tell(std::move(result));
                if (!is_disk) return;
                loop.Post([this, alive] {
                  if (!alive.expired()) LookAgain();
                });
              },
          .on_committed =
              [this, &loop = loop_, alive = std::weak_ptr<int>(alive_)](
                  std::string id, std::uint32_t) {
                loop.Post([this, alive, id = std::move(id)] {
                  if (!alive.expired() && on_event_) on_event_(id);
                });
              },
          .on_deleted =
              [this, &loop = loop_, alive = std::weak_ptr<int>(alive_)](
                  std::vector<std::string> ids) {
                loop.Post([this, alive, ids = std::move(ids)] {
                  if (alive.expired() || !on_event_) return;
                  for (const std::string& id : ids) on_event_(id);
                });
              },
          .on_stopped =
              [this, &loop = loop_, alive = std::weak_ptr<int>(alive_)] {
                loop.Post([this, alive] {
                  if (!alive.expired()) OnStopped();
                });
              }},
      store_.get(), loop_.clock());
}

void AddCaptureMetrics(program::OwnMetrics* metrics,
                       const EvidenceCaptures* captures) {
  metrics->AddCallback([captures](std::vector<program::OwnFamily>* out) {
    const capture::CaptureStats stats =
        captures == nullptr ? capture::CaptureStats() : captures->stats();
    const auto add = [out](std::string name, exposition::MetricType type,
                           std::string help, double value) {
      program::OwnFamily family{
          .name = name, .type = type, .help = std::move(help)};
      family.samples.push_back({.name = std::move(name), .value = value});
      out->push_back(std::move(family));
    };
    using enum exposition::MetricType;
    add("fodc_agent_capture_artifacts_total", kCounter,
        "Files of evidence that were kept.",
        static_cast<double>(stats.artifacts));
    add("fodc_agent_capture_bytes_total", kCounter, "Their bytes.",
        static_cast<double>(stats.bytes));
    add("fodc_agent_capture_cut_steps_total", kCounter,
        "Steps of captures that were cut.", static_cast<double>(stats.cut));
    add("fodc_agent_capture_aftermaths_total", kCounter,
        "Events to which what came after them was added.",
        static_cast<double>(stats.aftermaths));
    add("fodc_agent_captures_in_progress", kGauge, "Captures that wait or run.",
        static_cast<double>(stats.waiting + stats.running));
    add("fodc_agent_capture_lost_reads", kGauge,
        "Reads of targets and their files that hang and are waited for no "
        "longer.",
        static_cast<double>(stats.lost_reads));
    program::OwnFamily failures{
        .name = "fodc_agent_pressure_failures_total",
        .type = kCounter,
        .help =
            "What failed in captures, by what it was; one may have several."};
    for (const auto& [reason, count] :
         {std::pair<const char*, std::uint64_t>{"aftermath",
                                                stats.aftermath_failures},
          {"empty", stats.empty},
          {"fetch", stats.profile_failures},
          {"finalize", stats.commit_failures + stats.retention_failures},
          {"mkdir", stats.mkdir_failures},
          {"refused", stats.refused}}) {
      failures.samples.push_back({.name = failures.name,
                                  .labels = {{"reason", reason}},
                                  .value = static_cast<double>(count)});
    }
    out->push_back(std::move(failures));
  });
}

capture::CaptureStats EvidenceCaptures::stats() const {
  return runner_ == nullptr ? capture::CaptureStats() : runner_->stats();
}

void EvidenceCaptures::RetainSoon() {
  if (runner_ != nullptr) runner_->RetainSoon();
}

Status EvidenceCaptures::WriteWindow(UnixTime from, UnixTime to,
                                     const capture::WindowSink& sink) {
  const auto taken = std::make_shared<Taken>();
  loop_.Post([this, taken, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    const MutexLock lock(taken->mutex);
    taken->value.emplace(recording_.Take(), around_.info());
    taken->there.NotifyOne();
  });
  std::optional<Taken::Value> value;
  for (int i = 0; i < kSlices && !value && !is_closing_.load(); ++i) {
    const MutexLock lock(taken->mutex);
    if (!taken->value) (void)taken->there.WaitFor(taken->mutex, kSlice);
    value = std::move(taken->value);
  }
  if (!value) return DeadlineExceeded("the recording was not given in time");
  return recorder::EncodeRecordingFile(
      value->snapshot, value->info,
      {.from_unix_ms = ToUnixMillis(from), .to_unix_ms = ToUnixMillis(to)},
      sink);
}

}  // namespace fodc::agent
