// SPDX-License-Identifier: Apache-2.0
// The incidents of the first response: one for each capture, from its trigger
// to the end of what made it fire.
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

inline constexpr std::string_view kFirstResponse = "first_response";

// Belongs to the loop's thread.
class CaptureIncidents {
 public:
  // Of one of them, what the first response wants to know.
  struct Entry {
    TriggerKind kind = TriggerKind::kMemoryPressure;
    std::size_t row = 0;
    evidence::Incident incident;
    bool is_captured = false;    // its capture is over
    std::string event_id;        // of what it brought; empty: nothing
    bool has_aftermath = false;  // was asked for
    std::optional<evidence::EventDeath> death;
  };

  // `on_changed` is called when the list has changed. All must outlive it.
  CaptureIncidents(evidence::IncidentList& list, const Clock& clock,
                   std::function<void()> on_changed)
      : list_(list), clock_(clock), on_changed_(std::move(on_changed)) {}

  // A capture begins. `cause`: what tells incidents of one trigger apart.
  void Begin(const std::string& id, TriggerKind kind, std::size_t row,
             const std::string& target, std::string cause,
             const TriggerDecision& decision);
  void OnCaptured(const capture::CaptureResult& result);
  // A death that belongs to it.
  void OnDeath(const std::string& id, const evidence::EventDeath& death);
  // By then it is one of a target that dies again and again.
  void Become(const std::string& id, TriggerKind kind,
              std::vector<evidence::IncidentNumber> numbers);
  // `text`: one more sentence.
  void End(const std::string& id, std::string_view text);

  // Null if it is not known, or over and captured.
  Entry* Find(const std::string& id);
  // Those of a row and kind that are open.
  std::vector<std::string> Open(std::size_t row, TriggerKind kind) const;

 private:
  // One more revision, with one more sentence.
  void Revise(Entry& entry, std::string_view text);
  void Forget(const std::string& id);

  evidence::IncidentList& list_;
  const Clock& clock_;
  const std::function<void()> on_changed_;
  std::map<std::string, Entry> entries_;
};

// "It ended with signal 9, killed by the kernel for memory."
std::string DeathText(const evidence::EventDeath& death);

}  // namespace fodc::agent
