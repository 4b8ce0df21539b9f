// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/first_response.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/detect/detector.h"

namespace fodc::agent {
namespace {

// Of one target, in one event.
constexpr std::size_t kMaxProcesses = 32;

// 0 for what is no number of bytes: meta.json is read from a disk.
std::uint64_t BytesOf(double value) {
  return value >= 0 && value < 0x1p63 ? static_cast<std::uint64_t>(value) : 0;
}

bool HasAftermath(const evidence::EventMeta& meta) {
  return std::ranges::any_of(meta.steps, [](const evidence::EventStep& s) {
    return s.step.starts_with("window-after");
  });
}

bool HasEvidence(const evidence::EventMeta& meta) {
  return !meta.profiles.empty() ||
         std::ranges::any_of(meta.steps, [](const evidence::EventStep& s) {
           return s.outcome == evidence::StepOutcome::kComplete &&
                  !s.file.empty();
         });
}

}  // namespace

Result<std::unique_ptr<FirstResponse>> FirstResponse::Create(
    const FirstResponseSettings& settings, const collect::Targets& targets,
    const std::vector<std::unique_ptr<collect::Scraper>>& scrapers,
    const recorder::Recording& recording, net::EventLoop& loop,
    evidence::IncidentList& incidents, CaptureHands hands) {
  std::unique_ptr<FirstResponse> response(
      new FirstResponse(settings, targets, scrapers, recording, loop, incidents,
                        std::move(hands)));
  FirstResponse* const r = response.get();
  FODC_ASSIGN_OR_RETURN(
      r->watch_,
      detect::MemoryWatch::Start(
          {.pressure = settings.pressure,
           .cadence = settings.cadence,
           .rows = r->rows_.size()},
          loop.clock(),
          {.on_fire =
               [r](const detect::PressureFiring& f) { r->OnPressure(f); },
           .on_calm =
               [r](std::size_t row) {
                 r->Post([r, row] {
                   r->rows_[row].calm_at = r->loop_.clock().Monotonic();
                 });
               }}));
  r->timer_ =
      loop.RunEvery(kRetry, [r](const net::EventLoop::Tick&) { r->OnTick(); });
  return response;
}

FirstResponse::FirstResponse(
    const FirstResponseSettings& settings, const collect::Targets& targets,
    const std::vector<std::unique_ptr<collect::Scraper>>& scrapers,
    const recorder::Recording& recording, net::EventLoop& loop,
    evidence::IncidentList& incidents, CaptureHands hands)
    : settings_(settings),
      targets_(targets),
      recording_(recording),
      loop_(loop),
      list_(incidents),
      hands_(std::move(hands)),
      incidents_(incidents, loop.clock(),
                 [this] {
                   if (on_incident_) on_incident_();
                 }),
      counts_(kTriggerKinds),
      shared_(targets.table().rows().size()),
      problem_(settings_.problem) {
  if (!settings_.problem.empty())
    waits_until_ = loop.clock().Monotonic() + kPatience;
  const std::vector<target::Row>& table = targets.table().rows();
  for (std::size_t i = 0; i < table.size(); ++i) {
    Row row{.target = detect::CleanTargetName(targets.name(i)),
            .triggers = EventTriggers(settings.pressure.pace),
            .death_loop = detect::DeathLoop(settings.death_loop)};
    row.deaths = table[i].deaths_total;
    for (const auto& scraper : scrapers) {
      if (!collect::IsPageOf(scraper->endpoint(), table[i].spec)) continue;
      row.endpoints.push_back(
          {.scraper = scraper.get(),
           .rounds = detect::MissedRounds(settings.down_rounds)});
    }
    rows_.push_back(std::move(row));
  }
}

FirstResponse::~FirstResponse() = default;

void FirstResponse::Post(net::Task task) {
  loop_.Post(
      [alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
        if (!alive.expired()) task();
      });
}

std::function<void(capture::CaptureResult)> FirstResponse::CapturedCallback() {
  return [this, &loop = loop_,
          alive = std::weak_ptr<int>(alive_)](capture::CaptureResult result) {
    loop.Post([this, alive, result = std::move(result)] {
      if (!alive.expired()) Finish(result);
    });
  };
}

void FirstResponse::Restore(const std::vector<evidence::EventInfo>& events) {
  const UnixTime now = loop_.clock().Unix();
  // The oldest first, so that the newest holds.
  for (auto e = events.rbegin(); e != events.rend(); ++e) {
    const evidence::EventMeta& meta = e->meta;
    const auto kind = FindTrigger(meta.trigger.kind);
    if (!kind || meta.pod_name != settings_.pod_name || !HasEvidence(meta))
      continue;
    // It is to be tried again soon.
    const bool is_done =
        *kind != TriggerKind::kMemoryPressure || !meta.lacks_profiles;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].target != meta.target) continue;
      RestoreDeaths(i, meta);
      if (!is_done) continue;
      const std::chrono::nanoseconds ago = now - meta.captured_at;
      if (*kind != TriggerKind::kMemoryPressure) {
        rows_[i].triggers.Restore(*kind, loop_.clock().Monotonic(), ago);
        continue;
      }
      const auto bytes = std::ranges::find(meta.trigger.inputs, "memory_bytes",
                                           &evidence::IncidentNumber::name);
      watch_->Restore(i, ago,
                      bytes == meta.trigger.inputs.end()
                          ? meta.rss_bytes
                          : BytesOf(bytes->value));
    }
  }
  // The newest first.
  for (const evidence::EventInfo& event : events) {
    if (aftermaths_.size() == kMostRestored) break;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].target == event.meta.target) RestoreAftermath(i, event);
    }
  }
}

