// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/boot_ticks.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "fodc/base/proc.h"

namespace fodc::target {
namespace {

using std::chrono::nanoseconds;

nanoseconds SinceBoot(std::uint64_t ticks) {
  const std::uint64_t hz = ClockTicksPerSecond();
  return std::chrono::seconds(ticks / hz) +
         nanoseconds(ticks % hz * 1'000'000'000 / hz);
}

double Seconds(nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

BootTicks::BootTicks(std::string proc_root, const Clock& clock)
    : proc_root_(std::move(proc_root)),
      clock_(clock),
      uptime_(proc_root_ + "/uptime") {}

std::uint64_t BootTicks::Now() {
  const std::uint64_t awake =
      BootTicksOf(clock_.Monotonic().time_since_epoch());
  const auto text = uptime_.Read(&buffer_);
  if (!text) return awake;
  const Result<double> uptime = ParseUptimeSeconds(*text);
  if (!uptime.ok()) return awake;
  // A container may be shown an uptime of its own.
  const auto hz = static_cast<double>(ClockTicksPerSecond());
  return std::max(awake, static_cast<std::uint64_t>(*uptime * hz));
}

double BootTicks::AgeSeconds(std::uint64_t start_ticks) const {
  const double started = Seconds(SinceBoot(start_ticks));
  const Result<double> uptime = ReadUptimeSeconds(proc_root_);
  if (uptime.ok() && *uptime >= started) return *uptime - started;
  return std::max(0.0,
                  Seconds(clock_.Monotonic().time_since_epoch()) - started);
}

UnixTime BootTicks::TimeOf(std::uint64_t ticks) const {
  const Result<std::uint64_t> boot = ReadBootTime(proc_root_);
  if (boot.ok()) return StartTime(*boot, ticks);
  return clock_.Unix() -
         (clock_.Monotonic().time_since_epoch() - SinceBoot(ticks));
}

}  // namespace fodc::target
