// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <cmath>

#include "fodc/base/strings.h"
#include "fodc/guard/panic.h"

namespace fodc::guard {

StateDump::StateDump(std::size_t max_bytes)
    : max_bytes_(max_bytes), text_("{"), closers_("}") {}

void StateDump::Append(std::string_view text) {
  if (is_over_) return;
  text_ += text;
  if (text_.size() <= max_bytes_) return;
  is_over_ = true;
  text_ = {};
}

void StateDump::Open(std::string_view key) {
  if (is_over_) return;
  if (!is_first_) Append(",");
  is_first_ = false;
  std::string line = "\n" + std::string(2 * closers_.size(), ' ');
  if (closers_.back() == '}') {
    AppendJsonString(&line, key);
    line += ": ";
  }
  Append(line);
}

void StateDump::Add(std::string_view key, std::string_view value) {
  Open(key);
  if (is_over_ || value.size() > max_bytes_) {
    is_over_ = true;
    text_ = {};
    return;
  }
  std::string text;
  AppendJsonString(&text, value);
  Append(text);
}

void StateDump::Add(std::string_view key, bool value) {
  Open(key);
  Append(value ? "true" : "false");
}

void StateDump::Add(std::string_view key, std::int64_t value) {
  Open(key);
  Append(std::to_string(value));
}

void StateDump::Add(std::string_view key, std::uint64_t value) {
  Open(key);
  Append(std::to_string(value));
}

void StateDump::Add(std::string_view key, double value) {
  Open(key);
  if (!std::isfinite(value)) return Append("null");
  std::array<char, 32> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  Append({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void StateDump::BeginObject(std::string_view key) {
  Open(key);
  Append("{");
  closers_ += '}';
  is_first_ = true;
}

void StateDump::BeginList(std::string_view key) {
  Open(key);
  Append("[");
  closers_ += ']';
  is_first_ = true;
}

void StateDump::End() {
  if (closers_.size() == 1) return;  // the document itself
  const char closer = closers_.back();
  closers_.pop_back();
  if (!is_first_) Append("\n" + std::string(2 * closers_.size(), ' '));
  Append({&closer, 1});
  is_first_ = false;
}

std::string StateDump::Finish() {
  while (closers_.size() > 1) End();
  Append(is_first_ ? "}\n" : "\n}\n");
  return std::move(text_);
}

}  // namespace fodc::guard
