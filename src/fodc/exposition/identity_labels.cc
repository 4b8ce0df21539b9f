// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity_labels.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::exposition {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLabelChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         IsDigit(c);
}

}  // namespace

bool IsMetricName(std::string_view name) {
  return !name.empty() && !IsDigit(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsLabelChar(c) || c == ':'; });
}

bool IsLabelName(std::string_view name) {
  return !name.empty() && !IsDigit(name[0]) && name != "__name__" &&
         std::all_of(name.begin(), name.end(), IsLabelChar);
}

bool AreCanonicalLabels(std::string_view text) {
  std::string_view last;
  while (!text.empty()) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = text.substr(0, equals);
    if (!IsLabelName(name) || name <= last) return false;
    last = name;
    text.remove_prefix(equals + 1);
    if (!ConsumePrefix(&text, "\"")) return false;
    std::size_t end = 0;
    for (; end < text.size() && text[end] != '"'; ++end) {
      if (text[end] == '\n') return false;
      if (text[end] != '\\') continue;
      ++end;
      if (end == text.size() ||
          std::string_view("\\\"n").find(text[end]) == std::string_view::npos) {
        return false;
      }
    }
    if (end == text.size()) return false;
    text.remove_prefix(end + 1);
    if (text.empty()) return true;
    if (!ConsumePrefix(&text, ",") || text.empty()) return false;
  }
  return true;
}

std::string NodeLabelName(std::string_view key) {
  std::string name = "node_";
  for (const char c : key) name.push_back(IsLabelChar(c) ? c : '_');
  return name;
}

std::map<std::string, std::string> IdentityLabels(
    std::string_view role, std::string_view pod_name,
    std::string_view container_name,
    const std::map<std::string, std::string>& node_labels) {
  std::map<std::string, std::string> out;
  const auto add = [&out](std::string name, std::string_view value) {
    if (!value.empty()) out.emplace(std::move(name), ToValidUtf8(value));
  };
  add("node_role", role);
  add("pod_name", pod_name);
  add("container_name", container_name);
  for (const auto& [key, value] : node_labels) {
    if (key.empty() || key == "pod_name" || key == "container_name") continue;
    add(NodeLabelName(key), value);
  }
  return out;
}

}  // namespace fodc::exposition
