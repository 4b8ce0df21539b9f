// SPDX-License-Identifier: Apache-2.0
// What /incidents is asked for, beside the nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "fodc/api/request_filter.h"
#include "fodc/base/status.h"
#include "fodc/evidence/incident.h"
#include "fodc/net/url.h"

namespace fodc::api {

struct IncidentFilter {
  enum class State : std::uint8_t { kAny, kOpen, kEnded };

  static constexpr std::size_t kDefaultLimit = 100;
  static constexpr std::size_t kMaxLimit = 1000;

  std::string verdict;  // case does not count; empty: any
  State state = State::kAny;
  TimeRange range;  // in which it lasted, at least in part
  std::size_t limit = kDefaultLimit;

  // `verdict`, `state` ("open" or "ended"), `start_time` and `end_time` (each
  // counts by itself), `limit`; an absent or empty one takes all that there is.
  // Errors: kInvalidArgument naming the parameter.
  static Result<IncidentFilter> Parse(const net::Query& query);

  // All but the limit. An open one lasts until it is heard to have ended.
  bool Takes(const evidence::Incident& incident) const;
};

}  // namespace fodc::api
