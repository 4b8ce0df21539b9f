// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/table.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "fodc/base/strings.h"

namespace fodc::ctl {

std::string WithoutControls(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, among them a one-character escape sequence.
    const bool is_c1 = c == 0xC2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    out.push_back(is_c1 || c < 0x20 || c == 0x7F ? '?' : text[i]);
  }
  return out;
}

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::vector<std::string> RenderTable(std::vector<TableLine> lines,
                                     const std::vector<bool>& is_number) {
  std::vector<std::size_t> widths(is_number.size());
  for (TableLine& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      line[i] = WithoutControls(line[i]);
      widths[i] = std::max(widths[i], Width(line[i]));
    }
  }
  std::vector<std::string> out;
  for (const TableLine& line : lines) {
    std::string& text = out.emplace_back();
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - Width(line[i]), ' ');
      if (i > 0) text += "  ";
      text += is_number[i] ? padding + line[i] : line[i];
      if (!is_number[i] && i + 1 < line.size()) text += padding;
    }
  }
  return out;
}

std::string Fixed(double value, int digits) {
  std::array<char, 64> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  return buffer.data();
}

std::string HumanBytes(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return StrCat(Fixed(bytes, unit == 0 || bytes >= 100 ? 0 : 1), " ",
                kUnits[unit]);
}

std::string HumanDuration(std::int64_t ms) {
  const std::int64_t s = std::max<std::int64_t>(ms, 0) / 1000;
  const auto two = [](std::int64_t n) {
    return (n < 10 ? "0" : "") + std::to_string(n);
  };
  if (s < 60) return StrCat(s, "s");
  if (s < 3600) return StrCat(s / 60, "m", two(s % 60), "s");
  if (s < 86400) return StrCat(s / 3600, "h", two(s / 60 % 60), "m");
  return StrCat(s / 86400, "d", s / 3600 % 24, "h");
}

}  // namespace fodc::ctl
