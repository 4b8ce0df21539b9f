// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/metric.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/exposition/names.h"

namespace fodc::exposition {
namespace {

// The size of the escaped value at the front of `text`, up to the quote that
// ends it; npos if there is none.
std::size_t EscapedSize(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return i;
    if (text[i] == '\n') break;
    if (text[i] != '\\') continue;
    if (++i == text.size()) break;
    if (text[i] != '\\' && text[i] != '"' && text[i] != 'n') break;
  }
  return std::string_view::npos;
}

}  // namespace

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
  std::uint32_t stack[kOnStack];
  std::vector<std::uint32_t> heap;
  std::uint32_t* order = stack;
  if (labels.size() > kOnStack) {
    heap.resize(labels.size());
    order = heap.data();
  }
  std::uint32_t* const end = order + labels.size();
  std::iota(order, end, 0u);
  std::sort(order, end, [labels](std::uint32_t a, std::uint32_t b) {
    return labels[a] < labels[b];
  });
  for (const std::uint32_t* at = order; at != end; ++at) {
    const Label& label = labels[*at];
    if (at != order) *out += ',';
    out->append(label.name);
    *out += "=\"";
    for (const char c : label.value) {
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

bool IsUnit(std::string_view text) {
  return text.empty() || IsMetricName(StrCat("_", text));
}

bool IsCanonicalLabels(std::string_view text) {
  if (!IsValidUtf8(text)) return false;
  std::string_view before;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find('='));
    if (!IsLabelName(name) || name <= before) return false;
    before = name;
    text.remove_prefix(name.size());
    if (!ConsumePrefix(&text, "=\"")) return false;
    const std::size_t n = EscapedSize(text);
    if (n == std::string_view::npos) return false;
    text.remove_prefix(n + 1);
    if (text.empty()) return true;
    if (!ConsumePrefix(&text, ",") || text.empty()) return false;
  }
  return true;
}

}  // namespace fodc::exposition
