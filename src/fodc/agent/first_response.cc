// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/first_response.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/detect/detector.h"
#include "fodc/detect/page_pair.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

// Of one target, in one event.
constexpr std::size_t kMaxProcesses = 32;
constexpr std::size_t kMaxVerdicts = 64;
constexpr std::string_view kReadLatencyDetector = "read_latency";

std::string MiB(std::uint64_t bytes) {
  return StrCat((bytes + (1u << 19)) >> 20, " MiB");
}

std::vector<evidence::IncidentNumber> InputsOf(
    const detect::PressureDecision& d, std::optional<double> seconds_left) {
  std::vector<evidence::IncidentNumber> inputs = {
      {"memory_bytes", static_cast<double>(d.sample.bytes)},
      {"memory_limit_bytes", static_cast<double>(d.sample.limit_bytes)},
      {"threshold_bytes", static_cast<double>(d.threshold_bytes)},
      {"hard_bytes", static_cast<double>(d.hard_bytes)},
      {"captured_bytes", static_cast<double>(d.captured_bytes)}};
  if (seconds_left) inputs.push_back({"seconds_to_limit", *seconds_left});
  if (d.left.count() > 0) {
    inputs.push_back(
        {"wait_left_seconds", std::chrono::duration<double>(d.left).count()});
  }
  return inputs;
}

std::string PressureText(const std::string& target,
                         const detect::PressureDecision& d) {
  const double share = d.sample.limit_bytes == 0
                           ? 0
                           : 100 * static_cast<double>(d.sample.bytes) /
                                 static_cast<double>(d.sample.limit_bytes);
  const std::string_view of =
      d.sample.measure == detect::PressureMeasure::kResident
          ? " of the machine's memory"
      : d.sample.measure == detect::PressureMeasure::kPage
          ? ", as its page tells"
          : "";
  return StrCat("Memory of ", target, " is ", MiB(d.sample.bytes), " of ",
                MiB(d.sample.limit_bytes), " (", std::llround(share), " %", of,
                ").");
}

TriggerDecision DecisionOf(const std::string& target,
                           const detect::PressureDecision& d,
                           std::optional<double> seconds_left,
                           const Clock& clock) {
  TriggerDecision out;
  out.at = clock.Unix() - std::max(clock.Monotonic() - d.sample.at,
                                   std::chrono::nanoseconds(0));
  out.fires = d.fires();
  out.reason = detect::PressureReasonName(d.reason);
  out.inputs = InputsOf(d, seconds_left);
  out.summary = PressureText(target, d);
  return out;
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
      shared_(targets.table().rows().size()) {
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
  const std::vector<target::Row>& table = targets_.table().rows();
  bool is_new = false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (!table[i].instance) {
      row.pid = 0;
      row.is_followed = false;
      watch_->LetGo(i, detect::PressureReason::kNoTarget, table[i].problem);
      continue;
    }
    const target::Instance& instance = *table[i].instance;
    if (row.pid == instance.pid && row.start_ticks == instance.start_ticks)
      continue;  // OnTick goes on with it
    row.pid = instance.pid;
    row.start_ticks = instance.start_ticks;
    Open(i, instance);
    is_new = true;
  }
  if (is_new) RefreshProcesses();
}

