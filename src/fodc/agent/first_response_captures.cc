// SPDX-License-Identifier: Apache-2.0
// Of the first response: captures, from what fired to what came of them.
#include <algorithm>
#include <utility>

#include "fodc/agent/first_response.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::size_t kMaxLateAftermaths = 64;

}  // namespace

std::string FirstResponse::Happened(std::size_t i, Happening what) {
  Row& row = rows_[i];
  const TriggerKind kind = what.kind;
  what.decision.at = loop_.clock().Unix();
  const bool is_own = what.incident_id.empty();
  const std::string id = is_own ? IncidentOf(i, &what) : what.incident_id;
  // Of one incident there is one capture at a time.
  if (!is_own && in_flight_.contains({id, kind})) {
    Note(i, kind, std::move(what.decision), "in_progress");
    return {};
  }
  if (!row.triggers.Ask(kind, loop_.clock().Monotonic(), what.decision)) {
    if (!is_own) return {};
    Tell(i, id, std::move(what));
    return id;
  }
  capture::CaptureRequest request;
  request.at = what.decision.at;
  request.row = i;
  request.target = row.target;
  request.incident_id = id;
  request.trigger = {.kind = std::string(TriggerName(kind)),
                     .summary = what.decision.summary,
                     .inputs = what.decision.inputs};
  request.death = std::move(what.death);
  if (!what.is_alive) request.dead = row.before;
  if (what.is_alive) RefreshProcesses();
  {
    const MutexLock lock(mutex_);
    request.role = shared_[i].role;
    if (what.is_alive) request.processes = shared_[i].processes;
  }
  request.is_unseen = what.is_alive && request.processes.empty();
  in_flight_[{id, kind}] = i;
  if (is_own) {
    incidents_.Begin(id, kind, i, row.target, std::move(what.cause),
                     what.decision);
  }
  if (const Status begun = Begin(std::move(request)); !begun.ok()) {
    Finish({.row = i,
            .target = row.target,
            .incident_id = id,
            .trigger = std::string(TriggerName(kind)),
            .status = begun});
  }
  return id;
}

std::string FirstResponse::IncidentOf(std::size_t i, Happening* what) {
  std::vector<Recurring>& recurring = rows_[i].recurring;
  const MonotonicTime now = loop_.clock().Monotonic();
  std::erase_if(recurring, [&](const Recurring& r) {
    return now - r.at >= settings_.pressure.pace.cooldown;
  });
  const std::string name =
      StrCat(TriggerName(what->kind), " ", what->subject, " ", what->cause);
  const auto it = std::ranges::find(recurring, name, &Recurring::name);
  if (it == recurring.end()) {
    recurring.push_back({.name = name, .id = NextId(i), .at = now, .times = 1});
    return recurring.back().id;
  }
  it->at = now;
  what->decision.inputs.push_back({"times", static_cast<double>(++it->times)});
  incidents_.Reopen(it->id, what->kind, i);
  return it->id;
}

void FirstResponse::Tell(std::size_t i, const std::string& id, Happening what) {
  const TriggerView view = rows_[i].triggers.View(what.kind);
  what.decision.summary +=
      StrCat(" Nothing is captured: ", view.last ? view.last->reason : "", ".");
  incidents_.Begin(id, what.kind, i, rows_[i].target, std::move(what.cause),
                   what.decision);
  if (!in_flight_.contains({id, what.kind})) incidents_.OnNoCapture(id);
}

void FirstResponse::Note(std::size_t i, TriggerKind kind,
                         TriggerDecision decision, std::string_view reason) {
  decision.at = loop_.clock().Unix();
  decision.reason = reason;
  rows_[i].triggers.Note(kind, std::move(decision));
}

