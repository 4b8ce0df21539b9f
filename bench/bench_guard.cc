// SPDX-License-Identifier: Apache-2.0
// What the guard costs, and how often it is in time: one sample of each source,
// the watchdog's CPU, and clean stops in real cgroups.
//
// --check: exit code 1 if a figure is missed. --full: 20 repeats of each clean
// stop, and heaps of 3 GB. --samples, --stops: that part alone; --stops=events
// (polls, 1s_poll): stops by that way of watching alone.
#include <string_view>

#include "bench/bench_util.h"
#include "bench/guard/clean_stop.h"
#include "bench/guard/sample_cost.h"

namespace fodc::bench {
namespace {

constexpr int kRepeats = 3;
constexpr int kFullRepeats = 20;

int Main(int argc, char** argv) {
  const bool full = HasFlag(argc, argv, "--full");
  constexpr std::string_view kSampleCost = "--sample-cost=";
  constexpr std::string_view kStops = "--stops=";
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag.starts_with(kSampleCost)) {
      return PrintSampleCosts(flag.substr(kSampleCost.size()), full);
    }
    if (flag.starts_with(kStops)) only = flag.substr(kStops.size());
  }
  Reporter report("bench_guard");
  const bool only_samples = HasFlag(argc, argv, "--samples");
  const bool only_stops = HasFlag(argc, argv, "--stops") || !only.empty();
  if (!only_stops) {
    ReportSampleCosts(argv[0], full, &report);
    ReportWatchdogCpu(full, &report);
  }
  if (!only_samples) {
    ReportCleanStops(only, full ? kFullRepeats : kRepeats, &report);
  }
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