void FirstResponse::Open(std::size_t i, const target::Instance& instance) {
  Row& row = rows_[i];
  row.tried_at = loop_.clock().Monotonic();
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
  for (std::size_t i = 0; i < rows_.size(); ++i) {
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

// --- What happens.

void FirstResponse::OnAppended() {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    LookAtDeaths(i);
    LookAtEndpoints(i);
  }
}

void FirstResponse::LookAtDeaths(std::size_t i) {
  Row& row = rows_[i];
  const target::Row& known = targets_.table().rows()[i];
  const std::uint64_t kills = targets_.group_oom_kills(i);
  const std::uint64_t died =
      known.deaths_total - std::min(known.deaths_total, row.deaths);
  const bool is_oom_kill = kills > row.oom_kills;
  row.deaths = known.deaths_total;
  row.oom_kills = kills;
  if (is_oom_kill) row.oom_kill_at = loop_.clock().Monotonic();
  if (died > 0)
    OnDeath(i, std::exchange(row.oom_kill_at, {}).has_value(), died);
}

void FirstResponse::OnOomKill(std::size_t i) {
  Row& row = rows_[i];
  TriggerDecision d;
  d.summary =
      StrCat("The kernel killed a process of ", row.target, " for memory.");
  d.inputs = {{"oom_kills", static_cast<double>(row.oom_kills)}};
  const std::string id =
      Happened(i, TriggerKind::kOomKill, std::move(d), "", /*is_alive=*/true);
  if (!id.empty()) incidents_.End(id, "");
}

void FirstResponse::OnDeath(std::size_t i, bool is_oom_kill,
                            std::uint64_t count) {
  Row& row = rows_[i];
  const target::Row& known = targets_.table().rows()[i];
  evidence::EventDeath death;
  death.at = known.last_death_at.value_or(loop_.clock().Unix());
  if (known.last_exit.status) death.exit_code = *known.last_exit.status;
  if (known.last_exit.signal) death.signal = *known.last_exit.signal;
  death.oom_killed = is_oom_kill;
  const std::chrono::duration<double> age(
      known.last_uptime_seconds.value_or(1e9));
  auto change = detect::DeathLoop::Change::kNone;
  for (std::uint64_t k = 0; k < std::min<std::uint64_t>(count, 1000); ++k) {
    const auto c = row.death_loop.OnDeath(
        std::chrono::duration_cast<std::chrono::nanoseconds>(age));
    if (c != detect::DeathLoop::Change::kNone) change = c;
  }
  death.count =
      static_cast<std::uint32_t>(std::max(row.death_loop.deaths(), 1));
  death.summary = DeathText(death);
  std::vector<evidence::IncidentNumber> numbers = {
      {"deaths_in_a_row", static_cast<double>(death.count)}};
  if (known.last_uptime_seconds)
    numbers.push_back({"time_to_death_seconds", *known.last_uptime_seconds});

  // What was captured before tells how it went on.
  row.calm_at.reset();
  bool is_covered = false;
  for (const std::string& id :
       incidents_.Open(i, TriggerKind::kMemoryPressure)) {
    CaptureIncidents::Entry* const entry = incidents_.Find(id);
    incidents_.OnDeath(id, death);
    entry->has_aftermath = entry->has_aftermath || !entry->event_id.empty();
    if (!entry->event_id.empty()) AddAftermath(entry->event_id, death);
    incidents_.End(id, "");
    is_covered = true;
  }
  const bool is_loop = change == detect::DeathLoop::Change::kBegan;
  const TriggerKind kind = is_loop          ? TriggerKind::kDeathLoop
                           : is_oom_kill    ? TriggerKind::kOomKill
                           : known.instance ? TriggerKind::kTargetRestarted
                                            : TriggerKind::kTargetGone;
  if (!row.death_incident.empty()) {
    const std::string id = row.death_incident;
    incidents_.OnDeath(id, death);
    if (is_loop) incidents_.Become(id, kind, numbers);
    const CaptureIncidents::Entry* const entry = incidents_.Find(id);
    if (entry != nullptr && !entry->event_id.empty())
      AddAftermath(entry->event_id, death);
    if (!is_loop) return;
  } else if (is_covered && !is_loop) {
    return;
  }
  TriggerDecision d;
  d.summary = is_loop ? StrCat(row.target, " died ", death.count,
                               " times, each soon after its start.")
                      : StrCat(row.target, " died.");
  d.inputs = std::move(numbers);
  d.inputs.push_back({"oom_killed", is_oom_kill ? 1.0 : 0.0});
  if (death.signal)
    d.inputs.push_back({"exit_signal", static_cast<double>(*death.signal)});
  if (death.exit_code)
    d.inputs.push_back({"exit_code", static_cast<double>(*death.exit_code)});
  const std::string id =
      Happened(i, kind, std::move(d), target::ExitText(known.last_exit),
               /*is_alive=*/false, row.death_incident, death);
  if (!id.empty() && row.death_incident.empty()) {
    row.death_incident = id;
    incidents_.OnDeath(id, death);
  }
}

void FirstResponse::LookAtEndpoints(std::size_t i) {
  Row& row = rows_[i];
  bool has_scraped = false;
  std::optional<detect::PagePair> page;
  for (Endpoint& e : row.endpoints) {
    const collect::EndpointStatus& status = e.scraper->status();
    if (status.scrapes == e.scrapes || !status.tried) continue;
    e.scrapes = status.scrapes;
    has_scraped = true;
    const std::string& name = e.scraper->endpoint().name;
    const auto change = e.rounds.OnRound(status.up);
    if (change == detect::MissedRounds::Change::kBack &&
        e.rounds.missed() == 0 && !row.down_incident.empty()) {
      incidents_.End(std::exchange(row.down_incident, {}), "It answers again.");
    }
    if (change != detect::MissedRounds::Change::kDown) continue;
    // That of a dead target is no news.
    if (!targets_.table().rows()[i].instance) continue;
    TriggerDecision d;
    d.summary = StrCat(name, " of ", row.target, " has not answered for ",
                       settings_.down_rounds, " rounds.");
    d.inputs = {{"rounds_missed", static_cast<double>(settings_.down_rounds)}};
    const std::string id = Happened(
        i, TriggerKind::kEndpointDown, std::move(d),
        std::string(collect::ScrapeErrorName(status.last_error)), true);
    if (!id.empty()) row.down_incident = id;
  }
  if (!has_scraped) return;
  for (const recorder::SourceFrame& frame : recording_.Latest()) {
    if (frame.name.incarnation != recording_.incarnation()) continue;
    for (const Endpoint& e : row.endpoints) {
      if (!page && e.scraper->status().up &&
          frame.source_name == e.scraper->endpoint().name) {
        page = detect::FindPagePair(frame);
      }
    }
  }
  watch_->OnScrape(i, page);
}

void FirstResponse::OnIncidents() {
  for (const evidence::IncidentRef& incident : list_.all()) {
    if (incident->detector != kReadLatencyDetector || !incident->is_open() ||
        std::ranges::find(verdicts_, incident->id) != verdicts_.end()) {
      continue;
    }
    verdicts_.push_back(incident->id);
    if (verdicts_.size() > kMaxVerdicts) verdicts_.erase(verdicts_.begin());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].target != incident->target) continue;
      TriggerDecision d;
      d.summary = incident->summary;
      d.inputs = incident->numbers;
      (void)Happened(i, TriggerKind::kReadLatency, std::move(d), {}, true,
                     incident->id);
    }
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
  if (!settings_.problem.empty()) return FailedPrecondition(settings_.problem);
  return hands_.begin(std::move(request));
}

