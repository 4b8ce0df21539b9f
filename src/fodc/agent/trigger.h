// SPDX-License-Identifier: Apache-2.0
// What makes the agent capture evidence, and what it decided last.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/detect/capture_pace.h"
#include "fodc/detect/pressure_trigger.h"
#include "fodc/evidence/incident.h"

namespace fodc::agent {

// The numbers are no part of any format.
enum class TriggerKind : std::uint8_t {
  kMemoryPressure,
  kOomKill,          // the kernel killed a process of the target for memory
  kTargetGone,       // it died, and nobody has come after it
  kTargetRestarted,  // it died, and somebody has by the time that was seen
  kDeathLoop,        // it dies again and again soon after its start
  kReadLatency,      // the detector of slow reads has a verdict
  kEndpointDown,     // a page is not answered, round after round
};
inline constexpr std::size_t kTriggerKinds =
    static_cast<std::size_t>(TriggerKind::kEndpointDown) + 1;
// "memory_pressure", ...: of metrics, texts and meta.json.
std::string_view TriggerName(TriggerKind kind);
// None of that name: nothing.
std::optional<TriggerKind> FindTrigger(std::string_view name);

// One decision, with all that it was made of.
struct TriggerDecision {
  UnixTime at{};
  bool fires = false;
  std::string reason{};  // "fired", "cooldown", "in_progress", ...
  std::string summary{};
  std::vector<evidence::IncidentNumber> inputs{};
};

// A decision on memory pressure, in the words of all triggers.
TriggerDecision DecisionOf(const std::string& target,
                           const detect::PressureDecision& decision,
                           std::optional<double> seconds_to_limit,
                           const Clock& clock);

// What is shown of one trigger of one target.
struct TriggerView {
  TriggerKind kind = TriggerKind::kMemoryPressure;
  bool is_armed = false;
  std::string reason{};   // why it is not armed: one word, for metrics
  std::string problem{};  // the same for people
  std::uint64_t fired = 0;
  std::optional<TriggerDecision> last{};
  std::optional<TriggerDecision> last_fired{};
};

// A trigger that happens, at moments: all but memory pressure. Each has a pace
// of its own. Not thread-safe.
class EventTriggers {
 public:
  explicit EventTriggers(const detect::CapturePaceOptions& pace);

  // It happened. True: a capture is to begin, and End must follow. The decision
  // is kept in any case.
  bool Ask(TriggerKind kind, MonotonicTime now, TriggerDecision decision);
  // It happened, and is not asked about: `decision` says why.
  void Note(TriggerKind kind, TriggerDecision decision);
  void End(TriggerKind kind, MonotonicTime now, bool has_evidence);
  void Restore(TriggerKind kind, MonotonicTime now,
               std::chrono::nanoseconds ago);

  // Armed: whether it would be noticed is the owner's to say.
  TriggerView View(TriggerKind kind) const;

 private:
  struct State {
    detect::CapturePace pace;
    std::uint64_t fired = 0;
    std::optional<TriggerDecision> last{};
    std::optional<TriggerDecision> last_fired{};
  };
  State& Of(TriggerKind kind) {
    return states_[static_cast<std::size_t>(kind)];
  }

  std::vector<State> states_;
};

}  // namespace fodc::agent
