// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/router.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

bool IsPlaceholder(std::string_view segment) {
  return segment.size() >= 2 && segment.front() == '{' &&
         segment.find('}') != segment.npos;
}

// What must stand behind a placeholder's value: ".x" of "{id}.x".
std::string_view Suffix(std::string_view placeholder) {
  return placeholder.substr(placeholder.find('}') + 1);
}

bool Fits(std::string_view pattern, std::string_view segment) {
  if (!IsPlaceholder(pattern)) return pattern == segment;
  const std::string_view suffix = Suffix(pattern);
  return segment.size() > suffix.size() && segment.ends_with(suffix);
}

bool SameShape(const std::vector<std::string>& a,
               const std::vector<std::string>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const std::string& x, const std::string& y) {
                      return x == y || (IsPlaceholder(x) && IsPlaceholder(y) &&
                                        Suffix(x) == Suffix(y));
                    });
}

// Exact segments go first, then longer suffixes, from the left.
bool Before(const std::vector<std::string>& a,
            const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (IsPlaceholder(a[i]) != IsPlaceholder(b[i])) return IsPlaceholder(b[i]);
    if (!IsPlaceholder(a[i])) continue;
    const std::size_t x = Suffix(a[i]).size();
    const std::size_t y = Suffix(b[i]).size();
    if (x != y) return x > y;
  }
  return false;
}

}  // namespace

void Router::Add(HttpServer::RouteInfo info, HttpHandler handler) {
  FODC_CHECK(!info.pattern.empty() && info.pattern[0] == '/');
  auto added = std::make_unique<Entry>();
  Entry& entry = *added;
  for (const std::string_view s :
       Split(std::string_view(info.pattern).substr(1), '/')) {
    entry.segments.emplace_back(s);
  }
  for (const auto& e : entries_) {
    FODC_CHECK(e->info.method != info.method ||
               !SameShape(e->segments, entry.segments));
  }
  infos_.push_back(info);
  entry.info = std::move(info);
  entry.handler = std::move(handler);
  const auto at = std::find_if(
      entries_.begin(), entries_.end(),
      [&](const auto& e) { return Before(entry.segments, e->segments); });
  entries_.insert(at, std::move(added));
}

Result<Router::Match> Router::Find(std::string_view method,
                                   std::string_view path) const {
  std::vector<std::string> segments;
  if (!path.empty()) path.remove_prefix(1);
  for (const std::string_view s : Split(path, '/')) {
    FODC_ASSIGN_OR_RETURN(std::string decoded, PercentDecode(s));
    segments.push_back(std::move(decoded));
  }
  Match match;
  for (const auto& entry : entries_) {
    const Entry& e = *entry;
    const bool fits = std::equal(e.segments.begin(), e.segments.end(),
                                 segments.begin(), segments.end(), Fits);
    if (!fits) continue;
    match.path_known = true;
    if (e.info.method != method) continue;
    match.entry = &e;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (IsPlaceholder(e.segments[i])) {
        std::string& value = segments[i];
        value.resize(value.size() - Suffix(e.segments[i]).size());
        match.path_values.push_back(std::move(value));
      }
    }
    break;
  }
  return match;
}

}  // namespace fodc::net
