// SPDX-License-Identifier: Apache-2.0
// Queries, selectors and ranges from anybody.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/byte_range.h"
#include "fodc/api/incident_filter.h"
#include "fodc/api/request_filter.h"
#include "fodc/exposition/selector.h"

namespace fodc::api {
namespace {

void ReadQuery(std::string_view text) {
  const auto query = net::Query::Parse(text);
  if (!query.ok()) return;
  if (const auto filter = NodeFilter::Parse(*query); filter.ok()) {
    const std::map<std::string, std::string> labels = {{"type", "hot"}};
    const bool taken = filter->Takes("ROLE_DATA", "pod", labels);
    if (filter->takes_all() && !taken) std::abort();
  }
  if (const auto window = ParseWindow(*query);
      window.ok() && window->has_value() &&
      (*window)->from_unix_ms > (*window)->to_unix_ms) {
    std::abort();
  }
  if (const auto filter = IncidentFilter::Parse(*query); filter.ok()) {
    if (filter->limit < 1 || filter->limit > IncidentFilter::kMaxLimit) {
      std::abort();
    }
    evidence::Incident incident;
    incident.verdict = "W3";
    incident.started_ms = 1'795'246'273'857;
    const bool taken_open = filter->Takes(incident);
    incident.ended_ms = incident.started_ms;
    const bool taken_ended = filter->Takes(incident);
    if (filter->state == IncidentFilter::State::kOpen && taken_ended) {
      std::abort();
    }
    // What has ended is in no range in which it would not be if it lasted.
    if (filter->state == IncidentFilter::State::kAny && taken_ended &&
        !taken_open) {
      std::abort();
    }
  }
  (void)ParseAt(*query);
  (void)ParseFormat(*query, {"json", "openmetrics"});
}

void ReadSelector(std::string_view text) {
  const auto selector = exposition::Selector::Parse(text);
  if (!selector.ok()) {
    if (selector.status().message().empty()) std::abort();
    return;
  }
  const std::vector<exposition::Label> labels = {{"a", "b"}, {"le", "0.5"}};
  for (const std::string_view name : {"up", "a:b", "x_total"}) {
    if (selector->Matches(name, labels) && !selector->MayMatchName(name)) {
      std::abort();
    }
  }
}

void ReadRange(std::string_view text) {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, UINT64_MAX}) {
    const auto range = ParseByteRange(text, size);
    if (range.ok() && *range &&
        ((*range)->first > (*range)->last || (*range)->last >= size)) {
      std::abort();
    }
  }
}

}  // namespace
}  // namespace fodc::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fodc::api::ReadQuery(text);
  fodc::api::ReadSelector(text);
  fodc::api::ReadRange(text);
  return 0;
}
