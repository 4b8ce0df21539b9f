// SPDX-License-Identifier: Apache-2.0
// Under which family and type a series stands on a page of either format,
// whichever format its source speaks.
#pragma once

#include <string_view>

#include "fodc/exposition/metric.h"

namespace fodc::api {

struct ShownFamily {
  std::string_view name;  // a part of the series' own texts
  exposition::MetricType type = exposition::MetricType::kUnknown;
};

// Whether a family of this type has series of several names: buckets, sums.
bool HasComponents(exposition::MetricType type);
// "x" of x_bucket, x_sum, x_count; else empty.
std::string_view WithoutComponentSuffix(std::string_view name);

// Text 0.0.4 has counters, gauges, histograms and summaries. OpenMetrics' other
// samples (x_total of a counter x, x_info, x_created) are families of their
// own, of the type that is nearest to what they are.
ShownFamily FamilyInText(std::string_view name, std::string_view family,
                         exposition::MetricType type);
// OpenMetrics 1.0: x_total is a sample of the counter x, and a counter of any
// other name is none.
ShownFamily FamilyInOpenMetrics(std::string_view name, std::string_view family,
                                exposition::MetricType type);

// As TYPE lines say it.
std::string_view TypeWordInText(exposition::MetricType type);
std::string_view TypeWordInOpenMetrics(exposition::MetricType type);

}  // namespace fodc::api
