// SPDX-License-Identifier: Apache-2.0
// The library's own families, and which of their series are there from the
// start. docs/reference/guard-metrics.md is compared with it by a test.
#pragma once

#include <span>
#include <string_view>

#include "fodc/guard/metrics.h"

namespace fodc::guard {

struct StandardFamily {
  std::string_view name;
  MetricType type;
  std::string_view help;
  // Each "name=value,name=value"; "" is the series without labels. Other
  // series come when their part is made.
  std::span<const std::string_view> series;
};

std::span<const StandardFamily> StandardFamilies();

}  // namespace fodc::guard
