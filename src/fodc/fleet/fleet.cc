// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/fleet.h"

#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::fleet {
namespace {

void Add(const Mirror::Stats& from, Mirror::Stats* to) {
  to->frames += from.frames;
  to->entries += from.entries;
  to->gaps += from.gaps;
  to->missing_frames += from.missing_frames;
  to->damaged += from.damaged;
  to->unusable += from.unusable;
  to->refused_series += from.refused_series;
}

}  // namespace

Fleet::Fleet(const Clock& clock, const Options& options)
    : clock_(clock),
      options_(options),
      series_pool_(std::make_shared<recorder::SeriesPool>()),
      registry_(clock, options.registry),
      events_(options.events) {}

Registry::Admission Fleet::Admit(const Registry::Claim& claim) {
  Notice();  // first: who comes after an absence was not there before it
  Registry::Admission admission = registry_.Admit(claim);
  if (!admission.status.ok() || admission.probe) return admission;
  if (admission.heir_of) {
    const auto it = mirrors_.find(*admission.heir_of);
    if (it != mirrors_.end()) {
      Held held = std::move(it->second);
      mirrors_.erase(it);
      mirrors_.emplace(admission.id, std::move(held));
    }
  }
  for (const AgentId& id : admission.replaced) Drop(id);
  for (const AgentId& id : admission.evicted) Drop(id);
  if (claim.kind == AgentKind::kFlight) {
    Held& held = mirrors_[admission.id];
    if (held.mirror == nullptr) {
      held.mirror = NewMirror();
      held.incidents = evidence::IncidentList(options_.incidents);
    }
    held.emptied = false;
    const recorder::Incarnation life = claim.identity.incarnation;
    if (std::exchange(held.life, life) != life) {
      const std::size_t bytes_before = held.incidents.bytes();
      const std::uint64_t dropped_before = held.incidents.dropped();
      held.incidents.EndAllUnseen();
      CountIncidents(held.incidents, bytes_before, dropped_before);
    }
    held.mirror->Follow(life, clock_.Monotonic());
  }
  Share();
  return admission;
}

std::unique_ptr<Mirror> Fleet::NewMirror() const {
  recorder::RecordingOptions recording = options_.recording;
  recording.budget_bytes = options_.memory.total_bytes;
  // What an agent may record is its own affair: here, bytes are the bound.
  recording.max_series = std::numeric_limits<std::size_t>::max();
  recording.pool = series_pool_;
  // Nodes of one kind have the same series, and the first must not pay for all
  // of it. Over all mirrors it is a quarter of the memory.
  recording.free_text_bytes =
      std::min(options_.memory.per_agent_bytes,
               options_.memory.total_bytes /
                   std::max<std::size_t>(registry_.options().max_agents, 1)) /
      4;
  return std::make_unique<Mirror>(recording);
}

void Fleet::Drop(const AgentId& id) {
  const auto it = mirrors_.find(id);
  if (it == mirrors_.end()) return;
  Add(it->second.mirror->stats(), &gone_);
  used_bytes_ -= it->second.bytes;
  text_bytes_ -= it->second.text_bytes;
  incident_stats_.bytes -= it->second.incidents.bytes();
  mirrors_.erase(it);
}

void Fleet::Watch() {
  if (!watched_at_) watched_at_ = clock_.Monotonic();
  Notice();
}

void Fleet::Notice() {
  if (!watched_at_) return;
  const MonotonicTime now = clock_.Monotonic();
  const MonotonicTime before = *std::exchange(watched_at_, now);
  const auto away = now - before;
  if (away <= kAway) return;
  returned_at_ = now;
  ++absences_;
  for (auto& [id, held] : mirrors_) held.mirror->OnAbsence(before, now);
  if (away < kLongAway) return;
  registry_.Await(now + kReturn);
  LogWarn("the proxy was away: agents may have taken it for dead",
          {{"seconds", std::chrono::duration<double>(away).count()}});
}

