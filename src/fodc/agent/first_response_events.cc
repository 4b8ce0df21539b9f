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
constexpr std::string_view kReadLatencyDetector = "read_latency";

}  // namespace

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

  const bool is_covered = TellOfDeath(i, death);
  // An earlier life of the agent may have seen it begin.
  const bool is_loop = change == detect::DeathLoop::Change::kBegan ||
                       (change == detect::DeathLoop::Change::kAnother &&
                        row.death_incident.empty());
  const TriggerKind kind = is_loop          ? TriggerKind::kDeathLoop
                           : is_oom_kill    ? TriggerKind::kOomKill
                           : known.instance ? TriggerKind::kTargetRestarted
                                            : TriggerKind::kTargetGone;
  if (!row.death_incident.empty()) {
    const std::string id = row.death_incident;
    incidents_.OnDeath(id, death);
    if (is_loop) incidents_.Become(id, kind, numbers);
    const CaptureIncidents::Entry* const entry = incidents_.Find(id);
    if (entry != nullptr && !entry->event_ids.empty()) {
      AddAftermath({.event_id = entry->event_ids.back(),
                    .death = death,
                    .dead = row.before,
                    .row = i});
    }
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
  const std::string cause = target::ExitText(known.last_exit);
  std::string id = Happened(i, kind, d, cause,
                            /*is_alive=*/false, row.death_incident, death);
  if (!row.death_incident.empty()) return;
  if (id.empty() && is_loop) {
    // It is told of, though its capture is too soon after another.
    id = NextId(i);
    d.at = loop_.clock().Unix();
    incidents_.Begin(id, kind, i, row.target, cause, d);
    incidents_.OnNoCapture(id);
  }
  if (id.empty()) return;
  row.death_incident = id;
  incidents_.OnDeath(id, death);
}

bool FirstResponse::TellOfDeath(std::size_t i,
                                const evidence::EventDeath& death) {
  Row& row = rows_[i];
  row.calm_at.reset();
  bool is_covered = false;
  for (const std::string& id :
       incidents_.Open(i, TriggerKind::kMemoryPressure)) {
    incidents_.OnDeath(id, death);
    CaptureIncidents::Entry* const entry = incidents_.Find(id);
    entry->dead = row.before;
    for (const std::string& event : entry->event_ids) {
      AddAftermath(
          {.event_id = event, .death = death, .dead = row.before, .row = i});
    }
    incidents_.End(id, "");
    is_covered = true;
  }
  return is_covered;
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

}  // namespace fodc::agent
