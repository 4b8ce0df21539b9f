// SPDX-License-Identifier: Apache-2.0
// The documents that list evidence, of what the agents told.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/json_writer.h"
#include "fodc/fleet/event_book.h"

namespace fodc::api {

using NodeEventsRef = std::shared_ptr<const fleet::NodeEvents>;

// The document of /pressure-profiles, written piece by piece.
class ProfilesText {
 public:
  explicit ProfilesText(std::vector<NodeEventsRef> nodes)
      : nodes_(std::move(nodes)) {}

  // Appends what comes next. Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  const std::vector<NodeEventsRef> nodes_;
  std::size_t node_ = 0;
  std::size_t event_ = 0;
  bool begun_ = false;
};

// An event in short, for the incident that it is of: which, when, how large,
// where.
void WriteEventNote(const fleet::ListedEvent& event, JsonWriter* json);

// The document of one event, or of all events of one incident.
std::string EventsDocument(const fleet::NodeEvents& node, std::string_view id);

}  // namespace fodc::api
