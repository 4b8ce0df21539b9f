// SPDX-License-Identifier: Apache-2.0
// How the vendors write bytes, names and times on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"

namespace fodc::object_server {

std::string Hex(std::string_view bytes);
std::string Base64(std::string_view bytes);
// Strict: with padding, no blanks, nothing over.
std::optional<std::string> FromBase64(std::string_view text);
// As JWTs have it: `-` and `_`, no padding.
std::optional<std::string> FromBase64Url(std::string_view text);

// `%XX` and, with `plus_is_space`, `+`; a broken escape stays as it is.
std::string PercentDecode(std::string_view text, bool plus_is_space);
// RFC 3986 unreserved characters stay, and the slash if `keep_slash`.
void AppendPercentEncoded(std::string* out, std::string_view text,
                          bool keep_slash);
std::string PercentEncode(std::string_view text, bool keep_slash);
// What encoding-type=url of a listing means: a form's encoding, slashes kept.
std::string FormEncode(std::string_view text);

void AppendXmlText(std::string* out, std::string_view text);
// <name>text</name>
void AppendElement(std::string* out, std::string_view name,
                   std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string HttpDate(UnixTime t);
std::optional<UnixTime> ParseHttpDate(std::string_view text);
// "20150830T123600Z", as Signature Version 4 has it.
std::string CompactDate(UnixTime t);
std::optional<UnixTime> ParseCompactDate(std::string_view text);

// 32 hexadecimal digits, never the same twice in a process.
std::string FreshId();

// The part of "a=1;b=2" style text after `name=`, up to `end`.
std::optional<std::string_view> FieldOf(std::string_view text,
                                        std::string_view name, char end);

}  // namespace fodc::object_server
