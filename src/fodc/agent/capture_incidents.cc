// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/capture_incidents.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

std::string AdviceFor(TriggerKind kind) {
  switch (kind) {
    case TriggerKind::kMemoryPressure:
    case TriggerKind::kOomKill:
      return "compare the heap profiles of its events with fodcctl pprof diff: "
             "what grew; look at "
             "fodc_container_memory_bytes before it; raise the limit if this "
             "is what the target needs";
    case TriggerKind::kTargetGone:
    case TriggerKind::kTargetRestarted:
    case TriggerKind::kDeathLoop:
      return "read the last log lines of the event, and how it ended";
    case TriggerKind::kReadLatency:
    case TriggerKind::kEndpointDown:
      return "look at the threads and goroutines of the event: what they wait "
             "for";
  }
  return {};
}

// Of all that captures tell: how it ended is to find room behind it.
constexpr std::size_t kMostCaptureText = 2048;
constexpr std::size_t kMostEventIds = 4;

// Incidents go to the proxy, whose readers may not know of the node's disk.
std::string WithoutDirectories(const Status& status) {
  return evidence::WithoutDirectories(status.message());
}

void SetNumber(std::vector<evidence::IncidentNumber>* numbers,
               const std::string& name, double value) {
  const auto there =
      std::ranges::find(*numbers, name, &evidence::IncidentNumber::name);
  if (there != numbers->end()) {
    there->value = value;
  } else if (numbers->size() < evidence::kMaxIncidentNumbers) {
    numbers->push_back({name, value});
  }
}

}  // namespace

std::string DeathText(const evidence::EventDeath& death) {
  if (death.oom_killed) {
    return "The kernel killed it for memory.";
  }
  if (death.signal) return StrCat("It ended by signal ", *death.signal, ".");
  if (death.exit_code) {
    return StrCat("It ended with status ", *death.exit_code, ".");
  }
  return "It ended; how is not known.";
}

void CaptureIncidents::Begin(const std::string& id, TriggerKind kind,
                             std::size_t row, const std::string& target,
                             std::string cause,
                             const TriggerDecision& decision) {
  if (Entry* const known = Revive(id, kind, row)) {
    known->is_captured = false;
    for (const evidence::IncidentNumber& n : decision.inputs)
      SetNumber(&known->incident.numbers, n.name, n.value);
    AddCapture(*known, StrCat("Later: ", decision.summary));
    return;
  }
  Entry entry;
  entry.kind = kind;
  entry.row = row;
  evidence::Incident& i = entry.incident;
  i.id = id;
  i.detector = evidence::kFirstResponse;
  i.verdict = TriggerName(kind);
  i.cause = std::move(cause);
  i.target = target;
  i.advice = AdviceFor(kind);
  i.started_ms = std::max<std::int64_t>(ToUnixMillis(decision.at), 1);
  i.revision = 0;
  i.summary = decision.summary;
  i.numbers = decision.inputs;
  Entry& kept = entries_[id] = std::move(entry);
  Revise(kept, "");
}

void CaptureIncidents::Revise(Entry& entry, std::string_view text) {
  evidence::Incident& i = entry.incident;
  ++i.revision;
  // The clock may have been set back.
  i.updated_ms = std::max(i.started_ms, ToUnixMillis(clock_.Unix()));
  if (i.ended_ms != 0) i.ended_ms = std::min(i.ended_ms, i.updated_ms);
  if (!text.empty() &&
      i.summary.size() + text.size() + 1 <= evidence::kMaxIncidentTextBytes) {
    i.summary += StrCat(" ", text);
  }
  const auto put = list_.Put(i);
  if (!put.ok()) {
    LogError("an incident cannot be kept", {{"error", put.status()}});
    return;
  }
  if (on_changed_) on_changed_();
}

void CaptureIncidents::AddCapture(Entry& entry, const std::string& text) {
  // One that is tried again and again says the same.
  const std::string& summary = entry.incident.summary;
  const bool is_news = summary.find(text) == summary.npos &&
                       summary.size() + text.size() <= kMostCaptureText;
  Revise(entry, is_news ? text : std::string());
}

CaptureIncidents::Entry* CaptureIncidents::Revive(const std::string& id,
                                                  TriggerKind kind,
                                                  std::size_t row) {
  if (Entry* const entry = Find(id)) return entry;
  const evidence::IncidentRef over = list_.Find(id);
  if (over == nullptr) return nullptr;
  Entry& entry = entries_[id];
  entry.kind = kind;
  entry.row = row;
  entry.incident = *over;
  return &entry;
}

