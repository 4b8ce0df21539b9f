// SPDX-License-Identifier: Apache-2.0
// What the library has to say. It writes to no stream and no log: the host
// gives a sink, and puts the lines where its own go.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace fodc::guard {

enum class EventLevel : std::uint8_t { kInfo, kWarn, kError };

struct EventField {
  std::string_view key;  // snake_case, with its unit
  std::string_view value;
  bool is_number = false;
};

// One event, one line: a fixed message and its numbers.
struct Event {
  EventLevel level = EventLevel::kInfo;
  std::string_view message;
  std::span<const EventField> fields;
};

// Called on whatever thread the event occurs, never from a signal handler.
// All that the event refers to lives until the sink returns. It must be
// thread-safe, must not block for long and must not call back into the part
// that calls it. What it throws is dropped. None: nothing is said.
using EventSink = std::function<void(const Event&)>;

}  // namespace fodc::guard
