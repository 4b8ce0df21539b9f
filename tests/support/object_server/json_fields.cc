// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/json_fields.h"

namespace fodc::object_server {
namespace {

constexpr int kMaxDepth = 8;

// name[/name…][(list)], separated by commas; takes what it understands.
bool TakeList(std::string_view* text, FieldSelector* out, int depth) {
  if (depth > kMaxDepth) return false;
  while (true) {
    FieldSelector* at = out;
    while (true) {
      const std::size_t end = text->find_first_of(",()/");
      const std::string name(text->substr(0, end));
      if (name.empty()) return false;
      at = &at->children[name];
      text->remove_prefix(name.size());
      if (!text->starts_with('/')) break;
      text->remove_prefix(1);
    }
    if (text->starts_with('(')) {
      text->remove_prefix(1);
      if (!TakeList(text, at, depth + 1) || !text->starts_with(')')) {
        return false;
      }
      text->remove_prefix(1);
    }
    if (!text->starts_with(',')) return true;
    text->remove_prefix(1);
  }
}

}  // namespace

std::optional<FieldSelector> ParseFields(std::string_view text) {
  FieldSelector selector;
  if (text.empty()) return selector;
  if (!TakeList(&text, &selector, 0) || !text.empty()) return std::nullopt;
  return selector;
}

nlohmann::json Select(const nlohmann::json& value,
                      const FieldSelector& selector) {
  if (selector.children.empty()) return value;
  if (value.is_array()) {
    auto out = nlohmann::json::array();
    for (const auto& item : value) out.push_back(Select(item, selector));
    return out;
  }
  if (!value.is_object()) return value;
  auto out = nlohmann::json::object();
  for (const auto& [name, inner] : value.items()) {
    auto it = selector.children.find(name);
    if (it == selector.children.end()) it = selector.children.find("*");
    if (it != selector.children.end()) out[name] = Select(inner, it->second);
  }
  return out;
}

}  // namespace fodc::object_server
