// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/user_info.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::program {
namespace {

// Where a URL begins: at the start, and behind a comma with a scheme.
bool BeginsUrl(std::string_view text) {
  const std::size_t scheme = text.find("://");
  return scheme != std::string_view::npos && scheme > 0 &&
         std::all_of(text.begin(), text.begin() + scheme, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

}  // namespace

std::string MaskUserInfo(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t end = text.find(',');
    while (end != std::string_view::npos && !BeginsUrl(text.substr(end + 1)))
      end = text.find(',', end + 1);
    const std::string_view url = text.substr(0, end);
    const std::size_t scheme = url.find("://");
    const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
    const std::size_t at = url.rfind('@');
    if (at == std::string_view::npos || at < host) {
      out += url;
    } else {
      out += StrCat(url.substr(0, host), "***", url.substr(at));
    }
    if (end == std::string_view::npos) break;
    out += ',';
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string MaskUserInfoInText(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return out += text;
    const std::size_t host = scheme + 3;
    const std::string_view url =
        text.substr(host, text.find_first_of(" \"\n", host) - host);
    const std::size_t at = url.rfind('@');
    out += text.substr(0, host);
    if (at != std::string_view::npos) out += "***";
    text.remove_prefix(host + (at == std::string_view::npos ? 0 : at));
  }
}

}  // namespace fodc::program
