// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/sampling.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <numeric>

#include "bpf/records.h"

namespace fodc::kernel {
namespace {

constexpr std::uint32_t kMostEvery = 1u << FODC_MAX_SAMPLE_LOG;
constexpr double kLeaveBelow = 0.75;

}  // namespace

std::uint64_t CountCalls(const TargetReading& reading) {
  std::uint64_t calls = 0;
  const auto add = [&calls](const Failures& failures) {
    calls = std::accumulate(failures.begin(), failures.end(), calls);
  };
  if (reading.read) {
    add(reading.read->failures);
    for (std::size_t i = 0; i < kFileKinds; ++i) {
      calls += reading.read->OfKind(static_cast<FileKind>(i)).latency.Count();
    }
  }
  if (reading.write) {
    add(reading.write->failures);
    for (const CallReading& kind : reading.write->kinds) {
      calls += kind.latency.Count();
    }
  }
  return calls;
}

std::uint32_t SampleEvery(const TelemetryOptions& options,
                          double calls_per_second, bool is_sampled) {
  if (options.sample_above_per_second == 0) return 1;
  const auto above = static_cast<double>(options.sample_above_per_second);
  if (calls_per_second <= (is_sampled ? kLeaveBelow * above : above)) return 1;
  return std::bit_ceil(std::clamp(options.sample_every, 1u, kMostEvery));
}

}  // namespace fodc::kernel