void FirstResponse::RestoreAftermath(std::size_t i,
                                     const evidence::EventInfo& event) {
  const std::chrono::nanoseconds ago =
      loop_.clock().Unix() - event.meta.captured_at;
  if (event.meta.pod_name != settings_.pod_name || ago > kAftermathAge ||
      ago < std::chrono::nanoseconds(0) || HasAftermath(event.meta)) {
    return;
  }
  aftermaths_[event.id] =
      loop_.RunAfter(settings_.aftermath_after, [this, id = event.id, row = i] {
        AddAftermath({.event_id = id, .row = row});
      });
}

void FirstResponse::RestoreDeaths(std::size_t i,
                                  const evidence::EventMeta& meta) {
  if (!meta.death || loop_.clock().Unix() - meta.death->at > kSameLoop) return;
  if (meta.death->count > 1) {
    rows_[i].death_loop.Restore(static_cast<int>(meta.death->count));
    if (rows_[i].death_loop.is_loop()) watch_->SetDiesAgain(i, true);
    return;
  }
  // A first death counts if it was soon after the start.
  const auto age =
      std::ranges::find(meta.trigger.inputs, "time_to_death_seconds",
                        &evidence::IncidentNumber::name);
  const std::chrono::duration<double> young = settings_.death_loop.young;
  if (age != meta.trigger.inputs.end() && age->value < young.count())
    rows_[i].death_loop.Restore(1);
}

std::string FirstResponse::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

void FirstResponse::set_problem(std::string problem) {
  {
    const MutexLock lock(mutex_);
    problem_ = std::move(problem);
  }
  if (std::exchange(waits_until_, {})) Follow();
}

void FirstResponse::Rebase() {
  for (std::size_t i = 0; i < rows_.size(); ++i)
    rows_[i].deaths = targets_.table().rows()[i].deaths_total;
}

void FirstResponse::set_role(const std::string& role) {
  const MutexLock lock(mutex_);
  for (Shared& s : shared_) s.role = role;
}

std::string FirstResponse::NextId(std::size_t row) {
  const MutexLock lock(mutex_);
  return StrCat("capture-", settings_.incarnation, "-", row, "-", ++ids_);
}

