// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/metric.h"

#include <algorithm>
#include <vector>

namespace fodc::exposition {

std::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kCounter:
      return "counter";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kGaugeHistogram:
      return "gaugehistogram";
    case MetricType::kInfo:
      return "info";
    case MetricType::kStateSet:
      return "stateset";
    case MetricType::kUnknown:
    case MetricType::kUntyped:
      break;
  }
  return "untyped";
}

void AppendCanonicalLabels(std::string* out, std::span<const Label> labels) {
  constexpr std::size_t kOnStack = 32;
  const Label* stack[kOnStack];
  std::vector<const Label*> heap;
  const Label** sorted = stack;
  if (labels.size() > kOnStack) {
    heap.resize(labels.size());
    sorted = heap.data();
  }
  for (std::size_t i = 0; i < labels.size(); ++i) sorted[i] = &labels[i];
  std::sort(sorted, sorted + labels.size(),
            [](const Label* a, const Label* b) { return *a < *b; });
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) *out += ',';
    out->append(sorted[i]->name);
    *out += "=\"";
    for (const char c : sorted[i]->value) {
      if (c == '\\' || c == '"') {
        *out += '\\';
        *out += c;
      } else if (c == '\n') {
        *out += "\\n";
      } else {
        *out += c;
      }
    }
    *out += '"';
  }
}

}  // namespace fodc::exposition