CaptureIncidents::Entry* CaptureIncidents::Find(const std::string& id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

std::vector<std::string> CaptureIncidents::Open(std::size_t row,
                                                TriggerKind kind) const {
  std::vector<std::string> open;
  for (const auto& [id, entry] : entries_) {
    if (entry.row == row && entry.kind == kind && entry.incident.is_open())
      open.push_back(id);
  }
  return open;
}

void CaptureIncidents::OnCaptured(const capture::CaptureResult& result) {
  Entry* const entry = Find(result.incident_id);
  if (entry == nullptr) return;
  entry->is_captured = true;
  if (!result.event_id.empty()) {
    if (entry->event_ids.size() == kMostEventIds)
      entry->event_ids.erase(entry->event_ids.begin());
    entry->event_ids.push_back(result.event_id);
  }
  entry->artifacts += result.artifacts;
  SetNumber(&entry->incident.numbers, "evidence_artifacts",
            static_cast<double>(entry->artifacts));
  AddCapture(*entry,
             !result.rest.ok() ? StrCat("Evidence: ", result.event_id,
                                        "; the last of it was not kept: ",
                                        WithoutDirectories(result.rest), ".")
             : result.lacks_profiles
                 ? StrCat("Evidence: ", result.event_id,
                          ", without a profile: none came in time.")
             : result.has_evidence ? StrCat("Evidence: ", result.event_id, ".")
             : result.status.ok()
                 ? std::string("Nothing of it could be captured.")
                 : StrCat("Nothing could be captured: ",
                          WithoutDirectories(result.status), "."));
  Forget(result.incident_id);
}

void CaptureIncidents::Reopen(const std::string& id, TriggerKind kind,
                              std::size_t row) {
  if (Entry* const entry = Revive(id, kind, row)) entry->incident.ended_ms = 0;
}

void CaptureIncidents::OnNoCapture(const std::string& id) {
  if (Entry* const entry = Find(id)) entry->is_captured = true;
  Forget(id);
}

void CaptureIncidents::OnDeath(const std::string& id,
                               const evidence::EventDeath& death) {
  Entry* const entry = Find(id);
  if (entry == nullptr) return;
  entry->death = death;
  TellDeath(entry, death);
  // The next ones are counted, and told if they are others: a text that grows
  // with each helps nobody.
  const std::string text = DeathText(death);
  const bool is_later = std::exchange(entry->tells_death, true);
  const bool is_known = entry->incident.summary.find(text) != std::string::npos;
  Revise(*entry, is_later && is_known ? std::string()
                 : is_later           ? StrCat("Later: ", text)
                                      : text);
}

void CaptureIncidents::OnNextLife(const std::string& id) {
  Entry* const entry = Find(id);
  if (entry == nullptr || !entry->death) return;
  entry->death.reset();
  entry->dead.reset();
  entry->event_ids.clear();
}

void CaptureIncidents::TellDeath(Entry* entry,
                                 const evidence::EventDeath& death) {
  auto* const numbers = &entry->incident.numbers;
  // Those of an earlier one are not of this.
  std::erase_if(*numbers, [](const evidence::IncidentNumber& n) {
    return n.name == "exit_signal" || n.name == "exit_code";
  });
  const bool counts_row =
      std::ranges::find(*numbers, "deaths_in_a_row",
                        &evidence::IncidentNumber::name) != numbers->end();
  if (counts_row) SetNumber(numbers, "deaths_in_a_row", death.count);
  if (death.signal) SetNumber(numbers, "exit_signal", *death.signal);
  if (death.exit_code) SetNumber(numbers, "exit_code", *death.exit_code);
  SetNumber(numbers, "oom_killed", death.oom_killed ? 1 : 0);
  SetNumber(numbers, "deaths", death.count);
}

void CaptureIncidents::CorrectDeath(const std::string& id, TriggerKind kind,
                                    std::size_t row,
                                    const evidence::EventDeath& death) {
  const bool is_known = Find(id) != nullptr;
  Entry* const entry = Revive(id, kind, row);
  if (entry == nullptr) return;
  if (!is_known) entry->is_captured = true;
  // In a later life of the target it is that one's that is waited for.
  if (entry->death && entry->death->at == death.at) entry->death = death;
  TellDeath(entry, death);
  Revise(*entry, StrCat("The kernel tells: ", DeathText(death)));
  Forget(id);
}

void CaptureIncidents::Become(
    const std::string& id, TriggerKind kind, std::string cause,
    std::string_view text,
    const std::vector<evidence::IncidentNumber>& numbers) {
  Entry* const entry = Find(id);
  if (entry == nullptr) return;
  const bool is_news = entry->kind != kind;
  entry->kind = kind;
  entry->incident.verdict = TriggerName(kind);
  entry->incident.cause = std::move(cause);
  for (const evidence::IncidentNumber& n : numbers)
    SetNumber(&entry->incident.numbers, n.name, n.value);
  Revise(*entry, is_news ? text : std::string_view());
}

void CaptureIncidents::End(const std::string& id, std::string_view text) {
  Entry* const entry = Find(id);
  if (entry == nullptr || !entry->incident.is_open()) return;
  entry->incident.ended_ms =
      std::max(entry->incident.started_ms, ToUnixMillis(clock_.Unix()));
  Revise(*entry, text);
  Forget(id);
}

// What is over and captured changes no more.
void CaptureIncidents::Forget(const std::string& id) {
  const auto it = entries_.find(id);
  if (it != entries_.end() && it->second.is_captured &&
      !it->second.incident.is_open()) {
    entries_.erase(it);
  }
}

}  // namespace fodc::agent
