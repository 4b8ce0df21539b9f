// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/state_readings.h"

#include <cmath>

namespace fodc::detect {
namespace {

using exposition::MetricType;

// Both functions go through the same list: one looks at what a series is, the
// other at its value.
template <typename Visit>
void ForEach(const TargetState& s, const Visit& visit) {
  const auto known = [](double v) {
    return std::isnan(v) ? std::nullopt : std::optional(v);
  };
  const auto flag = [](bool b) { return std::optional(b ? 1.0 : 0.0); };
  for (std::size_t v = static_cast<std::size_t>(Verdict::kEviction);
       v < kVerdicts; ++v) {
    visit("fodc_incidents_total", MetricType::kCounter,
          "Incidents of slow reads that were given the verdict.",
          {{"verdict", VerdictName(static_cast<Verdict>(v))}},
          std::optional(static_cast<double>(s.incidents_total[v])));
  }
  for (const VerdictCause& k : AllIncidentKinds()) {
    visit("fodc_incident_open", MetricType::kGauge,
          "Whether an incident with the verdict and cause is open.",
          {{"verdict", VerdictName(k.verdict)}, {"cause", k.cause}},
          flag(!s.open_id.empty() && s.verdict == k.verdict &&
               s.cause == k.cause));
  }
  for (std::size_t p = 0; p < kPhases; ++p) {
    visit("fodc_detector_state", MetricType::kGauge,
          "Whether the detector of slow reads is in the state.",
          {{"state", PhaseName(static_cast<Phase>(p))}},
          flag(s.phase == static_cast<Phase>(p)));
  }
  for (const Verdict v : {Verdict::kBackgroundScan, Verdict::kTight}) {
    visit("fodc_detector_calm_verdict", MetricType::kGauge,
          "Whether the verdict is given, though reads are not slow.",
          {{"verdict", VerdictName(v)}}, flag(s.verdict == v));
  }
  constexpr std::string_view kLatency = "fodc_detector_read_latency_seconds";
  constexpr std::string_view kLatencyHelp =
      "Latency of file reads in the newest window.";
  constexpr std::string_view kBaseline = "fodc_detector_baseline_seconds";
  constexpr std::string_view kBaselineHelp = "What it usually is.";
  const auto gauge = MetricType::kGauge;
  visit(kLatency, gauge, kLatencyHelp, {{"quantile", "0.95"}},
        known(s.newest.p95));
  visit(kLatency, gauge, kLatencyHelp, {{"quantile", "0.99"}},
        known(s.newest.p99));
  visit(kBaseline, gauge, kBaselineHelp, {{"quantile", "0.95"}},
        known(s.typical.p95));
  visit(kBaseline, gauge, kBaselineHelp, {{"quantile", "0.99"}},
        known(s.typical.p99));
  visit("fodc_detector_window_reads", gauge,
        "Reads of files in the newest window.", {}, known(s.newest.reads));
  visit("fodc_detector_learned_windows", gauge,
        "Calm windows that the baseline is made of.", {},
        known(static_cast<double>(s.learned_windows)));
  for (std::size_t i = 0; i < kSignals; ++i) {
    visit("fodc_detector_signal_series", gauge,
          "Series of the newest pages that make the signal.",
          {{"signal", AllSignals()[i].name}},
          known(static_cast<double>(s.signals.series[i])));
  }
}

using LabelViews = std::vector<std::pair<std::string_view, std::string_view>>;

}  // namespace

std::vector<StateReading> DescribeState(const std::string& target) {
  std::vector<StateReading> out;
  ForEach(TargetState(),
          [&](std::string_view name, MetricType type, std::string_view help,
              const LabelViews& labels, std::optional<double>) {
            StateReading& r = out.emplace_back();
            r.name = name;
            r.type = type;
            r.help = help;
            r.labels.emplace_back("target", target);
            for (const auto& [key, value] : labels) {
              if (!value.empty()) r.labels.emplace_back(key, value);
            }
          });
  return out;
}

std::vector<std::optional<double>> ReadState(const TargetState& state) {
  std::vector<std::optional<double>> out;
  ForEach(state,
          [&](std::string_view, MetricType, std::string_view, const LabelViews&,
              std::optional<double> value) { out.push_back(value); });
  return out;
}

}  // namespace fodc::detect
