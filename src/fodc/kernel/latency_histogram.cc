// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/latency_histogram.h"

#include <numeric>

#include "bpf/histogram.h"

namespace fodc::kernel {
namespace {

static_assert(LatencyHistogram::kSlots == FODC_HISTOGRAM_SLOTS);
static_assert(LatencyHistogram::kLowestNs ==
              std::uint64_t{1} << FODC_HISTOGRAM_FIRST_OCTAVE);
static_assert(LatencyHistogram::kHighestNs == std::uint64_t{1}
                                                  << FODC_HISTOGRAM_END_OCTAVE);

}  // namespace

std::optional<std::uint64_t> LatencyHistogram::UpperBoundNs(std::size_t slot) {
  if (slot == 0) return kLowestNs;
  if (slot + 1 >= kSlots) return std::nullopt;
  const std::size_t octave = (slot - 1) / kSlotsPerOctave;
  const std::size_t quarter = (slot - 1) % kSlotsPerOctave;
  return (kLowestNs << octave) / kSlotsPerOctave *
         (kSlotsPerOctave + quarter + 1);
}

std::size_t LatencyHistogram::SlotOf(std::uint64_t ns) {
  return fodc_histogram_slot(ns);
}

bool LatencyHistogram::EndsOctave(std::size_t slot) {
  return slot + 1 < kSlots && slot % kSlotsPerOctave == 0;
}

std::uint64_t LatencyHistogram::Count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kSlots; ++i) counts[i] += other.counts[i];
  sum_ns += other.sum_ns;
}

}  // namespace fodc::kernel
