// SPDX-License-Identifier: Apache-2.0
#include "record_buffer.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

#include "fodc/base/strings.h"

namespace fodc::guard {

void RecordBuffer::Put(std::string_view piece) {
  if (is_full_ || piece.size() > max_ - size_) {
    is_full_ = true;
    return;
  }
  if (piece.empty()) return;
  std::memcpy(data_ + size_, piece.data(), piece.size());
  size_ += piece.size();
}

void RecordBuffer::AppendUint(std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  Append({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void RecordBuffer::AppendHex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, 16)
          .ptr;
  Append("0x");
  Append({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void RecordBuffer::Append(std::string_view piece) {
  if (!is_string_) return Put(piece);
  std::array<char, 6> buffer{};
  while (!piece.empty()) Put(TakeJsonPiece(&piece, buffer));
}

void RecordBuffer::BeginString() {
  Put("\"");
  is_string_ = true;
}

void RecordBuffer::EndString() {
  is_string_ = false;
  Put("\"");
}

void RecordBuffer::AppendString(std::string_view text) {
  BeginString();
  Append(text);
  EndString();
}

void RecordBuffer::Next() {
  if (size_ > 0 && data_[size_ - 1] != '{' && data_[size_ - 1] != '[') {
    Append(",");
  }
}

void RecordBuffer::Key(std::string_view key) {
  Next();
  AppendString(key);
  Append(":");
}

void RecordBuffer::AppendPadded(std::uint64_t value, int digits) {
  std::array<char, 20> text{};
  for (int i = digits; i-- > 0; value /= 10) {
    text[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
  }
  Append({text.data(), static_cast<std::size_t>(digits)});
}

void RecordBuffer::AppendDate(UnixTime t, std::string_view between_days,
                              std::string_view between_hours) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day ymd(day);
  const std::chrono::hh_mm_ss<std::chrono::nanoseconds> hms(t - day);
  const auto padded = [this](auto value, int digits) {
    AppendPadded(static_cast<std::uint64_t>(value), digits);
  };
  padded(static_cast<int>(ymd.year()), 4);
  Append(between_days);
  padded(static_cast<unsigned>(ymd.month()), 2);
  Append(between_days);
  padded(static_cast<unsigned>(ymd.day()), 2);
  Append("T");
  padded(hms.hours().count(), 2);
  Append(between_hours);
  padded(hms.minutes().count(), 2);
  Append(between_hours);
  padded(hms.seconds().count(), 2);
  Append(".");
  padded(hms.subseconds().count(), 9);
  Append("Z");
}

void RecordBuffer::AppendTime(UnixTime t) {
  Append("\"");
  AppendDate(t, "-", ":");
  Append("\"");
}

void RecordBuffer::AppendStamp(UnixTime t) { AppendDate(t, "", ""); }

}  // namespace fodc::guard
