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
      if (scraper->endpoint().container_name != table[i].spec.container_name)
        continue;
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
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].target != meta.target) continue;
      RestoreDeaths(i, meta);
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
                          : static_cast<std::uint64_t>(bytes->value));
    }
  }
}

void FirstResponse::RestoreDeaths(std::size_t i,
                                  const evidence::EventMeta& meta) {
  if (!meta.death || loop_.clock().Unix() - meta.death->at > kSameLoop) return;
  if (meta.death->count > 1) {
    rows_[i].death_loop.Restore(static_cast<int>(meta.death->count));
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

// --- Who is watched.

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
    if (!row.down_incident.empty()) continue;
    for (Endpoint& e : row.endpoints) e.rounds.OnRestart();
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
  for (std::size_t i = 0; i < rows_.size() && !waits_until_; ++i) {
    Row& row = rows_[i];
    if (row.calm_at && now - *row.calm_at >= kSettle) EndCalm(i);
    if (!table[i].instance) continue;
    if (row.oom_kill_at && now - *row.oom_kill_at >= kSettle) {
      row.oom_kill_at.reset();
      OnOomKill(i);
    }
    if (!row.is_followed || now - row.tried_at >= kRefresh)
      Open(i, *table[i].instance);
    const std::chrono::duration<double> age(
        table[i].instance->UptimeSeconds(now));
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(age);
    (void)row.death_loop.OnAlive(ns);
    if (!row.death_incident.empty() && ns >= settings_.death_loop.young) {
      incidents_.End(std::exchange(row.death_incident, {}),
                     "It has come back, and stays.");
    }
  }
  if (now - refreshed_at_ >= kRefresh) {
    refreshed_at_ = now;
    RefreshProcesses();
  }
}

// --- Captures.

std::string FirstResponse::Happened(std::size_t i, TriggerKind kind,
                                    TriggerDecision decision, std::string cause,
                                    bool is_alive, std::string incident_id,
                                    std::optional<evidence::EventDeath> death) {
  Row& row = rows_[i];
  decision.at = loop_.clock().Unix();
  // Of one incident there is one capture at a time.
  if (in_flight_.contains(incident_id)) return {};
  if (!row.triggers.Ask(kind, loop_.clock().Monotonic(), decision)) return {};
  const std::string id = incident_id.empty() ? NextId(i) : incident_id;
  capture::CaptureRequest request;
  request.at = decision.at;
  request.row = i;
  request.target = row.target;
  request.incident_id = id;
  request.trigger = {.kind = std::string(TriggerName(kind)),
                     .summary = decision.summary,
                     .inputs = decision.inputs};
  request.death = std::move(death);
  if (!is_alive) request.dead = row.before;
  if (is_alive) RefreshProcesses();
  {
    const MutexLock lock(mutex_);
    request.role = shared_[i].role;
    if (is_alive) request.processes = shared_[i].processes;
  }
  in_flight_[id] = {.kind = kind, .row = i};
  if (incident_id.empty())
    incidents_.Begin(id, kind, i, row.target, std::move(cause), decision);
  if (const Status begun = Begin(std::move(request)); !begun.ok()) {
    Finish(
        {.row = i, .target = row.target, .incident_id = id, .status = begun});
  }
  return id;
}

Status FirstResponse::Begin(capture::CaptureRequest request) {
  if (std::string why = problem(); !why.empty())
    return FailedPrecondition(std::move(why));
  return hands_.begin(std::move(request));
}

// On the watching thread: nothing of the loop is waited for.
void FirstResponse::OnPressure(const detect::PressureFiring& firing) {
  const std::size_t i = firing.row;
  const std::string& target = rows_[i].target;  // never changes
  // One climb is one incident, whatever number of captures.
  const std::string id =
      StrCat("capture-", settings_.incarnation, "-", i, "-ramp-", firing.ramp);
  const TriggerDecision decision = DecisionOf(
      target, firing.decision, firing.seconds_to_limit, loop_.clock());
  capture::CaptureRequest request;
  request.at = decision.at;
  request.row = i;
  request.target = target;
  request.incident_id = id;
  request.ramp_up =
      StrCat("ramp-", settings_.incarnation, "-", i, "-", firing.ramp);
  request.trigger = {
      .kind = std::string(TriggerName(TriggerKind::kMemoryPressure)),
      .summary = decision.summary,
      .inputs = decision.inputs};
  request.bytes = firing.decision.sample.bytes;
  request.limit_bytes = firing.decision.sample.limit_bytes;
  request.threshold_bytes = firing.decision.threshold_bytes;
  request.trigger_percent =
      static_cast<std::uint32_t>(settings_.pressure.trigger_percent);
  request.seconds_to_limit = firing.seconds_to_limit;
  {
    const MutexLock lock(mutex_);
    request.role = shared_[i].role;
    request.processes = shared_[i].processes;
  }
  request.is_unseen = firing.pid == 0 && request.processes.empty();
  if (firing.pid != 0 &&
      (request.processes.empty() ||
       request.processes.front().pid != firing.pid ||
       request.processes.front().start_ticks != firing.start_ticks)) {
    request.processes = {
        {.pid = firing.pid, .start_ticks = firing.start_ticks}};
  }
  // First, so that the loop hears of it before it hears that it is over.
  Post([this, id, i, target, decision] {
    in_flight_[id] = {.kind = TriggerKind::kMemoryPressure, .row = i};
    rows_[i].calm_at.reset();
    incidents_.Begin(id, TriggerKind::kMemoryPressure, i, target,
                     decision.reason, decision);
  });
  const Status begun = Begin(std::move(request));
  if (begun.ok()) return;
  Post([this, i, target, id, begun] {
    Finish({.row = i, .target = target, .incident_id = id, .status = begun});
  });
}

void FirstResponse::EndCalm(std::size_t i) {
  rows_[i].calm_at.reset();
  for (const std::string& id : incidents_.Open(i, TriggerKind::kMemoryPressure))
    incidents_.End(id, "It is well below the line again.");
}

void FirstResponse::Finish(const capture::CaptureResult& result) {
  const auto it = in_flight_.find(result.incident_id);
  if (it == in_flight_.end()) return;
  const auto kind = it->second.kind;
  const std::size_t i = it->second.row;
  in_flight_.erase(it);
  FirstResponseCounts& counts = counts_[static_cast<std::size_t>(kind)];
  if (result.has_evidence) {
    ++counts.captured;
  } else if (result.status.ok()) {
    ++counts.empty;
  } else {
    ++counts.failed;
  }
  if (kind == TriggerKind::kMemoryPressure) {
    watch_->OnCaptured(i, result.has_evidence);
  } else {
    rows_[i].triggers.End(kind, loop_.clock().Monotonic(), result.has_evidence);
  }
  std::optional<evidence::EventDeath> death;
  std::optional<capture::CaptureProcess> dead;
  if (const auto* const entry = incidents_.Find(result.incident_id);
      entry != nullptr && kind == TriggerKind::kMemoryPressure) {
    death = entry->death;
    dead = entry->dead;
  }
  incidents_.OnCaptured(result);
  if (!result.status.ok()) {
    LogWarn("evidence could not be captured", {{"target", result.target},
                                               {"trigger", TriggerName(kind)},
                                               {"error", result.status}});
  } else {
    LogInfo("evidence was captured", {{"target", result.target},
                                      {"trigger", TriggerName(kind)},
                                      {"event", result.event_id},
                                      {"artifacts", result.artifacts},
                                      {"bytes", result.bytes}});
  }
  if (result.event_id.empty()) return;
  if (death) {
    AddAftermath({.event_id = result.event_id,
                  .death = std::move(death),
                  .dead = dead,
                  .row = i});
    return;
  }
  aftermaths_[result.event_id] = loop_.RunAfter(
      settings_.aftermath_after, [this, id = result.event_id, row = i] {
        AddAftermath({.event_id = id, .row = row});
      });
}

void FirstResponse::AddAftermath(capture::CaptureAftermath aftermath) {
  const std::string id = aftermath.event_id;
  aftermaths_.erase(id);
  const Status added = hands_.add_aftermath(std::move(aftermath));
  if (!added.ok()) {
    LogWarn("what came after an event cannot be added",
            {{"event", id}, {"error", added}});
  }
}

}  // namespace fodc::agent
