// SPDX-License-Identifier: Apache-2.0
// What the objects of layout 2 are called, below their catalog.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace fodc::backup {

inline constexpr std::string_view kBundleDirectory = ".bundles/";
inline constexpr std::size_t kBundleNameBytes = 16;

// "000000000000002a"
inline std::string BundleName(std::uint64_t number) {
  char text[kBundleNameBytes + 1];
  (void)std::snprintf(text, sizeof text, "%016llx",
                      static_cast<unsigned long long>(number));
  return text;
}

inline std::optional<std::uint64_t> ParseBundleName(std::string_view name) {
  if (name.size() != kBundleNameBytes) return {};
  std::uint64_t number = 0;
  for (const char c : name) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'a' && c <= 'f')) return {};
    number = number << 4 |
             static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

// ".bundles/000000000000002a"
inline std::string BundlePath(std::uint64_t number) {
  return std::string(kBundleDirectory) + BundleName(number);
}

}  // namespace fodc::backup
