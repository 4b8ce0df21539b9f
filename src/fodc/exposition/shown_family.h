// SPDX-License-Identifier: Apache-2.0
// Under which family and type a series stands on a page of either format,
// whichever format its source speaks, and the lines above its samples.
#pragma once

#include <string>
#include <string_view>

#include "fodc/exposition/format.h"
#include "fodc/exposition/metric.h"

namespace fodc::exposition {

struct ShownFamily {
  std::string_view name;  // a part of the series' own texts
  MetricType type = MetricType::kUnknown;
};

// Whether a family of this type has series of several names: buckets, sums.
bool HasComponents(MetricType type);
// "x" of x_bucket, x_sum, x_count; else empty.
std::string_view WithoutComponentSuffix(std::string_view name);

// Text 0.0.4 has counters, gauges, histograms and summaries. OpenMetrics' other
// samples (x_total of a counter x, x_info, x_created) are families of their
// own, of the type that is nearest to what they are.
ShownFamily FamilyInText(std::string_view name, std::string_view family,
                         MetricType type);
// OpenMetrics 1.0: x_total is a sample of the counter x, and a counter of any
// other name is none.
ShownFamily FamilyInOpenMetrics(std::string_view name, std::string_view family,
                                MetricType type);

// What the lines above a family's samples say of it.
struct FamilyHead {
  std::string_view name;
  MetricType type = MetricType::kUnknown;
  std::string_view help;  // unescaped; may be empty
  std::string_view unit;  // may be empty
};

// HELP, if there is one, TYPE, and UNIT where OpenMetrics allows it: if the
// family's name ends in it.
void AppendFamilyHead(std::string* out, Format format, const FamilyHead& head);

}  // namespace fodc::exposition
