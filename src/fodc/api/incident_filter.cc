// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/incident_filter.h"

#include "fodc/base/strings.h"

namespace fodc::api {

Result<IncidentFilter> IncidentFilter::Parse(const net::Query& query) {
  IncidentFilter filter;
  filter.verdict = query.GetOr("verdict");
  const std::string_view state = query.GetOr("state");
  if (state == "open") {
    filter.state = State::kOpen;
  } else if (state == "ended") {
    filter.state = State::kEnded;
  } else if (!state.empty()) {
    return InvalidArgument(
        StrCat("unknown state \"", state, "\"; there are: open, ended"));
  }
  FODC_ASSIGN_OR_RETURN(filter.range, ParseTimeRange(query));
  if (const std::string_view text = query.GetOr("limit"); !text.empty()) {
    const auto limit = ParseUint(text);
    if (!limit || *limit < 1 || *limit > kMaxLimit) {
      return InvalidArgument(StrCat("Invalid limit \"", text,
                                    "\"; want a number from 1 to ", kMaxLimit));
    }
    filter.limit = *limit;
  }
  return filter;
}

bool IncidentFilter::Takes(const evidence::Incident& incident) const {
  if (!verdict.empty() && !EqualsIgnoreCase(verdict, incident.verdict)) {
    return false;
  }
  if (state != State::kAny && (state == State::kOpen) != incident.is_open()) {
    return false;
  }
  const bool begins_later =
      range.to_unix_ms && incident.started_ms > *range.to_unix_ms;
  const bool ended_before = range.from_unix_ms && !incident.is_open() &&
                            incident.ended_ms < *range.from_unix_ms;
  return !begins_later && !ended_before;
}

}  // namespace fodc::api
