// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace fodc {
namespace {

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Length of the valid UTF-8 character at the front, 0 if there is none.
std::size_t Utf8Length(std::string_view s) {
  const auto byte = [s](std::size_t i) {
    return static_cast<unsigned char>(s[i]);
  };
  const auto continues = [&](std::size_t i, unsigned lo = 0x80,
                             unsigned hi = 0xbf) {
    return i < s.size() && byte(i) >= lo && byte(i) <= hi;
  };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return continues(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    const unsigned lo = b == 0xe0 ? 0xa0 : 0x80;
    const unsigned hi = b == 0xed ? 0x9f : 0xbf;
    return continues(1, lo, hi) && continues(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    const unsigned lo = b == 0xf0 ? 0x90 : 0x80;
    const unsigned hi = b == 0xf4 ? 0x8f : 0xbf;
    return continues(1, lo, hi) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

std::optional<std::uint64_t> ParseUint(std::string_view text) {
  std::uint64_t v = 0;
  const auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size()) return {};
  return v;
}

std::optional<std::int64_t> ParseInt(std::string_view text) {
  std::int64_t v = 0;
  const auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size()) return {};
  return v;
}

std::optional<double> ParseDouble(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') {
    text.remove_prefix(1);
  }
  double v = 0;
  const auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), v);
  if (end != text.data() + text.size() || text.empty()) return {};
  // "nan(...)" is C's, not Prometheus'.
  if (text.back() == ')') return {};
  if (ec == std::errc::result_out_of_range) {
    // Too large or too small; only strtod says which.
    return std::strtod(std::string(text).c_str(), nullptr);
  }
  if (ec != std::errc()) return {};
  return v;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (LowerAscii(a[i]) != LowerAscii(b[i])) return false;
  }
  return true;
}

std::string ToLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = LowerAscii(c);
  return out;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = Utf8Length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_bad_run = false;
  while (!text.empty()) {
    const std::size_t n = Utf8Length(text);
    if (n == 0) {
      if (!in_bad_run) out += kReplacement;
      in_bad_run = true;
      text.remove_prefix(1);
      continue;
    }
    in_bad_run = false;
    out.append(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

std::string_view TakeJsonPiece(std::string_view* text,
                               std::span<char, 6> buffer) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto is_plain = [](char c) {
    return static_cast<unsigned char>(c - 0x20) < 0x60 && c != '"' &&
           c != '\\' && c != '<' && c != '>' && c != '&';
  };
  std::size_t n = 0;
  while (n < text->size() && is_plain((*text)[n])) ++n;
  const bool is_run = n > 0;
  if (!is_run) n = Utf8Length(*text);
  const std::string_view piece = text->substr(0, n);
  text->remove_prefix(n == 0 ? 1 : n);
  if (is_run) return piece;
  if (n == 0) return "\\ufffd";
  if (n == 1) {
    switch (const char c = piece[0]) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      default:
        std::copy_n("\\u00", 4, buffer.data());
        buffer[4] = kHex[static_cast<unsigned char>(c) >> 4];
        buffer[5] = kHex[c & 15];
        return {buffer.data(), buffer.size()};
    }
  }
  if (piece == "\xe2\x80\xa8") return "\\u2028";
  if (piece == "\xe2\x80\xa9") return "\\u2029";
  return piece;
}

void AppendJsonString(std::string* out, std::string_view text) {
  std::array<char, 6> buffer{};
  *out += '"';
  while (!text.empty()) *out += TakeJsonPiece(&text, buffer);
  *out += '"';
}

