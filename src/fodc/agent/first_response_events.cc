// SPDX-License-Identifier: Apache-2.0
// Of the first response: what happens to the targets.
#include <algorithm>
#include <utility>

#include "fodc/agent/first_response.h"
#include "fodc/base/strings.h"
#include "fodc/detect/page_pair.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

constexpr std::size_t kMaxVerdicts = 64;

}  // namespace

bool FirstResponse::Apply(const KernelWord& word, evidence::EventDeath* death) {
  bool is_news = false;
  if (word.is_oom && !death->oom_killed) {
    death->oom_killed = true;
    is_news = true;
  }
  if (word.signal && !death->signal && !death->exit_code) {
    death->signal = *word.signal;
    is_news = true;
  }
  return is_news;
}

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
  const bool is_alive = targets_.table().rows()[i].instance.has_value();
  const std::string id = Happened(i, {.kind = TriggerKind::kOomKill,
                                      .decision = std::move(d),
                                      .is_alive = is_alive});
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
  row.last_death = LastDeath{.dead = row.before};
  if (row.word && row.before &&
      row.word->start_ticks == row.before->start_ticks) {
    (void)Apply(*row.word, &death);
  }
  const std::chrono::duration<double> age(
      known.last_uptime_seconds.value_or(1e9));
  auto change = detect::DeathLoop::Change::kNone;
  for (std::uint64_t k = 0; k < std::min<std::uint64_t>(count, 1000); ++k) {
    const auto c = row.death_loop.OnDeath(
        std::chrono::duration_cast<std::chrono::nanoseconds>(age));
    if (c != detect::DeathLoop::Change::kNone) change = c;
  }
  if (change == detect::DeathLoop::Change::kEnded)
    watch_->SetDiesAgain(i, false);
  const bool was_young = row.death_loop.deaths() > 0;
  death.count =
      static_cast<std::uint32_t>(std::max(row.death_loop.deaths(), 1));
  death.summary = DeathText(death);
  row.last_death->death = death;
  std::vector<evidence::IncidentNumber> numbers = {
      {"deaths_in_a_row", static_cast<double>(death.count)}};
  if (known.last_uptime_seconds)
    numbers.push_back({"time_to_death_seconds", *known.last_uptime_seconds});

  const bool is_covered = TellOfDeath(i, death, was_young);
  // An earlier life of the agent may have seen it begin.
  const bool is_loop = change == detect::DeathLoop::Change::kBegan ||
                       (change == detect::DeathLoop::Change::kAnother &&
                        row.death_incident.empty());
  const TriggerKind kind = is_loop            ? TriggerKind::kDeathLoop
                           : death.oom_killed ? TriggerKind::kOomKill
                           : known.instance   ? TriggerKind::kTargetRestarted
                                              : TriggerKind::kTargetGone;
  TriggerDecision d;
  d.summary = is_loop ? StrCat(row.target, " died ", death.count,
                               " times, each soon after its start.")
                      : StrCat(row.target, " died.");
  d.inputs = numbers;
  d.inputs.push_back({"oom_killed", death.oom_killed ? 1.0 : 0.0});
  if (death.signal)
    d.inputs.push_back({"exit_signal", static_cast<double>(*death.signal)});
  if (death.exit_code)
    d.inputs.push_back({"exit_code", static_cast<double>(*death.exit_code)});
  if (!row.death_incident.empty() && !is_covered) {
    const std::string id = row.death_incident;
    row.last_death->incidents.emplace_back(id, kind);
    incidents_.OnDeath(id, death);
    const CaptureIncidents::Entry* const entry = incidents_.Find(id);
    if (entry != nullptr && !entry->event_ids.empty()) {
      AddAftermath({.event_id = entry->event_ids.back(),
                    .death = death,
                    .dead = row.before,
                    .row = i});
    }
  }
  if (is_loop) {
    watch_->SetDiesAgain(i, true);
    if (!row.death_incident.empty())
      incidents_.Become(row.death_incident, kind,
                        target::ExitText(known.last_exit), d.summary, numbers);
  }
  // The incident, and its events, are there already.
  if (!is_loop && (is_covered || !row.death_incident.empty()))
    return Note(i, kind, std::move(d), "covered");
  const std::string id =
      Happened(i, {.kind = kind,
                   .decision = std::move(d),
                   .cause = target::ExitText(known.last_exit),
                   .is_alive = false,
                   .incident_id = row.death_incident,
                   .death = death});
  if (row.death_incident.empty() && !id.empty()) {
    row.death_incident = id;
    row.last_death->incidents.emplace_back(id, kind);
    incidents_.OnDeath(id, death);
  }
  if (is_loop || (was_young && death.oom_killed))
    SetLivesIncident(i, row.death_incident);
}

void FirstResponse::OnKernelDeath(const kernel::KernelEvent& event) {
  if (event.target >= rows_.size()) return;
  Row& row = rows_[event.target];
  // A process dies once: whenever the word comes, it is of that death. Of the
  // target's other processes, which may be killed with it, nothing is kept.
  const bool is_of_last =
      row.last_death && row.last_death->dead &&
      row.last_death->dead->start_ticks == event.start_ticks;
  const bool is_of_target =
      row.start_ticks == event.start_ticks ||
      (row.before && row.before->start_ticks == event.start_ticks);
  if (!is_of_last && !is_of_target) return;
  if (!row.word || row.word->start_ticks != event.start_ticks)
    row.word = KernelWord{.start_ticks = event.start_ticks};
  KernelWord& word = *row.word;
  if (event.kind == kernel::KernelEvent::Kind::kOomVictim) {
    word.is_oom = true;
  } else {
    word.signal = event.signal;
  }
  if (is_of_last) CorrectDeath(event.target);
}

