// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "fodc/agent/explain.h"

namespace fodc::agent {
namespace {

using enum exposition::MetricType;
using program::OwnFamily;
using program::OwnLabels;

using Families = std::vector<OwnFamily>;

OwnFamily Make(std::string name, exposition::MetricType type,
               std::string help) {
  return {.name = std::move(name), .type = type, .help = std::move(help)};
}

void Add(OwnFamily* family, OwnLabels labels, double value) {
  family->samples.push_back(
      {.name = family->name, .labels = std::move(labels), .value = value});
}

void Add(OwnFamily* family, OwnLabels labels, std::uint64_t value) {
  Add(family, std::move(labels), static_cast<double>(value));
}

void AddRows(const std::vector<FirstResponse::RowView>& rows, Families* out) {
  OwnFamily armed =
      Make("fodc_agent_trigger_armed", kGauge,
           "Whether that would make the agent capture evidence of the target.");
  OwnFamily why =
      Make("fodc_agent_trigger_unarmed_info", kGauge, "1: why it would not.");
  OwnFamily left = Make("fodc_agent_target_seconds_to_limit", kGauge,
                        "Until the target's memory reaches its limit, as it "
                        "grows now; absent while it does not.");
  for (const FirstResponse::RowView& row : rows) {
    const OwnLabels target = {{"target", row.target}};
    if (row.memory.seconds_to_limit)
      Add(&left, target, *row.memory.seconds_to_limit);
    for (const TriggerView& t : row.triggers) {
      const std::string name(TriggerName(t.kind));
      Add(&armed, {{"target", row.target}, {"trigger", name}},
          t.is_armed ? 1.0 : 0.0);
      if (t.is_armed) continue;
      Add(&why,
          {{"reason", t.reason}, {"target", row.target}, {"trigger", name}},
          1.0);
    }
  }
  for (OwnFamily* f : {&armed, &why, &left}) {
    if (!f->samples.empty()) out->push_back(std::move(*f));
  }
}

}  // namespace

void AddFirstResponseMetrics(program::OwnMetrics* metrics,
                             const FirstResponse* response) {
  metrics->AddCallback([response](Families* out) {
    OwnFamily captures = Make("fodc_agent_captures_total", kCounter,
                              "Captures that ended, by what made them begin.");
    OwnFamily pressure =
        Make("fodc_agent_pressure_capture_total", kCounter,
             "Captures for memory pressure that brought evidence.");
    OwnFamily skipped =
        Make("fodc_agent_pressure_skipped_cooldown_total", kCounter,
             "Scrapes that found a target over the line within the cooldown.");
    OwnFamily looks = Make("fodc_agent_memory_looks_total", kCounter,
                           "Looks at the targets' memory.");
    const std::vector<FirstResponse::RowView> rows =
        response == nullptr ? std::vector<FirstResponse::RowView>()
                            : response->View();
    std::uint64_t skips = 0;
    std::uint64_t looked = 0;
    for (const FirstResponse::RowView& row : rows) {
      skips += row.memory.skipped_cooldown;
      looked += row.memory.looks;
    }
    for (std::size_t k = 0; k < kTriggerKinds; ++k) {
      const FirstResponseCounts counts =
          response == nullptr ? FirstResponseCounts() : response->counts()[k];
      const std::string name(TriggerName(static_cast<TriggerKind>(k)));
      Add(&captures, {{"result", "captured"}, {"trigger", name}},
          counts.captured);
      Add(&captures, {{"result", "empty"}, {"trigger", name}}, counts.empty);
      Add(&captures, {{"result", "failed"}, {"trigger", name}}, counts.failed);
      if (static_cast<TriggerKind>(k) == TriggerKind::kMemoryPressure)
        Add(&pressure, {}, counts.captured);
    }
    Add(&skipped, {}, skips);
    Add(&looks, {}, looked);
    for (OwnFamily* f : {&captures, &pressure, &skipped, &looks})
      out->push_back(std::move(*f));
    AddRows(rows, out);
  });
}

}  // namespace fodc::agent
