// SPDX-License-Identifier: Apache-2.0
// What every benchmark needs: JSON lines, medians, a pinned core.
#pragma once

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fodc::bench {

// Where rates are promised for a machine that counts line feeds at 5 GB/s.
inline constexpr double kReferenceNewlineGbPerSecond = 5.0;

// Prints one JSON line per figure and remembers whether a floor was missed.
class Reporter {
 public:
  enum class Floor { kAtLeast, kAtMost };

  explicit Reporter(std::string_view bench) : bench_(bench) {}

  // `floor`: what must be reached here and now (already scaled).
  void Report(std::string_view metric, double value, std::string_view unit,
              std::optional<double> floor = {}, Floor kind = Floor::kAtLeast) {
    std::printf(
        "{\"bench\":\"%.*s\",\"metric\":\"%.*s\",\"value\":%.6g,"
        "\"unit\":\"%.*s\"",
        Size(bench_), bench_.data(), Size(metric), metric.data(), value,
        Size(unit), unit.data());
    if (floor) {
      const bool pass =
          kind == Floor::kAtLeast ? value >= *floor : value <= *floor;
      missed_ = missed_ || !pass;
      std::printf(",\"%s\":%.6g,\"pass\":%s",
                  kind == Floor::kAtLeast ? "floor" : "ceiling", *floor,
                  pass ? "true" : "false");
    }
    (void)std::printf("}\n");
    (void)std::fflush(stdout);
  }

  bool missed() const { return missed_; }
  // The exit code: 1 if `--check` was asked for and a floor was missed.
  int ExitCode(bool check) const { return check && missed_ ? 1 : 0; }

 private:
  static int Size(std::string_view s) { return static_cast<int>(s.size()); }
  std::string_view bench_;
  bool missed_ = false;
};

inline bool HasFlag(int argc, char** argv, std::string_view flag) {
  return std::any_of(argv + 1, argv + argc,
                     [flag](const char* a) { return a == flag; });
}

inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Value at the given share (0 to 1) of the sorted values.
inline double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(
      std::lround(share * static_cast<double>(values.size() - 1)));
  return values[at];
}

// Seconds that `work` takes.
template <typename Work>
double TimeSeconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// CPU time of CLOCK_THREAD_CPUTIME_ID or CLOCK_PROCESS_CPUTIME_ID: exact, where
// getrusage counts in ticks of milliseconds.
inline double CpuSeconds(clockid_t whose) {
  timespec t{};
  (void)::clock_gettime(whose, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// Keeps the calling thread on one core: the last one, which has the least to
// do with interrupts. False if the system refuses.
inline bool PinToOneCore() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(cpu), &one);
      return sched_setaffinity(0, sizeof one, &one) == 0;
    }
  }
  return false;
}

}  // namespace fodc::bench
