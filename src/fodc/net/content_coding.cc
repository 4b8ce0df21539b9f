// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/content_coding.h"

#include <array>
#include <cstddef>

#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

// q in thousandths for each coding, by RFC 9110 section 12.4.2.
struct Weights {
  std::array<int, 3> q{-1, -1, -1};  // -1: not named
};

// "0", "0.5", "1.000". -1 for anything else.
int ParseWeight(std::string_view text) {
  if (text.empty() || text.size() > 5) return -1;
  if (text[0] != '0' && text[0] != '1') return -1;
  int value = (text[0] - '0') * 1000;
  if (text.size() == 1) return value;
  if (text[1] != '.') return -1;
  int unit = 100;
  for (const char c : text.substr(2)) {
    if (c < '0' || c > '9') return -1;
    value += (c - '0') * unit;
    unit /= 10;
  }
  return value <= 1000 ? value : -1;
}

Weights Parse(std::string_view header) {
  Weights w;
  int any = -1;
  for (const std::string_view element : Split(header, ',')) {
    int q = 1000;
    const std::vector<std::string_view> parts = Split(element, ';');
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::string_view p = Trim(parts[i]);
      if (p.size() >= 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {
        q = ParseWeight(p.substr(2));
      }
    }
    if (q < 0) continue;
    const std::string_view name = Trim(parts[0]);
    if (name == "*") {
      any = q;
    } else if (EqualsIgnoreCase(name, "identity")) {
      w.q[0] = q;
    } else if (EqualsIgnoreCase(name, "gzip") ||
               EqualsIgnoreCase(name, "x-gzip")) {
      w.q[1] = q;
    } else if (EqualsIgnoreCase(name, "zstd")) {
      w.q[2] = q;
    }
  }
  for (const std::size_t i : {0u, 1u}) {
    if (w.q[i] < 0 && any >= 0) w.q[i] = any;
  }
  return w;
}

}  // namespace

std::string_view ContentCodingName(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kIdentity:
      return "identity";
    case ContentCoding::kGzip:
      return "gzip";
    case ContentCoding::kZstd:
      return "zstd";
  }
  return "identity";
}

ContentCoding NegotiateCoding(std::string_view accept_encoding) {
  const Weights w = Parse(accept_encoding);
  ContentCoding best = ContentCoding::kIdentity;
  int best_q = 0;
  for (const ContentCoding c :
       {ContentCoding::kZstd, ContentCoding::kGzip, ContentCoding::kIdentity}) {
    const int q = w.q[static_cast<std::size_t>(c)];
    if (q > best_q) {
      best = c;
      best_q = q;
    }
  }
  return best;
}

bool AcceptsCoding(std::string_view accept_encoding, ContentCoding coding) {
  return coding == ContentCoding::kIdentity ||
         Parse(accept_encoding).q[static_cast<std::size_t>(coding)] > 0;
}

}  // namespace fodc::net
