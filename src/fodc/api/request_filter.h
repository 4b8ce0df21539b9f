// SPDX-License-Identifier: Apache-2.0
// The parameters that the routes share: which nodes, which instants.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/net/url.h"

namespace fodc::api {

// `role` and `pod_name`; both must hold, an absent or empty one takes all.
// Case does not count. A role is a name of the database ("ROLE_DATA") or one
// of the design's words: "liaison", "datanode" (or "data"), and "datanode-hot",
// "-warm", "-cold" (or "data-hot", ...) for a data node with that label `type`.
class NodeFilter {
 public:
  NodeFilter() = default;
  // Errors: those of CheckRoleWord.
  static Result<NodeFilter> Parse(const net::Query& query);

  bool Takes(std::string_view role, std::string_view pod_name,
             const std::map<std::string, std::string>& labels) const;
  const std::string& pod_name() const { return pod_name_; }
  // There is a pod of exactly that name: case counts.
  void TakeExactPodName() { exact_ = true; }
  bool takes_all() const { return role_.empty() && pod_name_.empty(); }

 private:
  std::string role_;
  std::string type_label_;  // empty: whatever
  std::string pod_name_;
  bool exact_ = false;
};

// Errors: kInvalidArgument for a kind of data node that the design has no word
// for. Any other text is the role of some database.
Status CheckRoleWord(std::string_view role);

// That `match[]` stands where it is taken: a reader who believes that series
// were chosen must not get all of them.
// Errors: kInvalidArgument for `match` without brackets, and for `match[]`
// unless `takes_match`; it says what to ask instead.
Status CheckMatch(const net::Query& query, bool takes_match);

// Inclusive, milliseconds since the Unix epoch.
struct Window {
  std::int64_t from_unix_ms = 0;
  std::int64_t to_unix_ms = 0;
};

// A time is RFC 3339 (with a blank for the + of an offset, too, for that is
// what an unescaped one becomes), or seconds since the Unix epoch, with or
// without a fraction.

// Both ends inclusive; one that is absent is no bound.
struct TimeRange {
  std::optional<std::int64_t> from_unix_ms;
  std::optional<std::int64_t> to_unix_ms;
};

// `start_time` and `end_time`, each by itself.
// Errors: kInvalidArgument "Invalid start_time format: ...", "Invalid end_time
// format: ...", or naming both when the start is after the end.
Result<TimeRange> ParseTimeRange(const net::Query& query);

// The same. Each is checked whenever it is there; nothing unless both are.
Result<std::optional<Window>> ParseWindow(const net::Query& query);

// `at`, in milliseconds since the epoch. Nothing if it is not there.
// Errors: kInvalidArgument "Invalid at format: ...", for empty text, too.
Result<std::optional<std::int64_t>> ParseAt(const net::Query& query);

// `format`: one of `allowed`, the first if absent.
// Errors: kInvalidArgument naming what there is.
Result<std::string_view> ParseFormat(
    const net::Query& query, std::initializer_list<std::string_view> allowed);

}  // namespace fodc::api
