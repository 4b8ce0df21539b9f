// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/trigger.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::array<std::string_view, kTriggerKinds> kNames = {
    "memory_pressure", "oom_kill",     "target_gone",  "target_restarted",
    "death_loop",      "read_latency", "endpoint_down"};

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
  return StrCat("Memory of ", target, " is ", MebibytesText(d.sample.bytes),
                " of ", MebibytesText(d.sample.limit_bytes), " (",
                std::llround(share), " %", of, ").");
}

}  // namespace

std::string_view TriggerName(TriggerKind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<TriggerKind> FindTrigger(std::string_view name) {
  for (std::size_t i = 0; i < kTriggerKinds; ++i) {
    if (kNames[i] == name) return static_cast<TriggerKind>(i);
  }
  return {};
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

EventTriggers::EventTriggers(const detect::CapturePaceOptions& pace)
    : states_(kTriggerKinds, State{.pace = detect::CapturePace(pace)}) {}

bool EventTriggers::Ask(TriggerKind kind, MonotonicTime now,
                        TriggerDecision decision) {
  State& state = Of(kind);
  const detect::CapturePace::Answer answer = state.pace.Ask(now);
  decision.fires = answer == detect::CapturePace::Answer::kGo;
  decision.reason =
      decision.fires ? "fired" : std::string(detect::CapturePaceName(answer));
  if (decision.fires) {
    state.pace.Begin(now);
    ++state.fired;
    state.last_fired = decision;
  }
  state.last = std::move(decision);
  return state.last->fires;
}

void EventTriggers::Note(TriggerKind kind, TriggerDecision decision) {
  decision.fires = false;
  Of(kind).last = std::move(decision);
}

void EventTriggers::End(TriggerKind kind, MonotonicTime now,
                        bool has_evidence) {
  Of(kind).pace.End(now, has_evidence);
}

void EventTriggers::Restore(TriggerKind kind, MonotonicTime now,
                            std::chrono::nanoseconds ago) {
  Of(kind).pace.Restore(now, ago);
}

TriggerView EventTriggers::View(TriggerKind kind) const {
  const State& state = states_[static_cast<std::size_t>(kind)];
  TriggerView view;
  view.kind = kind;
  view.is_armed = true;
  view.fired = state.fired;
  view.last = state.last;
  view.last_fired = state.last_fired;
  return view;
}

}  // namespace fodc::agent
