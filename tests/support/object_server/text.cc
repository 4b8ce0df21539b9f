// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/text.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "fodc/base/strings.h"

namespace fodc::object_server {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kUpperHexDigits = "0123456789ABCDEF";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::array<std::string_view, 12> kMonths = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                   "Thu", "Fri", "Sat"};

bool Unreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

void AppendEscape(std::string* out, unsigned char c) {
  out->push_back('%');
  out->push_back(kUpperHexDigits[c >> 4]);
  out->push_back(kUpperHexDigits[c & 15]);
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::tm Broken(UnixTime t) {
  const auto seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  return tm;
}

// Digits at `at`, `count` of them; -1 if they are none.
int Number(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  const auto n = ParseUint(text.substr(at, count));
  return n ? static_cast<int>(*n) : -1;
}

std::optional<UnixTime> FromParts(int year, int month, int day, int hour,
                                  int minute, int second) {
  if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 ||
      day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  std::tm tm{};
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  tm.tm_sec = second;
  return UnixTime(std::chrono::seconds(::timegm(&tm)));
}

}  // namespace

std::string Hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(kHexDigits[u >> 4]);
    out.push_back(kHexDigits[u & 15]);
  }
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const bool there = i + k < bytes.size();
      v = v << 8 | (there ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool there = i + k <= bytes.size();
      out.push_back(there ? kBase64Digits[v >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t v = kBase64Digits.find(c);
    if (v == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(v);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<char>(held >> bits & 255));
  }
  if ((held & ((1u << bits) - 1)) != 0) return std::nullopt;
  return out;
}

std::optional<std::string> FromBase64Url(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  while (plain.size() % 4 != 0) plain.push_back('=');
  return FromBase64(plain);
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
  }
  return out;
}

void AppendPercentEncoded(std::string* out, std::string_view text,
                          bool keep_slash) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (Unreserved(u) || (keep_slash && c == '/')) {
      out->push_back(c);
    } else {
      AppendEscape(out, u);
    }
  }
}

std::string PercentEncode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size() + 16);
  AppendPercentEncoded(&out, text, keep_slash);
  return out;
}

std::string FormEncode(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == ' ') {
      out.push_back('+');
    } else if ((Unreserved(u) && c != '~') || c == '/' || c == '*') {
      out.push_back(c);
    } else {
      AppendEscape(&out, u);
    }
  }
  return out;
}

void AppendXmlText(std::string* out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out->append("&amp;");
        break;
      case '<':
        out->append("&lt;");
        break;
      case '>':
        out->append("&gt;");
        break;
      case '"':
        out->append("&quot;");
        break;
      case '\r':
        out->append("&#13;");
        break;
      default:
        out->push_back(c);
    }
  }
}

void AppendElement(std::string* out, std::string_view name,
                   std::string_view text) {
  out->push_back('<');
  out->append(name);
  out->push_back('>');
  AppendXmlText(out, text);
  out->append("</");
  out->append(name);
  out->push_back('>');
}

std::string HttpDate(UnixTime t) {
  const std::tm tm = Broken(t);
  std::array<char, 64> text{};
  const int n = std::snprintf(
      text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
      kDays[static_cast<std::size_t>(tm.tm_wday)].data(), tm.tm_mday,
      kMonths[static_cast<std::size_t>(tm.tm_mon)].data(), tm.tm_year + 1900,
      tm.tm_hour, tm.tm_min, tm.tm_sec);
  return std::string(text.data(), static_cast<std::size_t>(n));
}

std::optional<UnixTime> ParseHttpDate(std::string_view text) {
  if (text.size() != 29 || !text.ends_with(" GMT")) return std::nullopt;
  int month = 0;
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (text.substr(8, 3) == kMonths[i]) month = static_cast<int>(i) + 1;
  }
  return FromParts(Number(text, 12, 4), month, Number(text, 5, 2),
                   Number(text, 17, 2), Number(text, 20, 2),
                   Number(text, 23, 2));
}

std::string CompactDate(UnixTime t) {
  const std::tm tm = Broken(t);
  std::array<char, 64> text{};
  const int n = std::snprintf(
      text.data(), text.size(), "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900,
      tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return std::string(text.data(), static_cast<std::size_t>(n));
}

std::optional<UnixTime> ParseCompactDate(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') {
    return std::nullopt;
  }
  return FromParts(Number(text, 0, 4), Number(text, 4, 2), Number(text, 6, 2),
                   Number(text, 9, 2), Number(text, 11, 2),
                   Number(text, 13, 2));
}

std::string FreshId() {
  static std::atomic<std::uint64_t> next{0};
  // A multiplication by an odd number is one to one: ids differ, and do not
  // look like a count that a client could rely on.
  const std::uint64_t n = next.fetch_add(1) + 1;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(n * 0x9E3779B97F4A7C15ULL),
                static_cast<unsigned long long>(n));
  return std::string(text.data(), 32);
}

std::optional<std::string_view> FieldOf(std::string_view text,
                                        std::string_view name, char end) {
  for (std::string_view piece : Split(text, end)) {
    piece = Trim(piece);
    if (ConsumePrefix(&piece, name) && ConsumePrefix(&piece, "=")) return piece;
  }
  return std::nullopt;
}

}  // namespace fodc::object_server
