// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/request_filter.h"

#include <cmath>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::api {
namespace {

constexpr std::string_view kDataRole = "ROLE_DATA";
constexpr std::string_view kLiaisonRole = "ROLE_LIAISON";

bool IsTier(std::string_view type) {
  return type == "hot" || type == "warm" || type == "cold";
}

Result<std::optional<std::int64_t>> ParseInstant(const net::Query& query,
                                                 std::string_view parameter) {
  const auto text = query.Get(parameter);
  if (!text || text->empty()) return std::optional<std::int64_t>();
  // Up to the year 2261, as UnixTime has it.
  if (const auto seconds = ParseDouble(*text);
      seconds && std::abs(*seconds) < 9.2e9) {
    return std::optional<std::int64_t>(
        static_cast<std::int64_t>(std::floor(*seconds * 1000.0 + 0.5)));
  }
  // An offset whose + was not escaped.
  constexpr std::size_t kOffsetBytes = 6;
  std::string date(*text);
  if (date.size() > kOffsetBytes && date[date.size() - kOffsetBytes] == ' ') {
    date[date.size() - kOffsetBytes] = '+';
  }
  const auto time = ParseRfc3339(date);
  if (!time.ok()) {
    return InvalidArgument(StrCat("Invalid ", parameter,
                                  " format: ", time.status().message(),
                                  ", nor seconds since 1970"));
  }
  return std::optional<std::int64_t>(ToUnixMillis(*time));
}

}  // namespace

Result<NodeFilter> NodeFilter::Parse(const net::Query& query) {
  NodeFilter filter;
  filter.role_ = query.GetOr("role");
  filter.pod_name_ = query.GetOr("pod_name");
  const std::string word = ToLower(filter.role_);
  std::string_view type = word;
  FODC_RETURN_IF_ERROR(CheckRoleWord(filter.role_));
  if (word == "liaison") {
    filter.role_ = kLiaisonRole;
  } else if (word == "datanode" || word == "data") {
    filter.role_ = kDataRole;
  } else if ((ConsumePrefix(&type, "datanode-") ||
              ConsumePrefix(&type, "data-")) &&
             IsTier(type)) {
    filter.role_ = kDataRole;
    filter.type_label_ = type;
  }
  return filter;
}

Status CheckRoleWord(std::string_view role) {
  const std::string word = ToLower(role);
  std::string_view type = word;
  if (!ConsumePrefix(&type, "datanode-") || IsTier(type)) return OkStatus();
  return InvalidArgument(
      StrCat("unknown role \"", role,
             "\"; there are: datanode-hot, datanode-warm, datanode-cold"));
}

Status CheckMatch(const net::Query& query, bool takes_match) {
  if (!takes_match && (query.Get("match") || query.Get("match[]"))) {
    return InvalidArgument(
        "/metrics has all series: for some of them ask "
        "/metrics-windows?format=openmetrics&match[]=..., without times for "
        "the newest ones, or fodcctl metrics --match");
  }
  if (query.Get("match")) {
    return InvalidArgument("unknown parameter match; selectors are match[]");
  }
  return OkStatus();
}

bool NodeFilter::Takes(std::string_view role, std::string_view pod_name,
                       const std::map<std::string, std::string>& labels) const {
  if (!role_.empty() && !EqualsIgnoreCase(role_, role)) return false;
  if (!pod_name_.empty() && (exact_ ? pod_name_ != pod_name
                                    : !EqualsIgnoreCase(pod_name_, pod_name))) {
    return false;
  }
  if (type_label_.empty()) return true;
  const auto type = labels.find("type");
  return type != labels.end() && EqualsIgnoreCase(type->second, type_label_);
}

Result<TimeRange> ParseTimeRange(const net::Query& query) {
  FODC_ASSIGN_OR_RETURN(const auto from, ParseInstant(query, "start_time"));
  FODC_ASSIGN_OR_RETURN(const auto to, ParseInstant(query, "end_time"));
  if (from && to && *from > *to) {
    return InvalidArgument(StrCat("start_time ", query.GetOr("start_time"),
                                  " is after end_time ",
                                  query.GetOr("end_time")));
  }
  return TimeRange{from, to};
}

Result<std::optional<Window>> ParseWindow(const net::Query& query) {
  FODC_ASSIGN_OR_RETURN(const TimeRange range, ParseTimeRange(query));
  if (!range.from_unix_ms || !range.to_unix_ms) return std::optional<Window>();
  return std::optional<Window>(Window{*range.from_unix_ms, *range.to_unix_ms});
}

Result<std::optional<std::int64_t>> ParseAt(const net::Query& query) {
  const auto text = query.Get("at");
  if (text && text->empty()) {
    return InvalidArgument(
        "Invalid at format: a time is missing, RFC 3339 or seconds");
  }
  return ParseInstant(query, "at");
}

Result<std::string_view> ParseFormat(
    const net::Query& query, std::initializer_list<std::string_view> allowed) {
  const auto format = query.Get("format");
  if (!format || format->empty()) return *allowed.begin();
  std::string list;
  for (const std::string_view a : allowed) {
    if (*format == a) return a;
    list += list.empty() ? "" : ", ";
    list += a;
  }
  return InvalidArgument(
      StrCat("unknown format \"", *format, "\"; there are: ", list));
}

}  // namespace fodc::api