void Fleet::Disconnect(const AgentId& id) {
  Notice();
  registry_.Disconnect(id);
  if (registry_.Find(id) == nullptr) {
    Drop(id);
    Share();
  }
}

void Fleet::Remove(const AgentId& id) {
  registry_.Remove(id);
  Drop(id);
  Share();
}

std::vector<AgentId> Fleet::Sweep() {
  std::vector<AgentId> dropped = registry_.Sweep();
  for (const AgentId& id : dropped) Drop(id);
  Share();
  return dropped;
}

Status Fleet::Apply(const AgentId& id,
                    std::span<const recorder::LogEntry> entries) {
  const auto it = mirrors_.find(id);
  if (it == mirrors_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  Held& held = it->second;
  if (held.emptied) {
    return ResourceExhausted(
        "the recording did not fit into the proxy's memory and begins anew");
  }
  Status status;
  const MonotonicTime now = clock_.Monotonic();
  for (const recorder::LogEntry& entry : entries) {
    status = held.mirror->Apply(entry, now);
    if (!status.ok()) break;
  }
  if (held.mirror->stats().frames > 0) Keep(id, &held);
  Look(&held);
  if (used_bytes_ > pool_bytes_ || IsOver()) Share();
  return status;
}

void Fleet::Keep(const AgentId& id, Held* held) {
  if (std::exchange(held->precious, true)) return;
  registry_.SetPrecious(id, true);
}

Status Fleet::TakeIncidents(const AgentId& id,
                            std::vector<evidence::Incident> incidents) {
  const auto it = mirrors_.find(id);
  if (it == mirrors_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  using Outcome = evidence::IncidentList::Outcome;
  evidence::IncidentList& kept = it->second.incidents;
  IncidentStats& s = incident_stats_;
  const std::size_t bytes_before = kept.bytes();
  const std::uint64_t dropped_before = kept.dropped();
  Status refusal;
  for (evidence::Incident& incident : incidents) {
    const auto outcome = kept.Put(std::move(incident));
    if (!outcome.ok()) {
      ++s.refused;
      if (refusal.ok()) refusal = outcome.status();
      continue;
    }
    ++(*outcome == Outcome::kNew       ? s.added
       : *outcome == Outcome::kUpdated ? s.updated
                                       : s.known);
    Keep(id, &it->second);
  }
  CountIncidents(kept, bytes_before, dropped_before);
  return refusal;
}

// `list` has changed.
void Fleet::CountIncidents(const evidence::IncidentList& list,
                           std::size_t bytes_before,
                           std::uint64_t dropped_before) {
  IncidentStats& s = incident_stats_;
  s.bytes += list.bytes() - bytes_before;  // modulo 2^64
  s.dropped += list.dropped() - dropped_before;
  while (s.bytes > options_.incident_bytes) DropIncident();
}

// Of the agent whose incidents take most.
void Fleet::DropIncident() {
  const auto largest = std::max_element(
      mirrors_.begin(), mirrors_.end(), [](const auto& a, const auto& b) {
        return a.second.incidents.bytes() < b.second.incidents.bytes();
      });
  evidence::IncidentList& kept = largest->second.incidents;
  const std::size_t before = kept.bytes();
  FODC_CHECK(kept.DropOldest());  // the sum is not 0
  incident_stats_.bytes -= before - kept.bytes();
  ++incident_stats_.dropped;
}

std::size_t Fleet::SharedBytes() const {
  const std::size_t all = series_pool_->bytes();
  return all - std::min(all, text_bytes_);
}

bool Fleet::IsOver() const {
  return used_bytes_ + SharedBytes() > options_.memory.total_bytes;
}

// Keeps the sums right. Modulo 2^64: they may shrink.
void Fleet::Look(Held* held) {
  const recorder::Recording& recording = held->mirror->recording();
  const std::size_t bytes = recording.memory_bytes();
  const std::size_t text_bytes = recording.pool_text_bytes();
  used_bytes_ += bytes - held->bytes;
  text_bytes_ += text_bytes - held->text_bytes;
  held->bytes = bytes;
  held->text_bytes = text_bytes;
}

// Text whose maker has gone is nobody's, though others hold it: too much of it
// is shared out anew among those.
void Fleet::ClaimText() {
  const std::size_t total = options_.memory.total_bytes;
  if (SharedBytes() <= std::max(total / 8 * 3, claimed_bytes_ + total / 16)) {
    return;
  }
  std::unordered_set<const void*> seen;
  for (auto& [id, held] : mirrors_) {
    held.mirror->recording().ClaimPoolText(
        [&seen](const void* text) { return seen.insert(text).second; });
    Look(&held);
  }
  claimed_bytes_ = SharedBytes();
}

void Fleet::Share() {
  for (auto& [id, held] : mirrors_) Look(&held);
  ClaimText();
  std::vector<std::size_t> used;
  used.reserve(mirrors_.size());
  for (const auto& [id, held] : mirrors_) used.push_back(held.bytes);
  pool_bytes_ = PoolBytes(options_.memory, mirrors_.size(), SharedBytes());
  // A little less than the pool, so that not every frame comes here again.
  const std::size_t level = WaterLevel(used, pool_bytes_ - pool_bytes_ / 32);
  for (auto& [id, held] : mirrors_) {
    held.mirror->recording().set_budget_bytes(std::min(level, pool_bytes_));
    Look(&held);
  }
  // Series of the newest frame, or of none yet, leave no recording. One that
  // fills its memory with them goes as a whole, the largest first.
  while (IsOver()) {
    const auto largest = std::max_element(
        mirrors_.begin(), mirrors_.end(), [](const auto& a, const auto& b) {
          return a.second.bytes < b.second.bytes;
        });
    if (largest == mirrors_.end() || largest->second.bytes <= level) return;
    Empty(largest->first, &largest->second, std::min(level, pool_bytes_));
  }
}

void Fleet::Empty(const AgentId& id, Held* held, std::size_t budget_bytes) {
  LogWarn("a recording does not fit into the memory and begins anew",
          {{"agent_id", id}, {"bytes", held->bytes}});
  Add(held->mirror->stats(), &gone_);
  held->mirror = NewMirror();
  if (const Agent* agent = registry_.Find(id); agent != nullptr) {
    held->mirror->Follow(agent->identity.incarnation, clock_.Monotonic());
  }
  held->mirror->recording().set_budget_bytes(budget_bytes);
  held->emptied = true;
  Look(held);
}

const Mirror* Fleet::mirror(const AgentId& id) const {
  const auto it = mirrors_.find(id);
  return it == mirrors_.end() ? nullptr : it->second.mirror.get();
}

const evidence::IncidentList* Fleet::incidents(const AgentId& id) const {
  const auto it = mirrors_.find(id);
  return it == mirrors_.end() ? nullptr : &it->second.incidents;
}

Fleet::Stats Fleet::stats() const {
  Stats s;
  s.registry = registry_.stats();
  for (const Agent& agent : *List()) {
    ++(agent.kind == AgentKind::kV1 ? s.v1 : s.flight);
    switch (agent.status) {
      case AgentStatus::kOnline:
        ++s.online;
        break;
      case AgentStatus::kOffline:
        ++s.offline;
        break;
      case AgentStatus::kConflict:
        ++s.conflict;
        break;
    }
  }
  s.mirrors = gone_;
  for (const auto& [id, held] : mirrors_) {
    Add(held.mirror->stats(), &s.mirrors);
    s.memory_bytes += held.mirror->recording().memory_bytes();
    s.evicted_samples += held.mirror->recording().stats().evicted_samples;
  }
  s.shared_bytes = SharedBytes();
  s.memory_bytes += s.shared_bytes;
  s.pool_bytes = pool_bytes_;
  s.absences = absences_;
  s.events = events_.stats();
  s.incidents = incident_stats_;
  for (const auto& [id, held] : mirrors_) {
    const std::size_t open = held.incidents.open();
    s.incidents.open += open;
    s.incidents.ended += held.incidents.all().size() - open;
  }
  return s;
}

}  // namespace fodc::fleet
