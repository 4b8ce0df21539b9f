// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/own_readings.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

using collect::ReadingDesc;
using exposition::MetricType;

constexpr ReadingDesc kStart{"fodc_agent_start_time_seconds",
                             MetricType::kGauge,
                             "When the agent started, seconds since 1970."};
constexpr ReadingDesc kCpu{"fodc_agent_cpu_seconds_total", MetricType::kCounter,
                           "CPU time that the agent used."};
constexpr ReadingDesc kResident{"fodc_agent_resident_memory_bytes",
                                MetricType::kGauge,
                                "Resident memory of the agent."};
constexpr ReadingDesc kSteps{"fodc_agent_clock_steps_total",
                             MetricType::kCounter,
                             "Steps of the wall clock of 100 ms and more."};
constexpr ReadingDesc kOffset{"fodc_agent_clock_offset_seconds",
                              MetricType::kGauge,
                              "The wall clock's gain over the monotonic clock "
                              "since the agent's start."};
constexpr ReadingDesc kMissed{"fodc_agent_missed_ticks_total",
                              MetricType::kCounter,
                              "Ticks that were skipped because the agent was "
                              "late."};
constexpr ReadingDesc kBytes{"fodc_agent_recording_bytes", MetricType::kGauge,
                             "Memory that the recording holds."};
constexpr ReadingDesc kBudget{"fodc_agent_recording_budget_bytes",
                              MetricType::kGauge,
                              "Memory that the recording may hold."};
constexpr ReadingDesc kSeries{"fodc_agent_recording_series", MetricType::kGauge,
                              "Series in the newest frames."};
constexpr ReadingDesc kWindow{"fodc_agent_recording_window_seconds",
                              MetricType::kGauge,
                              "How far back the recording reaches."};
constexpr ReadingDesc kExpected{
    "fodc_agent_recording_expected_window_seconds", MetricType::kGauge,
    "How far back the recording will reach, once full, at the present rate; 0 "
    "until known."};
constexpr ReadingDesc kRefused{"fodc_agent_recording_refused_series_total",
                               MetricType::kCounter,
                               "Lines of pages that came when the recording "
                               "had no room for their series."};
constexpr ReadingDesc kRefusedLines{
    "fodc_agent_recording_refused_lines", MetricType::kGauge,
    "Lines of the newest pages without samples: beyond --max-series, or what "
    "is known of series fills half of the recording's memory."};
constexpr ReadingDesc kEvicted{"fodc_agent_recording_evicted_samples_total",
                               MetricType::kCounter,
                               "Samples of the oldest chunks that went for new "
                               "ones."};

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

// statm's second number, in pages.
std::optional<double> ResidentBytes(int fd) {
  std::array<char, 128> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  if (n <= 0) return std::nullopt;
  std::string_view rest(text.data(), static_cast<std::size_t>(n));
  rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
  const auto pages = ParseUint(rest.substr(0, rest.find(' ')));
  if (!pages) return std::nullopt;
  return static_cast<double>(*pages) *
         static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

OwnReadings::OwnReadings(const Clock& clock, recorder::Recording& recording,
                         const collect::Collector& collector,
                         std::size_t budget_bytes)
    : recording_(recording),
      collector_(collector),
      budget_bytes_(static_cast<double>(budget_bytes)),
      start_seconds_(static_cast<double>(ToUnixMillis(clock.Unix())) / 1e3),
      statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)),
      readings_(recording, kAgentSource, "") {
  start_ = readings_.Add(kStart);
  cpu_ = readings_.Add(kCpu);
  resident_ = readings_.Add(kResident);
  steps_ = readings_.Add(kSteps);
  offset_ = readings_.Add(kOffset);
  missed_ = readings_.Add(kMissed);
  bytes_ = readings_.Add(kBytes);
  budget_ = readings_.Add(kBudget);
  series_ = readings_.Add(kSeries);
  window_ = readings_.Add(kWindow);
  expected_ = readings_.Add(kExpected);
  refused_ = readings_.Add(kRefused);
  refused_lines_ = readings_.Add(kRefusedLines);
  evicted_ = readings_.Add(kEvicted);
}

void OwnReadings::Read(recorder::FrameTime time) {
  readings_.Set(start_, start_seconds_);
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    readings_.Set(cpu_, Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  if (const auto bytes = ResidentBytes(statm_.get()))
    readings_.Set(resident_, *bytes);

  const collect::ClockWatch& watch = collector_.clock_watch();
  readings_.Set(steps_, static_cast<double>(watch.steps()));
  readings_.Set(offset_, static_cast<double>(watch.offset().count()) / 1e3);
  readings_.Set(missed_, static_cast<double>(collector_.missed_ticks()));

  const recorder::RecordingStats stats = recording_.stats();
  readings_.Set(bytes_, static_cast<double>(stats.bytes));
  readings_.Set(budget_, budget_bytes_);
  readings_.Set(series_, static_cast<double>(stats.active_series));
  // Whole seconds: a finer figure would cost more than it tells.
  const auto whole_seconds = [](std::int64_t ms) { return ms / 1000; };
  readings_.Set(window_, static_cast<double>(whole_seconds(stats.window_ms)));
  readings_.Set(expected_,
                static_cast<double>(whole_seconds(stats.expected_window_ms)));
  readings_.Set(refused_, static_cast<double>(stats.refused_series));
  readings_.Set(refused_lines_, static_cast<double>(stats.refused_lines));
  readings_.Set(evicted_, static_cast<double>(stats.evicted_samples));
  readings_.Commit(time);
}

}  // namespace fodc::agent
