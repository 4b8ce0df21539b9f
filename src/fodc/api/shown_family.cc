// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/shown_family.h"

namespace fodc::api {

using exposition::MetricType;

bool HasComponents(MetricType type) {
  return type == MetricType::kHistogram || type == MetricType::kSummary ||
         type == MetricType::kGaugeHistogram;
}

std::string_view WithoutComponentSuffix(std::string_view name) {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return {};
}

ShownFamily FamilyInText(std::string_view name, std::string_view family,
                         MetricType type) {
  switch (type) {
    case MetricType::kHistogram:
    case MetricType::kSummary:
      // A quantile has the family's own name; a histogram's parts never have.
      if (name.ends_with("_created")) return {name, MetricType::kGauge};
      if (name == family && type == MetricType::kHistogram) {
        return {family, MetricType::kUntyped};
      }
      return {family, type};
    case MetricType::kGaugeHistogram:
      return {name, MetricType::kUntyped};
    case MetricType::kCounter:
      return {name, name.ends_with("_created") ? MetricType::kGauge : type};
    case MetricType::kInfo:
    case MetricType::kStateSet:
      return {name, MetricType::kGauge};
    case MetricType::kGauge:
    case MetricType::kUntyped:
      return {name, type};
    case MetricType::kUnknown:
      break;
  }
  return {family, type};
}

ShownFamily FamilyInOpenMetrics(std::string_view name, std::string_view family,
                                MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      if (name.ends_with("_total")) {
        return {name.substr(0, name.size() - 6), type};
      }
      return {family, family == name ? MetricType::kUnknown : type};
    case MetricType::kHistogram:
      return {family, family == name ? MetricType::kUnknown : type};
    case MetricType::kUntyped:
      return {family, MetricType::kUnknown};
    default:
      return {family, type};
  }
}

std::string_view TypeWordInText(MetricType type) {
  return exposition::MetricTypeName(type);
}

std::string_view TypeWordInOpenMetrics(MetricType type) {
  return type == MetricType::kUnknown || type == MetricType::kUntyped
             ? "unknown"
             : exposition::MetricTypeName(type);
}

}  // namespace fodc::api
