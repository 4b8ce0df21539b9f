// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace fodc::guard {

// Writes into memory that is given: async-signal-safe, no allocation. What does
// not fit is cut off.
class SmallText {
 public:
  explicit SmallText(std::span<char> out) : out_(out) {}

  SmallText& Put(std::string_view text) noexcept {
    const std::size_t n = std::min(text.size(), out_.size() - used_);
    std::copy_n(text.begin(), n, out_.begin() + static_cast<long>(used_));
    used_ += n;
    return *this;
  }
  SmallText& Put(std::integral auto number) noexcept {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    return Put(std::string_view(digits, end.ptr));
  }
  // Milliseconds as seconds: 1234 is "1.234".
  SmallText& PutSeconds(std::int64_t ms) noexcept {
    Put(ms / 1000).Put(".");
    const char digits[3] = {Digit(ms / 100), Digit(ms / 10), Digit(ms)};
    return Put(std::string_view(digits, sizeof digits));
  }

  std::string_view text() const noexcept { return {out_.data(), used_}; }

 private:
  static char Digit(std::int64_t n) {
    return static_cast<char>('0' + (n < 0 ? -n : n) % 10);
  }
  std::span<char> out_;
  std::size_t used_ = 0;
};

}  // namespace fodc::guard