void FirstResponse::Follow() {
  if (waits_until_) return;
  const std::vector<target::Row>& table = targets_.table().rows();
  bool is_new = false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    const bool is_another = !table[i].instance ||
                            row.pid != table[i].instance->pid ||
                            row.start_ticks != table[i].instance->start_ticks;
    if (is_another && row.pid != 0)
      row.before = {.pid = row.pid, .start_ticks = row.start_ticks};
    if (!table[i].instance) {
      row.pid = 0;
      row.is_followed = false;
      watch_->LetGo(i, detect::PressureReason::kNoTarget, table[i].problem);
      continue;
    }
    const target::Instance& instance = *table[i].instance;
    if (!is_another) continue;  // OnTick goes on with it
    row.pid = instance.pid;
    row.start_ticks = instance.start_ticks;
    Open(i, instance);
    is_new = true;
    // What was missed before was its predecessor's, but for what is told of.
    for (Endpoint& e : row.endpoints) {
      if (e.incident.empty()) e.rounds.OnRestart();
    }
  }
  if (is_new) RefreshProcesses();
}

void FirstResponse::Open(std::size_t i, const target::Instance& instance) {
  Row& row = rows_[i];
  row.tried_at = loop_.clock().Monotonic();
  if (problem().empty()) {
    hands_.hold(i, {.pid = instance.pid, .start_ticks = instance.start_ticks});
  }
  auto source = detect::KernelMemory::Open(instance.pid, instance.start_ticks,
                                           settings_.memory);
  row.is_followed = source.ok();
  if (source.ok()) {
    watch_->Follow(i, *std::move(source));
  } else {
    watch_->LetGo(i, detect::PressureReason::kUnreadable,
                  source.status().message());
  }
}

void FirstResponse::RefreshProcesses() {
  const std::vector<target::Row>& table = targets_.table().rows();
  const std::vector<std::vector<pid_t>> pids = targets_.table().Processes();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    std::vector<capture::CaptureProcess> processes;
    if (table[i].instance) {
      processes.push_back({.pid = table[i].instance->pid,
                           .start_ticks = table[i].instance->start_ticks});
    }
    for (const pid_t pid : pids[i]) {
      if (processes.empty() || processes.size() == kMaxProcesses) break;
      if (pid == processes.front().pid) continue;
      const auto stat = ReadProcessStat(settings_.memory.proc_root, pid);
      if (stat.ok())
        processes.push_back({.pid = pid, .start_ticks = stat->start_ticks});
    }
    const MutexLock lock(mutex_);
    shared_[i].processes = std::move(processes);
  }
}

void FirstResponse::OnTick() {
  const std::vector<target::Row>& table = targets_.table().rows();
  const MonotonicTime now = loop_.clock().Monotonic();
  if (waits_until_ && now >= *waits_until_) {
    waits_until_.reset();
    Follow();
  }
  for (capture::CaptureAftermath& late : std::exchange(late_aftermaths_, {}))
    AddAftermath(std::move(late));
  for (std::size_t i = 0; i < rows_.size() && !waits_until_; ++i) {
    Row& row = rows_[i];
    if (row.calm_at && now - *row.calm_at >= kSettle) EndCalm(i);
    if (row.oom_kill_at && now - *row.oom_kill_at >= kSettle) {
      row.oom_kill_at.reset();
      OnOomKill(i);
    }
    if (!table[i].instance) continue;
    if (!row.is_followed || now - row.tried_at >= kRefresh)
      Open(i, *table[i].instance);
    const std::chrono::duration<double> age(
        table[i].instance->UptimeSeconds(now));
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(age);
    if (row.death_loop.OnAlive(ns) == detect::DeathLoop::Change::kEnded)
      watch_->SetDiesAgain(i, false);
    if (!row.death_incident.empty() && ns >= settings_.death_loop.young) {
      incidents_.End(std::exchange(row.death_incident, {}),
                     "It has come back, and stays.");
      SetLivesIncident(i, {});
    }
  }
  if (now - refreshed_at_ >= kRefresh) {
    refreshed_at_ = now;
    RefreshProcesses();
  }
}

}  // namespace fodc::agent
