// SPDX-License-Identifier: Apache-2.0
// Of the first response: what is shown.
#include <algorithm>
#include <utility>

#include "fodc/agent/first_response.h"

namespace fodc::agent {

std::vector<FirstResponse::RowView> FirstResponse::View() const {
  const std::vector<detect::MemoryState> states = watch_->States();
  const std::vector<target::Row>& table = targets_.table().rows();
  const std::string no_store = problem();
  const std::string no_detector =
      settings_.detector_problem ? settings_.detector_problem() : "";
  std::vector<RowView> view;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    RowView v{.target = row.target, .pid = row.pid, .memory = states[i]};
    for (std::size_t k = 0; k < kTriggerKinds; ++k) {
      const auto kind = static_cast<TriggerKind>(k);
      TriggerView t = row.triggers.View(kind);
      const auto unarmed = [&t](std::string_view reason, std::string problem) {
        t.is_armed = false;
        t.reason = reason;
        t.problem = std::move(problem);
      };
      if (kind == TriggerKind::kMemoryPressure) {
        const detect::MemoryState& m = states[i];
        t.fired = m.fired;
        if (m.looks > 0)
          t.last =
              DecisionOf(row.target, m.last, m.seconds_to_limit, loop_.clock());
        if (t.last && m.last.sample.measure == detect::PressureMeasure::kNone) {
          t.last->summary = m.problem;
          t.last->inputs.clear();
        }
        if (m.last_fired)
          t.last_fired =
              DecisionOf(row.target, *m.last_fired, {}, loop_.clock());
        if (!m.last.is_armed())
          unarmed(detect::PressureReasonName(m.last.reason), m.problem);
      } else if (kind == TriggerKind::kEndpointDown) {
        const bool has_answered =
            std::ranges::any_of(row.endpoints, [](const Endpoint& e) {
              return e.scraper->status().up || e.rounds.missed() > 0;
            });
        if (!has_answered)
          unarmed("never_answered", "no endpoint of it has answered yet");
        if (!table[i].instance && row.before)
          unarmed("no_target", table[i].problem);
      } else if (kind == TriggerKind::kReadLatency && !no_detector.empty()) {
        unarmed("no_detector", no_detector);
      } else if (!table[i].instance) {
        unarmed("no_target", table[i].problem);
      } else if (kind == TriggerKind::kOomKill &&
                 !targets_.tells_oom_kills(i)) {
        unarmed("unreadable", "its cgroup does not tell of kills");
      }
      if (!no_store.empty()) unarmed("no_store", no_store);
      v.triggers.push_back(std::move(t));
    }
    view.push_back(std::move(v));
  }
  return view;
}

}  // namespace fodc::agent
