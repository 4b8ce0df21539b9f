// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/shown_family.h"

namespace fodc::exposition {

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

namespace {

std::string_view TypeWord(Format format, MetricType type) {
  const bool is_unknown =
      type == MetricType::kUnknown || type == MetricType::kUntyped;
  return is_unknown && format == Format::kOpenMetrics ? "unknown"
                                                      : MetricTypeName(type);
}

bool NamesUnit(std::string_view name, std::string_view unit) {
  return name.size() > unit.size() + 1 && name.ends_with(unit) &&
         name[name.size() - unit.size() - 1] == '_';
}

}  // namespace

void AppendFamilyHead(std::string* out, Format format, const FamilyHead& head) {
  const bool openmetrics = format == Format::kOpenMetrics;
  if (!head.help.empty()) {
    out->append("# HELP ").append(head.name).push_back(' ');
    for (const char c : head.help) {
      if (c == '\n') {
        out->append("\\n");
        continue;
      }
      if (c == '\\' || (c == '"' && openmetrics)) out->push_back('\\');
      out->push_back(c);
    }
    out->push_back('\n');
  }
  out->append("# TYPE ").append(head.name).push_back(' ');
  out->append(TypeWord(format, head.type)).push_back('\n');
  if (openmetrics && !head.unit.empty() && NamesUnit(head.name, head.unit)) {
    out->append("# UNIT ").append(head.name).push_back(' ');
    out->append(head.unit).push_back('\n');
  }
}

}  // namespace fodc::exposition
