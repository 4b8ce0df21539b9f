// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/http_request.h"

#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::object_store {

std::string HostOf(std::string_view origin) {
  const bool is_plain = ConsumePrefix(&origin, "http://");
  if (!is_plain) (void)ConsumePrefix(&origin, "https://");
  const std::string_view own_port = is_plain ? ":80" : ":443";
  if (origin.ends_with(own_port)) origin.remove_suffix(own_port.size());
  return std::string(origin);
}

std::string EncodeKey(std::string_view key) {
  std::string out;
  bool is_first = true;
  for (const std::string_view part : Split(key, '/')) {
    if (!std::exchange(is_first, false)) out.push_back('/');
    net::AppendPercentEncoded(part, &out);
  }
  return out;
}

std::string EncodeQuery(const HttpQuery& query) {
  HttpQuery encoded;
  for (const auto& [name, value] : query)
    encoded.emplace_back(net::PercentEncode(name), net::PercentEncode(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) {
    out += StrCat(out.empty() ? "" : "&", name, "=", value);
  }
  return out;
}

}  // namespace fodc::object_store
