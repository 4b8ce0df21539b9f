// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "fodc/agent/guardian_watch.h"

namespace fodc::agent {
namespace {

using exposition::MetricType;
using program::OwnFamily;
using program::OwnLabels;

using Families = std::vector<OwnFamily>;

OwnFamily Make(std::string name, MetricType type, std::string help) {
  return {.name = std::move(name), .type = type, .help = std::move(help)};
}

void Add(OwnFamily* family, OwnLabels labels, double value) {
  family->samples.push_back(
      {.name = family->name, .labels = std::move(labels), .value = value});
}

void AddRows(const GuardianWatch& watch, Families* out) {
  using enum MetricType;
  OwnFamily armed = Make("fodc_agent_guardian_armed", kGauge,
                         "Whether the target is guarded.");
  OwnFamily why = Make("fodc_agent_guardian_unarmed_info", kGauge,
                       "1: why the target is not guarded.");
  OwnFamily suppressed =
      Make("fodc_agent_guardian_suppressed", kGauge,
           "Whether the crash-loop guard keeps the guardian from stopping the "
           "target.");
  OwnFamily bytes = Make("fodc_agent_guardian_memory_bytes", kGauge,
                         "Memory of the target, as the guardian measures it.");
  OwnFamily limit = Make("fodc_agent_guardian_memory_limit_bytes", kGauge,
                         "What it is compared with.");
  OwnFamily lines = Make("fodc_agent_guardian_threshold_bytes", kGauge,
                         "The lines at which the guardian acts.");
  OwnFamily left = Make("fodc_agent_guardian_seconds_to_limit", kGauge,
                        "Until the limit, as the memory grows now.");
  OwnFamily wait = Make("fodc_agent_guardian_poll_interval_seconds", kGauge,
                        "Wait between two looks, as of now.");
  OwnFamily failures =
      Make("fodc_agent_guardian_measure_failures_total", kCounter,
           "Times that the memory of the target could not be read.");
  for (const GuardianWatch::RowView& row : watch.View()) {
    const OwnLabels target = {{"target", row.target}};
    const guardian::WatchState& s = row.state;
    Add(&armed, target, s.is_armed ? 1 : 0);
    Add(&suppressed, target, s.is_suppressed ? 1 : 0);
    Add(&failures, target, static_cast<double>(s.failures));
    if (!s.is_armed) {
      Add(&why,
          {{"reason", std::string(guardian::RefusalName(row.refusal))},
           {"target", row.target}},
          1);
      continue;
    }
    Add(&bytes, target, static_cast<double>(s.bytes));
    Add(&limit, target, static_cast<double>(s.limit_bytes));
    Add(&wait, target, s.wait_seconds);
    if (s.seconds_to_limit) Add(&left, target, *s.seconds_to_limit);
    for (const auto& [level, line] :
         {std::pair<const char*, std::uint64_t>{"capture", s.lines.capture},
          {"term", s.lines.term},
          {"kill", s.lines.kill}}) {
      if (line == 0) continue;
      Add(&lines, {{"level", level}, {"target", row.target}},
          static_cast<double>(line));
    }
  }
  for (OwnFamily* f : {&armed, &why, &suppressed, &bytes, &limit, &lines, &left,
                       &wait, &failures}) {
    if (!f->samples.empty()) out->push_back(std::move(*f));
  }
}

}  // namespace

void AddGuardianMetrics(program::OwnMetrics* metrics,
                        const GuardianWatch* watch) {
  metrics->AddCallback([watch](Families* out) {
    OwnFamily actions = Make("fodc_agent_guardian_actions_total",
                             MetricType::kCounter, "What the guardian did.");
    for (std::size_t i = 0; i < guardian::kActions; ++i) {
      const auto action = static_cast<guardian::Action>(i);
      const guardian::ActionLabels labels = guardian::LabelsOf(action);
      const std::uint64_t count =
          watch == nullptr ? 0 : watch->guardian().counts().of(action);
      Add(&actions,
          {{"action", std::string(labels.action)},
           {"result", std::string(labels.result)}},
          static_cast<double>(count));
    }
    out->push_back(std::move(actions));
    if (watch == nullptr) return;
    AddRows(*watch, out);
    OwnFamily dropped =
        Make("fodc_agent_guardian_reports_dropped_total", MetricType::kCounter,
             "Reports that were made faster than the loop took them: what they "
             "told is counted, but not in the log.");
    Add(&dropped, {}, static_cast<double>(watch->guardian().reports_dropped()));
    out->push_back(std::move(dropped));
  });
}

}  // namespace fodc::agent
