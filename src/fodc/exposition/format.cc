// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/format.h"

#include "fodc/base/strings.h"

namespace fodc::exposition {
namespace {

constexpr std::string_view kOpenMetricsType = "application/openmetrics-text";

// The part before the first ';', without blanks.
std::string_view MediaType(std::string_view text) {
  return Trim(text.substr(0, text.find(';')));
}

// The q parameter of one element of an Accept header; 1 if it has none.
double Weight(std::string_view element) {
  for (const std::string_view part : Split(element, ';')) {
    std::string_view text = Trim(part);
    if (ConsumePrefix(&text, "q=") || ConsumePrefix(&text, "Q=")) {
      return ParseDouble(text).value_or(0);
    }
  }
  return 1;
}

}  // namespace

std::string_view ContentType(Format format) {
  return format == Format::kText
             ? "text/plain; version=0.0.4; charset=utf-8"
             : "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

std::optional<Format> FormatOfContentType(std::string_view content_type) {
  const std::string_view type = MediaType(content_type);
  if (type.empty() || EqualsIgnoreCase(type, "text/plain")) {
    return Format::kText;
  }
  if (EqualsIgnoreCase(type, kOpenMetricsType)) return Format::kOpenMetrics;
  return {};
}

Format NegotiateFormat(std::string_view accept) {
  double openmetrics = 0;
  double text = 0;
  for (const std::string_view element : Split(accept, ',')) {
    const std::string_view type = MediaType(element);
    if (EqualsIgnoreCase(type, kOpenMetricsType)) openmetrics = Weight(element);
    if (EqualsIgnoreCase(type, "text/plain")) text = Weight(element);
  }
  return openmetrics > 0 && openmetrics >= text ? Format::kOpenMetrics
                                                : Format::kText;
}

}  // namespace fodc::exposition
