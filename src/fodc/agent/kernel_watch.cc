// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/kernel_watch.h"

#include <chrono>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/telemetry.h"

namespace fodc::agent {
namespace {

using std::chrono::milliseconds;

kernel::TelemetryOptions TelemetryOptionsOf(const Options& options,
                                            std::size_t targets) {
  kernel::TelemetryOptions t;
  t.max_targets = targets;
  t.cgroup_path = options.ktm_cgroup_path;
  t.sample_above_per_second =
      static_cast<std::uint64_t>(options.ktm_sample_above);
  t.sample_every = static_cast<std::uint32_t>(options.ktm_sample_every);
  return t;
}

// Null without an interval to read it at.
std::unique_ptr<kernel::Telemetry> MakeTelemetry(const Options& options,
                                                 KtmMode mode,
                                                 std::size_t targets,
                                                 const Clock& clock,
                                                 std::string* problem) {
  if (options.ktm_interval.count() <= 0) {
    LogWarn("kernel telemetry does not start: its interval is not positive",
            {{"ktm_interval", FormatGoDuration(options.ktm_interval)}});
    *problem = "--ktm-interval is not positive";
    return nullptr;
  }
  const Status may = kernel::SystemKernel().MayLoad();
  if (!may.ok()) *problem = may.message();
  if (!may.ok() && mode == KtmMode::kOn) {
    LogWarn("kernel telemetry is not permitted; see fodc-agent doctor",
            {{"error", may.message()}});
  } else if (!may.ok()) {
    LogInfo("there is no kernel telemetry; see fodc-agent doctor",
            {{"reason", may.message()}});
  }
  return kernel::Telemetry::Create(TelemetryOptionsOf(options, targets), clock);
}

collect::KernelReader::Options ReaderOptionsOf(const Options& options) {
  collect::KernelReader::Options o;
  o.fine_buckets = options.ktm_fine_buckets;
  if (options.ktm_interval.count() > 0) o.interval = options.ktm_interval;
  return o;
}

}  // namespace

std::unique_ptr<KernelWatch> KernelWatch::Create(
    const Options& options, KtmMode mode, const detect::Options& bounds,
    detect::SignalMap signals, const collect::Targets& targets,
    net::EventLoop& loop, recorder::Recording& recording,
    evidence::IncidentList& incidents) {
  if (mode == KtmMode::kOff) return nullptr;
  return std::unique_ptr<KernelWatch>(
      new KernelWatch(options, mode, bounds, std::move(signals), targets, loop,
                      recording, incidents));
}

KernelWatch::KernelWatch(const Options& options, KtmMode mode,
                         const detect::Options& bounds,
                         detect::SignalMap signals,
                         const collect::Targets& targets, net::EventLoop& loop,
                         recorder::Recording& recording,
                         evidence::IncidentList& incidents)
    : loop_(loop),
      reader_(MakeTelemetry(options, mode, targets.table().rows().size(),
                            loop.clock(), &problem_),
              "bad_interval", ReaderOptionsOf(options), targets, loop,
              recording),
      slow_reads_(bounds, std::move(signals), targets, recording, incidents) {
  reader_.set_on_recorded([this] { OnRead(); });
}

void KernelWatch::OnRead() {
  slow_reads_.OnAppended();
  if (on_recorded_) on_recorded_();
  slow_reads_.RecordStates(
      {.monotonic_ms = std::chrono::duration_cast<milliseconds>(
                           loop_.clock().Monotonic().time_since_epoch())
                           .count(),
       .unix_ms = ToUnixMillis(loop_.clock().Unix())});
  if (on_recorded_) on_recorded_();
}

}  // namespace fodc::agent
