// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/lateness.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "edge.h"

namespace fodc::guard {
namespace {

// From a tick of the scheduler to an election time-out, and beyond.
constexpr double kBounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                              0.2,   0.5,   1,     2,    5,    10,   20};

}  // namespace

Result<Starvation> Starvation::Create(std::string_view loop,
                                      Metrics* metrics) noexcept {
  return AtEdge([&]() -> Result<Starvation> {
    if (metrics == nullptr) {
      return InvalidArgument("evidence of starvation needs metrics");
    }
    FODC_ASSIGN_OR_RETURN(
        Histogram * lateness,
        metrics->FindHistogram("fodc_guard_loop_lateness_seconds", kBounds,
                               {{"loop", loop}}));
    FODC_ASSIGN_OR_RETURN(
        Counter * queue_full,
        metrics->FindCounter("fodc_guard_queue_full_total", {{"loop", loop}}));
    return Starvation(lateness, queue_full);
  });
}

void Starvation::OnDue(MonotonicTime due, MonotonicTime now) noexcept {
  const std::chrono::duration<double> late = now - due;
  lateness_->Observe(std::max(late.count(), 0.0));
}

double Starvation::p99_seconds() const noexcept {
  const std::size_t n = lateness_->bounds().size();
  const std::uint64_t all = lateness_->CountUpTo(n);
  if (all == 0) return 0;
  const std::uint64_t need = all - all / 100;
  for (std::size_t i = 0; i < n; ++i) {
    if (lateness_->CountUpTo(i) >= need) return lateness_->bounds()[i];
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace fodc::guard
