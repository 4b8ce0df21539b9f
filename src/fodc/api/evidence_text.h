// SPDX-License-Identifier: Apache-2.0
// The documents that list evidence, and say where it lies.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/json_writer.h"
#include "fodc/api/known_evidence.h"

namespace fodc::api {

// The document of /pressure-profiles, written piece by piece.
class ProfilesText {
 public:
  explicit ProfilesText(std::vector<KnownNode> nodes)
      : nodes_(std::move(nodes)) {}

  // Appends what comes next. Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  const std::vector<KnownNode> nodes_;
  std::size_t node_ = 0;
  std::size_t event_ = 0;
  bool begun_ = false;
};

// An event in short, for the incident that it is of: which, when, how large,
// where.
void WriteEventNote(const KnownEvent& known, JsonWriter* json);

// The document of one event, or of all events of one incident. `incident`: the
// JSON of it, or "null".
std::string EventsDocument(const KnownNode& node, std::string_view id,
                           std::string_view incident);

}  // namespace fodc::api
