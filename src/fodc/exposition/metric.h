// SPDX-License-Identifier: Apache-2.0
// The words of Prometheus that every room shares: label, type, series key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fodc::exposition {

// As a TYPE line names it. A hint only: BanyanDB declares cumulative series as
// gauges. kUnknown: no TYPE line at all, or OpenMetrics' "unknown".
enum class MetricType : std::uint8_t {
  kUnknown = 0,
  kGauge = 1,
  kCounter = 2,
  kHistogram = 3,
  kSummary = 4,
  kUntyped = 5,  // a TYPE line that says "untyped"
  kGaugeHistogram = 6,
  kInfo = 7,
  kStateSet = 8,
};

// "gauge", "counter", ... in the words of text 0.0.4 ("untyped" for kUnknown).
std::string_view MetricTypeName(MetricType type);

// One label, unescaped. The views must outlive the use.
struct Label {
  std::string_view name;
  std::string_view value;

  friend bool operator==(const Label&, const Label&) = default;
  friend auto operator<=>(const Label&, const Label&) = default;
};

// What one series is: its own name (with _bucket, _sum, ...), its labels in any
// order, and what the page said of its family. The views must outlive the use.
struct SeriesDesc {
  std::string_view name;
  std::span<const Label> labels;
  std::string_view family;  // "x" for "x_bucket"; equal to `name` if unknown
  MetricType type = MetricType::kUnknown;
  std::string_view help;  // unescaped; empty if the page has none
  std::string_view unit;  // OpenMetrics; empty if the page has none
};

// Appends `a="x",b="y"`: sorted by name, values escaped (\\, \", \n). This text
// is the identity of a label set: equal sets give equal text.
void AppendCanonicalLabels(std::string* out, std::span<const Label> labels);

// For text that comes from elsewhere and is written into pages as it is.
// [a-zA-Z0-9_:]*, which may be empty
bool IsUnit(std::string_view text);
// Whether AppendCanonicalLabels could have written it: legal names, strictly
// ascending; values escaped, in UTF-8.
bool IsCanonicalLabels(std::string_view text);

}  // namespace fodc::exposition
