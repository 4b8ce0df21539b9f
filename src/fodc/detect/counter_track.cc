// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/counter_track.h"

#include <cmath>
#include <utility>

namespace fodc::detect {

void CounterTrack::Read(double value, std::int64_t monotonic_ms) {
  if (!(value >= 0) || !std::isfinite(value)) {
    Vanish();
    return;
  }
  if (has_previous_ && monotonic_ms > previous_ms_) {
    growth_.amount += value >= previous_ ? value - previous_ : value;
    growth_.seconds += static_cast<double>(monotonic_ms - previous_ms_) / 1e3;
  }
  has_previous_ = true;
  previous_ = value;
  previous_ms_ = monotonic_ms;
}

std::optional<CounterTrack::Growth> CounterTrack::Take() {
  const Growth growth = std::exchange(growth_, {});
  if (!(growth.seconds > 0)) return std::nullopt;
  return growth;
}

}  // namespace fodc::detect
