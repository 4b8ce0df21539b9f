// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/http_date.h"

#include <ctime>

namespace fodc::object_store {
namespace {

// No program of ours sets a locale: the names are English.
constexpr char kFormat[] = "%a, %d %b %Y %H:%M:%S GMT";

}  // namespace

std::string FormatHttpDate(UnixTime at) {
  const std::time_t t =
      std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  std::tm parts{};
  (void)::gmtime_r(&t, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, kFormat, &parts)};
}

std::optional<UnixTime> ParseHttpDate(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* const end = ::strptime(copy.c_str(), kFormat, &parts);
  if (end == nullptr || *end != '\0') return {};
  // UnixTime holds nanoseconds since 1970 and ends in April 2262.
  if (parts.tm_year < 1970 - 1900 || parts.tm_year > 2261 - 1900) return {};
  const UnixTime at{std::chrono::seconds(::timegm(&parts))};
  // A weekday that is another's, or a 31st of June.
  if (FormatHttpDate(at) != copy) return {};
  return at;
}

}  // namespace fodc::object_store
