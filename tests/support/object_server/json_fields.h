// SPDX-License-Identifier: Apache-2.0
// Partial responses of Google's JSON interface: "items(name,size),prefixes".
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace fodc::object_server {

// What is wanted; a selector without children wants all below it.
struct FieldSelector {
  std::map<std::string, FieldSelector> children;
};

// Nothing if the text is no selector.
std::optional<FieldSelector> ParseFields(std::string_view text);
nlohmann::json Select(const nlohmann::json& value,
                      const FieldSelector& selector);

}  // namespace fodc::object_server