namespace {

struct DurationUnit {
  std::string_view name;
  double ns;
};
// Longer names first where one is the prefix of another.
constexpr std::array<DurationUnit, 8> kDurationUnits = {{{"ns", 1},
                                                         {"us", 1e3},
                                                         {"\xc2\xb5s", 1e3},
                                                         {"\xce\xbcs", 1e3},
                                                         {"ms", 1e6},
                                                         {"s", 1e9},
                                                         {"m", 60e9},
                                                         {"h", 3600e9}}};

}  // namespace

Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text) {
  const auto bad = [text] {
    return InvalidArgument(StrCat("\"", text.substr(0, 64),
                                  "\" is not a duration such as 10s, 1m30s "
                                  "or 200ms"));
  };
  std::string_view rest = text;
  const bool negative = ConsumePrefix(&rest, "-");
  if (!negative) ConsumePrefix(&rest, "+");
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return bad();
  double total_ns = 0;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_not_of("0123456789.");
    if (end == 0 || end == std::string_view::npos) return bad();
    const std::optional<double> number = ParseDouble(rest.substr(0, end));
    if (!number) return bad();
    rest.remove_prefix(end);
    bool known = false;
    for (const DurationUnit& unit : kDurationUnits) {
      // "m" must not eat the front of "ms".
      if (unit.name == "m" && rest.starts_with("ms")) continue;
      if (ConsumePrefix(&rest, unit.name)) {
        total_ns += *number * unit.ns;
        known = true;
        break;
      }
    }
    if (!known) return bad();
  }
  if (total_ns > 9.2e18) return bad();
  const auto ns = std::llround(total_ns);
  return std::chrono::nanoseconds(negative ? -ns : ns);
}

std::string FormatGoDuration(std::chrono::nanoseconds d) {
  if (d.count() == 0) return "0s";
  std::string out;
  auto ns = static_cast<std::uint64_t>(d.count());
  if (d.count() < 0) {
    out += '-';
    ns = 0 - ns;
  }
  const auto decimal = [&out](double v, std::string_view unit) {
    char buffer[32];
    const auto r = std::to_chars(buffer, buffer + sizeof buffer, v,
                                 std::chars_format::fixed);
    out.append(buffer, r.ptr);
    out += unit;
  };
  if (ns < 1'000) {
    decimal(static_cast<double>(ns), "ns");
  } else if (ns < 1'000'000) {
    decimal(static_cast<double>(ns) / 1e3, "\xc2\xb5s");
  } else if (ns < 1'000'000'000) {
    decimal(static_cast<double>(ns) / 1e6, "ms");
  } else {
    const std::uint64_t hours = ns / 3'600'000'000'000;
    const std::uint64_t minutes = ns / 60'000'000'000 % 60;
    if (hours > 0) out += StrCat(hours, "h");
    if (hours > 0 || minutes > 0) out += StrCat(minutes, "m");
    decimal(static_cast<double>(ns % 60'000'000'000) / 1e9, "s");
  }
  return out;
}

Result<std::uint64_t> ParseBytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr std::array<Unit, 12> kUnits = {{{"KiB", 1ULL << 10},
                                                   {"MiB", 1ULL << 20},
                                                   {"GiB", 1ULL << 30},
                                                   {"TiB", 1ULL << 40},
                                                   {"Ki", 1ULL << 10},
                                                   {"Mi", 1ULL << 20},
                                                   {"Gi", 1ULL << 30},
                                                   {"Ti", 1ULL << 40},
                                                   {"kB", 1000},
                                                   {"MB", 1000'000},
                                                   {"GB", 1000'000'000},
                                                   {"TB", 1000'000'000'000}}};
  std::string_view number = text;
  std::uint64_t scale = 1;
  for (const Unit& u : kUnits) {
    if (number.ends_with(u.name)) {
      number.remove_suffix(u.name.size());
      scale = u.bytes;
      break;
    }
  }
  const std::optional<std::uint64_t> n = ParseUint(number);
  if (!n || *n > UINT64_MAX / scale) {
    return InvalidArgument(StrCat("\"", text.substr(0, 64),
                                  "\" is not a number of bytes such as "
                                  "10485760, 10MiB or 1GiB"));
  }
  return *n * scale;
}

std::string MebibytesText(std::uint64_t bytes) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  return StrCat(
      bytes / kMebibyte + (bytes % kMebibyte >= kMebibyte / 2 ? 1 : 0), " MiB");
}

}  // namespace fodc
