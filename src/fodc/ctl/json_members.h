// SPDX-License-Identifier: Apache-2.0
// For this room only: members of a stranger's JSON. One that is absent, null or
// of another kind is not there.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fodc/base/clock.h"

namespace fodc::ctl {

inline const nlohmann::json* Member(const nlohmann::json& object,
                                    const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// Of a member that is an array; else of an empty one.
inline const nlohmann::json& Elements(const nlohmann::json& object,
                                      const char* key) {
  static const nlohmann::json kNone = nlohmann::json::array();
  const nlohmann::json* m = Member(object, key);
  return m != nullptr && m->is_array() ? *m : kNone;
}

inline std::string Text(const nlohmann::json& object, const char* key) {
  const nlohmann::json* m = Member(object, key);
  return m != nullptr && m->is_string() ? m->get<std::string>() : "";
}

inline std::optional<double> Number(const nlohmann::json& object,
                                    const char* key) {
  const nlohmann::json* m = Member(object, key);
  if (m == nullptr || !m->is_number()) return std::nullopt;
  return m->get<double>();
}

inline std::optional<std::uint64_t> Count(const nlohmann::json& object,
                                          const char* key) {
  const std::optional<double> n = Number(object, key);
  if (!n.has_value() || !(*n >= 0 && *n < 1e18)) return std::nullopt;
  return static_cast<std::uint64_t>(*n);
}

// RFC 3339, as milliseconds since 1970.
inline std::optional<std::int64_t> Time(const nlohmann::json& object,
                                        const char* key) {
  const auto t = ParseRfc3339(Text(object, key));
  if (!t.ok()) return std::nullopt;
  return ToUnixMillis(*t);
}

}  // namespace fodc::ctl
