// SPDX-License-Identifier: Apache-2.0
#include "c_metrics.h"

#include <string>
#include <utility>

#include "c_status.h"
#include "fodc/base/strings.h"

using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::Metrics;

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
