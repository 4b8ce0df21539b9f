// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/oom_kills.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc::agent {

MachineOomKills::MachineOomKills(std::string proc_root)
    : path_(std::move(proc_root) + "/vmstat"), before_(Read()) {}

std::optional<std::uint64_t> MachineOomKills::Read() const {
  const auto text = ReadFile(path_);
  if (!text.ok()) return {};
  std::string_view rest = *text;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    if (ConsumePrefix(&line, "oom_kill ")) return NextUint(&line);
  }
  return {};
}

std::optional<std::uint64_t> MachineOomKills::Count() {
  const std::optional<std::uint64_t> now = Read();
  if (!now || !before_) return {};
  return *now - std::min(*now, *before_);
}

void AddOomKillMetrics(program::OwnMetrics* metrics,
                       const collect::Targets* targets,
                       std::shared_ptr<MachineOomKills> machine) {
  metrics->AddCallback([targets, machine = std::move(machine)](
                           std::vector<program::OwnFamily>* out) {
    program::OwnFamily family{
        .name = "fodc_agent_oom_kills_total",
        .type = exposition::MetricType::kCounter,
        .help = "Processes that the kernel killed for memory."};
    const auto add = [&family](const char* scope, std::uint64_t count) {
      family.samples.push_back({.name = family.name,
                                .labels = {{"scope", scope}},
                                .value = static_cast<double>(count)});
    };
    if (const auto count = machine->Count()) add("global", *count);
    add("memcg", targets->group_oom_kills());
    out->push_back(std::move(family));
  });
}

}  // namespace fodc::agent
