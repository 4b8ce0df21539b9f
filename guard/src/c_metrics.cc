// SPDX-License-Identifier: Apache-2.0
#include "c_metrics.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "c_status.h"
#include "fodc/base/strings.h"

using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::MetricLabel;
using fodc::guard::Metrics;
using fodc::guard::MetricType;
using fodc::guard::MetricVisitor;

namespace {

static_assert(static_cast<int>(MetricType::kCounter) == FODC_GUARD_COUNTER);
static_assert(static_cast<int>(MetricType::kGauge) == FODC_GUARD_GAUGE);
static_assert(static_cast<int>(MetricType::kHistogram) == FODC_GUARD_HISTOGRAM);

// Texts with a zero behind them.
class CVisitor final : public MetricVisitor {
 public:
  CVisitor(const fodc_guard_metric_visitor& to, void* user)
      : to_(to), user_(user) {}

  void Family(std::string_view name, std::string_view help,
              MetricType type) override {
    if (to_.family == nullptr) return;
    to_.family(user_, std::string(name).c_str(), std::string(help).c_str(),
               static_cast<int>(type));
  }
  void Sample(std::string_view name, std::span<const MetricLabel> labels,
              double value) override {
    if (to_.sample == nullptr) return;
    std::vector<std::string> texts;
    texts.reserve(2 * labels.size());
    std::vector<fodc_guard_label> given;
    for (const MetricLabel& l : labels) {
      const std::string& label = texts.emplace_back(l.name);
      given.push_back({label.c_str(), texts.emplace_back(l.value).c_str()});
    }
    to_.sample(user_, std::string(name).c_str(), given.data(), given.size(),
               value);
  }

 private:
  const fodc_guard_metric_visitor& to_;
  void* const user_;
};

}  // namespace

int fodc_guard_metrics_create(fodc_guard_metrics** out) {
  return AtCEdge([&]() -> Status {
    if (out == nullptr) return InvalidArgument("out is null");
    *out = nullptr;
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<Metrics> metrics, Metrics::Create());
    *out = new fodc_guard_metrics{std::move(metrics)};
    return OkStatus();
  });
}

void fodc_guard_metrics_destroy(fodc_guard_metrics* metrics) { delete metrics; }

int fodc_guard_metrics_text(const fodc_guard_metrics* metrics, char* buffer,
                            size_t size, size_t* length) {
  return AtCEdge([&]() -> Status {
    if (metrics == nullptr || length == nullptr) {
      return InvalidArgument("metrics or length is null");
    }
    std::string page;
    FODC_RETURN_IF_ERROR(metrics->metrics->AppendTextPage(&page));
    *length = page.size();
    if (buffer == nullptr || size <= page.size()) {
      return fodc::OutOfRange(
          fodc::StrCat("the page has ", page.size(), " bytes, and a zero"));
    }
    page.copy(buffer, page.size());
    buffer[page.size()] = '\0';
    return OkStatus();
  });
}

int fodc_guard_metrics_visit(const fodc_guard_metrics* metrics,
                             const fodc_guard_metric_visitor* visitor,
                             void* user) {
  return AtCEdge([&]() -> Status {
    if (metrics == nullptr || visitor == nullptr) {
      return InvalidArgument("metrics or visitor is null");
    }
    CVisitor to(*visitor, user);
    metrics->metrics->Visit(&to);
    return OkStatus();
  });
}
