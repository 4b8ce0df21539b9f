// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/trigger.h"

#include <utility>

namespace fodc::agent {
namespace {

constexpr std::array<std::string_view, kTriggerKinds> kNames = {
    "memory_pressure", "oom_kill",     "target_gone",  "target_restarted",
    "death_loop",      "read_latency", "endpoint_down"};

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
