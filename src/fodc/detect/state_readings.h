// SPDX-License-Identifier: Apache-2.0
// The state of the detector as series of a recording.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/detect/target_watch.h"
#include "fodc/exposition/metric.h"

namespace fodc::detect {

// One series. The views live for ever.
struct StateReading {
  std::string_view name;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string_view help;
  std::vector<std::pair<std::string, std::string>> labels;
};

// Of one target: always the same series in the same order, whatever its state.
std::vector<StateReading> DescribeState(const std::string& target);
// Their values. Absent is what is not known.
std::vector<std::optional<double>> ReadState(const TargetState& state);

}  // namespace fodc::detect