void FirstResponse::CorrectDeath(std::size_t i) {
  LastDeath& last = *rows_[i].last_death;
  if (!Apply(*rows_[i].word, &last.death)) return;
  last.death.summary = DeathText(last.death);
  std::vector<std::string> events = last.events;
  for (const auto& [id, kind] : last.incidents) {
    // Not those of a later life.
    if (const CaptureIncidents::Entry* const entry = incidents_.Find(id);
        entry != nullptr && entry->death && entry->death->at == last.death.at &&
        !entry->event_ids.empty() &&
        std::ranges::find(events, entry->event_ids.back()) == events.end()) {
      events.push_back(entry->event_ids.back());
    }
    incidents_.CorrectDeath(id, kind, i, last.death);
  }
  for (std::string& event : events) {
    AddAftermath({.event_id = std::move(event),
                  .death = last.death,
                  .dead = last.dead,
                  .row = i});
  }
}

bool FirstResponse::TellOfDeath(std::size_t i,
                                const evidence::EventDeath& death,
                                bool was_young) {
  Row& row = rows_[i];
  row.calm_at.reset();
  bool is_covered = false;
  for (const std::string& id :
       incidents_.Open(i, TriggerKind::kMemoryPressure)) {
    CaptureIncidents::Entry* const entry = incidents_.Find(id);
    if (entry->death) continue;  // an earlier life's, and row.death_incident
    incidents_.OnDeath(id, death);
    entry->dead = row.before;
    row.last_death->incidents.emplace_back(id, TriggerKind::kMemoryPressure);
    row.last_death->events.insert(row.last_death->events.end(),
                                  entry->event_ids.begin(),
                                  entry->event_ids.end());
    for (const std::string& event : entry->event_ids) {
      AddAftermath(
          {.event_id = event, .death = death, .dead = row.before, .row = i});
    }
    is_covered = true;
    if (was_young && row.death_incident.empty()) {
      row.death_incident = id;
      SetLivesIncident(i, id);
    }
    if (id != row.death_incident) incidents_.End(id, "");
  }
  return is_covered;
}

void FirstResponse::LookAtEndpoints(std::size_t i) {
  Row& row = rows_[i];
  bool has_scraped = false;
  for (Endpoint& e : row.endpoints) {
    const collect::EndpointStatus& status = e.scraper->status();
    if (status.scrapes == e.scrapes || !status.tried) continue;
    e.scrapes = status.scrapes;
    has_scraped = true;
    OnEndpoint(i, &e);
  }
  if (has_scraped) watch_->OnScrape(i, PagePairOf(i));
}

void FirstResponse::OnEndpoint(std::size_t i, Endpoint* endpoint) {
  Row& row = rows_[i];
  const collect::EndpointStatus& status = endpoint->scraper->status();
  const auto change = endpoint->rounds.OnRound(status.up);
  if (change == detect::MissedRounds::Change::kBack &&
      !endpoint->incident.empty()) {
    incidents_.End(std::exchange(endpoint->incident, {}), "It answers again.");
  }
  if (change != detect::MissedRounds::Change::kDown) return;
  TriggerDecision d;
  d.summary =
      StrCat(endpoint->scraper->endpoint().name, " of ", row.target,
             " has not answered for ", settings_.down_rounds, " rounds.");
  d.inputs = {{"rounds_missed", static_cast<double>(settings_.down_rounds)}};
  // That of a dead target is no news; of one whose process is not seen it is.
  if (!targets_.table().rows()[i].instance && row.before)
    return Note(i, TriggerKind::kEndpointDown, std::move(d), "no_target");
  endpoint->incident = Happened(
      i, {.kind = TriggerKind::kEndpointDown,
          .decision = std::move(d),
          .cause = std::string(collect::ScrapeErrorName(status.last_error)),
          .subject = endpoint->scraper->endpoint().name});
}

// Only where the page decides: the newest values of all series are copied.
std::optional<detect::PagePair> FirstResponse::PagePairOf(std::size_t i) const {
  if (!watch_->UsesPage(i)) return {};
  for (const recorder::SourceFrame& frame : recording_.Latest()) {
    if (frame.name.incarnation != recording_.incarnation()) continue;
    for (const Endpoint& e : rows_[i].endpoints) {
      if (!e.scraper->status().up ||
          frame.source_name != e.scraper->endpoint().name) {
        continue;
      }
      if (auto page = detect::FindPagePair(frame)) return page;
    }
  }
  return {};
}

void FirstResponse::OnIncidents() {
  for (const evidence::IncidentRef& incident : list_.all()) {
    if (incident->detector != evidence::kReadLatency || !incident->is_open() ||
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
      (void)Happened(i, {.kind = TriggerKind::kReadLatency,
                         .decision = std::move(d),
                         .incident_id = incident->id});
    }
  }
}

}  // namespace fodc::agent
