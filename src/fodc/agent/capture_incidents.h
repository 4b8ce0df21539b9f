// SPDX-License-Identifier: Apache-2.0
// The incidents of the first response, each from its trigger to the end of what
// made it fire. Of one ramp-up of memory, and of one target that dies again and
// again, there is one, with an event for each capture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/agent/trigger.h"
#include "fodc/base/clock.h"
#include "fodc/capture/capture_request.h"
#include "fodc/evidence/event_meta.h"
#include "fodc/evidence/incident_list.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class CaptureIncidents {
 public:
  // Of one of them, what the first response wants to know.
  struct Entry {
    TriggerKind kind = TriggerKind::kMemoryPressure;
    std::size_t row = 0;
    evidence::Incident incident;
    bool is_captured = false;  // no capture of it waits or runs
    std::vector<std::string>
        event_ids;                // of what they brought; the newest last
    std::uint64_t artifacts = 0;  // in those
    std::optional<evidence::EventDeath> death;
    bool tells_death = false;                     // of an earlier life, too
    std::optional<capture::CaptureProcess> dead;  // who it was
  };

  // `on_changed` is called when the list has changed. All must outlive it.
  CaptureIncidents(evidence::IncidentList& list, const Clock& clock,
                   std::function<void()> on_changed)
      : list_(list), clock_(clock), on_changed_(std::move(on_changed)) {}

  // A capture begins; if there is an incident of that id, it is one more of it.
  // `cause`: what tells incidents of one trigger apart.
  void Begin(const std::string& id, TriggerKind kind, std::size_t row,
             const std::string& target, std::string cause,
             const TriggerDecision& decision);
  void OnCaptured(const capture::CaptureResult& result);
  // A death that belongs to it.
  void OnDeath(const std::string& id, const evidence::EventDeath& death);
  // A capture of it begins in another life of the target: what came of the last
  // one stays with its events.
  void OnNextLife(const std::string& id);
  // What had ended happens again: it is open, and Begin follows.
  void Reopen(const std::string& id, TriggerKind kind, std::size_t row);
  // No capture of it waits or runs, for the trigger's pace allows none.
  void OnNoCapture(const std::string& id);
  // How the death that it told of came about is better known now.
  void CorrectDeath(const std::string& id, TriggerKind kind, std::size_t row,
                    const evidence::EventDeath& death);
  // By then it is one of another kind, and `text` says since when.
  void Become(const std::string& id, TriggerKind kind, std::string cause,
              std::string_view text,
              const std::vector<evidence::IncidentNumber>& numbers);
  // `text`: one more sentence.
  void End(const std::string& id, std::string_view text);

  // Null if it is not known, or over and captured.
  Entry* Find(const std::string& id);
  // Those of a row and kind that are open.
  std::vector<std::string> Open(std::size_t row, TriggerKind kind) const;

 private:
  // That of the id, also one that was over; null if there is none.
  Entry* Revive(const std::string& id, TriggerKind kind, std::size_t row);
  // In its numbers.
  void TellDeath(Entry* entry, const evidence::EventDeath& death);
  // One more revision, with one more sentence.
  void Revise(Entry& entry, std::string_view text);
  // The same of what captures tell, once and within a bound.
  void AddCapture(Entry& entry, const std::string& text);
  void Forget(const std::string& id);

  evidence::IncidentList& list_;
  const Clock& clock_;
  const std::function<void()> on_changed_;
  std::map<std::string, Entry> entries_;
};

// "It ended with signal 9, killed by the kernel for memory."
std::string DeathText(const evidence::EventDeath& death);

}  // namespace fodc::agent
