// SPDX-License-Identifier: Apache-2.0
// Walks through the text of kernel files without allocating.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/strings.h"

namespace fodc {

// Takes the next line off `*text`, without its line feed. False at the end.
inline bool NextLine(std::string_view* text, std::string_view* line) {
  if (text->empty()) return false;
  const std::size_t end = text->find('\n');
  *line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return true;
}

// Takes the next word off `*text`, at blanks and tabs. Empty at the end.
inline std::string_view NextField(std::string_view* text) {
  const std::size_t begin = text->find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    *text = {};
    return {};
  }
  text->remove_prefix(begin);
  const std::size_t end = text->find_first_of(" \t");
  const std::string_view field = text->substr(0, end);
  text->remove_prefix(field.size());
  return field;
}

// The next word as a number; nothing if it is none.
inline std::optional<std::uint64_t> NextUint(std::string_view* text) {
  return ParseUint(NextField(text));
}

}  // namespace fodc
