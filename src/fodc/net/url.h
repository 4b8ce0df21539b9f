// SPDX-License-Identifier: Apache-2.0
// Request targets: paths and queries as HTTP servers read them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::net {

// %XX decoded, and '+' as a blank if `plus_is_blank`.
// Errors: kInvalidArgument naming the place for a '%' without two digits.
Result<std::string> PercentDecode(std::string_view text,
                                  bool plus_is_blank = false);
// Everything but unreserved characters (RFC 3986) as %XX.
std::string PercentEncode(std::string_view text);
// The same behind what is in `*out`.
void AppendPercentEncoded(std::string_view text, std::string* out);

// The parameters of a query string, in their order.
class Query {
 public:
  Query() = default;
  // `text` without the '?'. Errors: kInvalidArgument for bad percent encoding.
  static Result<Query> Parse(std::string_view text);

  // The first value; absent if there is none (`a` and `a=` give "").
  std::optional<std::string_view> Get(std::string_view name) const;
  // The first value, or "".
  std::string_view GetOr(std::string_view name) const {
    return Get(name).value_or(std::string_view());
  }
  std::vector<std::string_view> GetAll(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const {
    return params_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> params_;
};

// A target split: origin form ("/a?b") or absolute form ("http://h/a?b").
struct Target {
  std::string_view path;   // still encoded; begins with '/'
  std::string_view query;  // without '?'
};
// Errors: kInvalidArgument for any other form.
Result<Target> SplitTarget(std::string_view target);

// A URL without the user and password that may stand before its host: for logs
// and errors.
std::string WithoutUserInfo(std::string_view url);

// "localhost" in any case: 127.0.0.1 on every machine, whatever its /etc/hosts
// or name server says, as RFC 6761 has it.
bool IsLocalhost(std::string_view host);

// Without "//", "/./" and "/../"; a final slash stays.
std::string CleanPath(std::string_view path);

}  // namespace fodc::net
