// SPDX-License-Identifier: Apache-2.0
// What the handle of C stands for.
#pragma once

#include <memory>

#include "fodc/guard/c/metrics.h"
#include "fodc/guard/metrics.h"

struct fodc_guard_metrics {
  std::unique_ptr<fodc::guard::Metrics> metrics;
};

namespace fodc::guard {

// Null for null.
inline Metrics* MetricsOf(const fodc_guard_metrics* handle) {
  return handle != nullptr ? handle->metrics.get() : nullptr;
}

}  // namespace fodc::guard
