// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/url.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What stands for a byte, and how many characters that is: 1 or 3.
struct Encoded {
  std::array<char, 3> text{};
  std::uint8_t size = 0;
};

constexpr std::array<Encoded, 256> kEncoded = [] {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::array<Encoded, 256> all{};
  for (std::size_t b = 0; b < all.size(); ++b) {
    all[b] = {{'%', kDigits[b >> 4], kDigits[b & 15]}, 3};
  }
  for (const char c : kUnreserved) {
    all[static_cast<unsigned char>(c)] = {{c}, 1};
  }
  return all;
}();

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

void AppendPercentEncoded(std::string_view text, std::string* out) {
  // Three characters are written whatever the byte, and the end moves by one or
  // three: no branch to guess wrong on bytes that nobody can foresee.
  std::array<char, 3 * 256> buffer;  // NOLINT: written before it is read
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, buffer.size() / 3);
    std::size_t size = 0;
    for (const char c : piece) {
      const Encoded& e = kEncoded[static_cast<unsigned char>(c)];
      std::memcpy(&buffer[size], e.text.data(), e.text.size());
      size += e.size;
    }
    out->append(buffer.data(), size);
    text.remove_prefix(piece.size());
  }
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  AppendPercentEncoded(text, &out);
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
