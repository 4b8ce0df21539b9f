// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/names.h"

#include <algorithm>

namespace fodc::exposition {
namespace {

constexpr std::string_view kReserved = "__name__";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLabelByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) ||
         c == '_';
}
bool IsNameByte(char c) { return IsLabelByte(c) || c == ':'; }

template <typename IsLegal>
bool IsName(std::string_view text, IsLegal is_legal) {
  return !text.empty() && !IsDigit(text[0]) &&
         std::all_of(text.begin(), text.end(), is_legal);
}

template <typename IsLegal>
std::string ToName(std::string_view text, IsLegal is_legal) {
  std::string name;
  if (text.empty() || IsDigit(text[0])) name.push_back('_');
  for (const char c : text) name.push_back(is_legal(c) ? c : '_');
  return name;
}

}  // namespace

bool IsMetricName(std::string_view text) { return IsName(text, IsNameByte); }
bool IsLabelName(std::string_view text) {
  return IsName(text, IsLabelByte) && text != kReserved;
}

std::string ToMetricName(std::string_view text) {
  return ToName(text, IsNameByte);
}
std::string ToLabelName(std::string_view text) {
  if (text == kReserved) return std::string("exported_").append(kReserved);
  return ToName(text, IsLabelByte);
}

std::string NodeLabelName(std::string_view key) {
  return ToLabelName(std::string("node_").append(key));
}

std::string ExportedName(
    std::string_view name,
    const std::function<bool(std::string_view)>& is_taken) {
  std::string free(name);
  do {
    free.insert(0, "exported_");
  } while (is_taken(free));
  return free;
}

}  // namespace fodc::exposition