// On the watching thread: nothing of the loop is waited for.
void FirstResponse::OnPressure(const detect::PressureFiring& firing) {
  const std::size_t i = firing.row;
  const std::string& target = rows_[i].target;  // never changes
  const std::string id = NextId(i);
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
  const auto [kind, i] = it->second;
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
  if (const auto* const entry = incidents_.Find(result.incident_id)) {
    if (entry->death && kind == TriggerKind::kMemoryPressure)
      death = entry->death;
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
    AddAftermath(result.event_id, death);
    return;
  }
  aftermaths_[result.event_id] =
      loop_.RunAfter(settings_.aftermath_after,
                     [this, id = result.event_id] { AddAftermath(id, {}); });
}

void FirstResponse::AddAftermath(const std::string& event_id,
                                 std::optional<evidence::EventDeath> death) {
  const std::string id = event_id;  // the caller may be in the map
  aftermaths_.erase(id);
  const Status added =
      hands_.add_aftermath({.event_id = id, .death = std::move(death)});
  if (!added.ok()) {
    LogWarn("what came after an event cannot be added",
            {{"event", id}, {"error", added}});
  }
}

// --- What is shown.

std::vector<FirstResponse::RowView> FirstResponse::View() const {
  const std::vector<detect::MemoryState> states = watch_->States();
  const std::vector<target::Row>& table = targets_.table().rows();
  std::vector<RowView> view;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    RowView v{.target = row.target, .pid = row.pid, .memory = states[i]};
    for (std::size_t k = 0; k < kTriggerKinds; ++k) {
      const auto kind = static_cast<TriggerKind>(k);
      TriggerView t = row.triggers.View(kind);
      const auto unarmed = [&t](std::string_view reason, std::string problem) {
        t.is_armed = false;
        t.reason = reason;
        t.problem = std::move(problem);
      };
      if (kind == TriggerKind::kMemoryPressure) {
        const detect::MemoryState& m = states[i];
        t.fired = m.fired;
        t.last =
            DecisionOf(row.target, m.last, m.seconds_to_limit, loop_.clock());
        if (m.last_fired)
          t.last_fired =
              DecisionOf(row.target, *m.last_fired, {}, loop_.clock());
        if (!m.last.is_armed())
          unarmed(detect::PressureReasonName(m.last.reason), m.problem);
      } else if (kind == TriggerKind::kEndpointDown) {
        const bool has_answered =
            std::ranges::any_of(row.endpoints, [](const Endpoint& e) {
              return e.scraper->status().up || e.rounds.missed() > 0;
            });
        if (!has_answered)
          unarmed("never_answered", "no endpoint of it has answered yet");
      } else if (kind == TriggerKind::kReadLatency && !settings_.has_detector) {
        unarmed("no_detector", "kernel telemetry is switched off");
      } else if (!table[i].instance) {
        unarmed("no_target", table[i].problem);
      }
      if (!settings_.problem.empty()) unarmed("no_store", settings_.problem);
      v.triggers.push_back(std::move(t));
    }
    view.push_back(std::move(v));
  }
  return view;
}

}  // namespace fodc::agent
