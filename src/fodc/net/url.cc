// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/url.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+' && plus_is_blank) {
      out.push_back(' ');
    } else if (c != '%') {
      out.push_back(c);
    } else {
      const int high = i + 1 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return InvalidArgument(StrCat("bad percent encoding at \"",
                                      ToValidUtf8(text.substr(i, 3)), "\""));
      }
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

Result<Query> Query::Parse(std::string_view text) {
  Query query;
  for (const std::string_view pair : Split(text, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    FODC_ASSIGN_OR_RETURN(std::string name,
                          PercentDecode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      FODC_ASSIGN_OR_RETURN(
          value,
          PercentDecode(pair.substr(equals + 1), true).WithContext(name));
    }
    query.params_.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

std::optional<std::string_view> Query::Get(std::string_view name) const {
  const auto it = std::find_if(params_.begin(), params_.end(),
                               [&](const auto& p) { return p.first == name; });
  if (it == params_.end()) return std::nullopt;
  return it->second;
}

std::vector<std::string_view> Query::GetAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : params_) {
    if (key == name) values.emplace_back(value);
  }
  return values;
}

Result<Target> SplitTarget(std::string_view target) {
  std::string_view rest = target;
  if (ConsumePrefix(&rest, "http://") || ConsumePrefix(&rest, "https://")) {
    const std::size_t path = rest.find_first_of("/?");
    rest = path == std::string_view::npos ? std::string_view("/")
                                          : rest.substr(path);
    if (rest[0] == '?') return Target{"/", rest.substr(1)};
  }
  if (rest.empty() || rest[0] != '/') {
    return InvalidArgument("the request target is not a path");
  }
  const std::size_t mark = rest.find('?');
  if (mark == std::string_view::npos) return Target{rest, {}};
  return Target{rest.substr(0, mark), rest.substr(mark + 1)};
}

std::string WithoutUserInfo(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::string_view authority =
      url.substr(host, url.find_first_of("/?#", host) - host);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return StrCat(url.substr(0, host), url.substr(host + at + 1));
}

bool IsLocalhost(std::string_view host) {
  return EqualsIgnoreCase(host, "localhost");
}

std::string CleanPath(std::string_view path) {
  std::vector<std::string_view> kept;
  bool slash_at_end = false;
  for (const std::string_view segment : Split(path, '/')) {
    slash_at_end = segment.empty() || segment == "." || segment == "..";
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(segment);
    }
  }
  std::string out;
  for (const std::string_view segment : kept) {
    out.push_back('/');
    out.append(segment);
  }
  if (out.empty() || slash_at_end) out.push_back('/');
  return out;
}

}  // namespace fodc::net