void FirstResponse::SetLivesIncident(std::size_t i, std::string incident) {
  const MutexLock lock(mutex_);
  shared_[i].lives_incident = std::move(incident);
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
  // One ramp-up is one incident, whatever number of captures; and so are those
  // of all lives of a target that dies again and again.
  std::string id =
      StrCat("capture-", settings_.incarnation, "-", i, "-ramp-", firing.ramp);
  std::string ramp =
      StrCat("ramp-", settings_.incarnation, "-", i, "-", firing.ramp);
  const TriggerDecision decision = DecisionOf(
      target, firing.decision, firing.seconds_to_limit, loop_.clock());
  capture::CaptureRequest request;
  request.at = decision.at;
  request.row = i;
  request.target = target;
  request.is_urgent = true;
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
    if (!shared_[i].lives_incident.empty()) {
      id = shared_[i].lives_incident;
      ramp = StrCat("lives-", id);
    }
  }
  request.incident_id = id;
  request.ramp_up = std::move(ramp);
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
    in_flight_[{id, TriggerKind::kMemoryPressure}] = i;
    rows_[i].calm_at.reset();
    incidents_.OnNextLife(id);
    incidents_.Begin(id, TriggerKind::kMemoryPressure, i, target,
                     decision.reason, decision);
  });
  const Status begun = Begin(std::move(request));
  if (begun.ok()) return;
  Post([this, i, target, id, begun] {
    Finish({.row = i,
            .target = target,
            .incident_id = id,
            .trigger = std::string(TriggerName(TriggerKind::kMemoryPressure)),
            .status = begun});
  });
}

void FirstResponse::EndCalm(std::size_t i) {
  rows_[i].calm_at.reset();
  for (const std::string& id :
       incidents_.Open(i, TriggerKind::kMemoryPressure)) {
    // That of several lives ends when one of them stays.
    if (id != rows_[i].death_incident)
      incidents_.End(id, "It is well below the line again.");
  }
}

void FirstResponse::Finish(const capture::CaptureResult& result) {
  const auto trigger = FindTrigger(result.trigger);
  if (!trigger) return;
  const TriggerKind kind = *trigger;
  const auto it = in_flight_.find({result.incident_id, kind});
  if (it == in_flight_.end()) return;
  const std::size_t i = it->second;
  in_flight_.erase(it);
  const bool is_done =
      result.has_evidence &&
      !(kind == TriggerKind::kMemoryPressure && IsRetried(&rows_[i], result));
  FirstResponseCounts& counts = counts_[static_cast<std::size_t>(kind)];
  if (is_done) {
    ++counts.captured;
  } else if (result.status.ok()) {
    ++counts.empty;
  } else {
    ++counts.failed;
  }
  if (kind == TriggerKind::kMemoryPressure) {
    watch_->OnCaptured(i, is_done);
  } else {
    rows_[i].triggers.End(kind, loop_.clock().Monotonic(), is_done);
  }
  std::optional<evidence::EventDeath> death;
  std::optional<capture::CaptureProcess> dead;
  if (const auto* const entry = incidents_.Find(result.incident_id);
      entry != nullptr && kind == TriggerKind::kMemoryPressure &&
      entry->kind == TriggerKind::kMemoryPressure) {
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

// Of memory it is the profiles that tell.
bool FirstResponse::IsRetried(Row* row, const capture::CaptureResult& result) {
  if (!result.lacks_profiles ||
      row->without_profiles_of != result.incident_id) {
    row->without_profiles = 0;
    row->without_profiles_of = result.incident_id;
  }
  return result.lacks_profiles &&
         ++row->without_profiles < kMostWithoutProfiles;
}

void FirstResponse::AddAftermath(capture::CaptureAftermath aftermath) {
  aftermaths_.erase(aftermath.event_id);
  const Status added = hands_.add_aftermath(aftermath);
  if (added.ok()) return;
  if (added.code() == Code::kResourceExhausted &&
      late_aftermaths_.size() < kMaxLateAftermaths) {
    late_aftermaths_.push_back(std::move(aftermath));
    return;
  }
  LogWarn("what came after an event cannot be added",
          {{"event", aftermath.event_id}, {"error", added}});
}

}  // namespace fodc::agent
