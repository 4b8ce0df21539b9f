// SPDX-License-Identifier: Apache-2.0
// Small text helpers that the standard library lacks.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc {

namespace strings_internal {
inline void AppendPiece(std::string* out, std::string_view piece) {
  out->append(piece);
}
inline void AppendPiece(std::string* out, char piece) { out->push_back(piece); }
template <std::integral T>
requires(!std::same_as<T, char>) void AppendPiece(std::string* out, T piece) {
  out->append(std::to_string(piece));
}
}  // namespace strings_internal

// Strings, characters and whole numbers, one after the other.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (strings_internal::AppendPiece(&out, pieces), ...);
  return out;
}

// "a,b,,c" at ',' gives "a", "b", "", "c"; empty text gives one empty piece.
std::vector<std::string_view> Split(std::string_view text, char separator);

// Without leading and trailing blanks, tabs, CR and LF.
std::string_view Trim(std::string_view text);

bool ConsumePrefix(std::string_view* text, std::string_view prefix);

// Whole text, base 10. Empty, signs, blanks and overflow give nothing.
std::optional<std::uint64_t> ParseUint(std::string_view text);
std::optional<std::int64_t> ParseInt(std::string_view text);
// Whole text; "NaN", "Inf", "+Inf" in any case; no hexadecimal.
std::optional<double> ParseDouble(std::string_view text);

// ASCII only; other bytes compare as they are.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
std::string ToLower(std::string_view text);

// Whether the bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong).
bool IsValidUtf8(std::string_view text);
// Each maximal run of bad bytes becomes one U+FFFD.
std::string ToValidUtf8(std::string_view text);

// Appends `text` as a JSON string with quotes, escaped as Go's encoder does
// (`<`, `>`, `&`, U+2028 and U+2029 as \u00XX); bad UTF-8 becomes U+FFFD.
void AppendJsonString(std::string* out, std::string_view text);
// The same piece by piece, for those who may not allocate: takes one character
// or more from the front of `text`, which is not empty, and gives how they
// stand in such a string; the view is of `text`, of `buffer` or a constant.
std::string_view TakeJsonPiece(std::string_view* text,
                               std::span<char, 6> buffer);

// Durations as Go writes them on a command line: "10s", "1m30s", "1.5h",
// "200ms", "0". Errors: kInvalidArgument naming the text.
Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text);
// The shortest Go form that ParseGoDuration reads back: "10s", "5m0s", "1.5s".
std::string FormatGoDuration(std::chrono::nanoseconds d);

// Bytes with an optional binary unit: "10485760", "10MiB", "1GiB", "512KiB".
// Errors: kInvalidArgument naming the text.
Result<std::uint64_t> ParseBytes(std::string_view text);
// "512 MiB": rounded to the nearest.
std::string MebibytesText(std::uint64_t bytes);

}  // namespace fodc
