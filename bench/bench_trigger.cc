// SPDX-License-Identifier: Apache-2.0
// Whether the evidence is there before the kernel kills: Go servers with
// net/http/pprof fill a memory cgroup (v1) of 512 MiB at three rates until they
// are killed, with and without the kernel's threshold events. How long from the
// line at 75 % to the decision and to the first byte of an artifact, and how
// often heap and goroutine profile are kept in time. Prints SKIPPED where there
// are no such groups or there is no Go.
//
//   bench_trigger [--full] [--crossings N] [--rate MB] [--check]
//
// --full: 100 crossings for each row instead of 5 (half an hour); --crossings:
// so many. --rate: those of one rate only. --check: exit code 1 if a figure is
// missed. The p99 of few crossings is the worst of them.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_util.h"
#include "bench/trigger/crossings.h"
#include "fodc/base/strings.h"

namespace fodc::bench {
namespace {

// A crossing that led to nothing is one that took this long.
constexpr double kNeverMs = 1e5;
// The Go agent looks when it scrapes.
constexpr double kScrapeIntervalMs = 1e4;

struct Row {
  int megabytes_per_second;
  std::optional<double> first_byte_p99_ms;
  std::optional<double> complete_percent;
};

constexpr Row kRows[] = {{50, 50, 100}, {200, 50, 90}, {1000, {}, {}}};
constexpr double kDecisionP99Ms = 20;

template <typename Holds>
double PercentOf(const std::vector<Crossing>& crossings, const Holds& holds) {
  return 100.0 *
         static_cast<double>(
             std::count_if(crossings.begin(), crossings.end(), holds)) /
         static_cast<double>(crossings.size());
}

// How often the Go agent's rule would so much as decide in time. A scrape comes
// at any moment of its interval, so it is the share of it that the target lives
// beyond the line; the same figure for the resident set as for the charge.
double GoRulePercent(const std::vector<Crossing>& crossings) {
  double sum = 0;
  for (const Crossing& c : crossings)
    sum += std::min(1.0, c.kill_ms / kScrapeIntervalMs);
  return 100 * sum / static_cast<double>(crossings.size());
}

void ReportRow(const Row& row, bool has_events, int repeats,
               Crossings* crossings, Reporter* report) {
  std::vector<Crossing> all;
  std::vector<double> decision;
  std::vector<double> first_byte;
  std::vector<double> commit;
  std::vector<double> kill;
  std::vector<double> rate;
  for (int i = 0; i < repeats; ++i) {
    const Crossing& c =
        all.emplace_back(crossings->Run(row.megabytes_per_second, has_events));
    decision.push_back(c.decision_ms.value_or(kNeverMs));
    first_byte.push_back(c.first_byte_ms.value_or(kNeverMs));
    commit.push_back(c.commit_ms.value_or(kNeverMs));
    kill.push_back(c.kill_ms);
    rate.push_back(c.mb_per_second);
  }
  const std::string label =
      StrCat(row.megabytes_per_second, has_events ? "_events" : "_clock");
  using enum Reporter::Floor;
  report->Report("rate_" + label, Median(rate), "MB/s");
  report->Report("kill_p50_" + label, Median(kill), "ms");
  report->Report("decision_p50_" + label, Median(decision), "ms");
  report->Report("decision_p99_" + label, Percentile(decision, 0.99), "ms",
                 kDecisionP99Ms, kAtMost);
  report->Report("first_byte_p50_" + label, Median(first_byte), "ms");
  report->Report("first_byte_p99_" + label, Percentile(first_byte, 0.99), "ms",
                 row.first_byte_p99_ms, kAtMost);
  report->Report("commit_p50_" + label, Median(commit), "ms");
  report->Report("commit_p99_" + label, Percentile(commit, 0.99), "ms");
  report->Report(
      "complete_" + label,
      PercentOf(all,
                [](const Crossing& c) { return c.IsCompleteBeforeKill(); }),
      StrCat("percent of ", repeats), row.complete_percent);
  report->Report(
      "over_" + label,
      PercentOf(all, [](const Crossing& c) { return c.IsOverBeforeKill(); }),
      StrCat("percent of ", repeats));
  report->Report("decided_go_rule_" + label, GoRulePercent(all), "percent");
}

std::optional<int> NumberOf(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] != flag) continue;
    const auto value = ParseUint(argv[i + 1]);
    if (value && *value >= 1 && *value <= 10'000)
      return static_cast<int>(*value);
  }
  return {};
}

int Main(int argc, char** argv) {
  if (const std::string why = Crossings::WhyNone(); !why.empty()) {
    std::printf("SKIPPED: %s\n", why.c_str());
    return 0;
  }
  const int repeats = NumberOf(argc, argv, "--crossings")
                          .value_or(HasFlag(argc, argv, "--full") ? 100 : 5);
  const std::optional<int> rate = NumberOf(argc, argv, "--rate");
  Crossings crossings;
  Reporter report("bench_trigger");
  report.Report("crossings", repeats, "for each row");
  for (const Row& row : kRows) {
    if (rate && *rate != row.megabytes_per_second) continue;
    for (const bool has_events : {true, false})
      ReportRow(row, has_events, repeats, &crossings, &report);
  }
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
