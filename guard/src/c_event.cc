// SPDX-License-Identifier: Apache-2.0
#include "c_event.h"

#include <string>
#include <vector>

namespace fodc::guard {

static_assert(static_cast<int>(EventLevel::kInfo) == FODC_GUARD_INFO);
static_assert(static_cast<int>(EventLevel::kWarn) == FODC_GUARD_WARN);
static_assert(static_cast<int>(EventLevel::kError) == FODC_GUARD_ERROR);

EventSink ToSink(fodc_guard_event_fn function, void* user) {
  if (function == nullptr) return nullptr;
  return [function, user](const Event& event) {
    // C wants a zero behind each.
    const std::string message(event.message);
    std::vector<std::string> texts;
    texts.reserve(2 * event.fields.size());
    std::vector<fodc_guard_field> fields;
    for (const EventField& f : event.fields) {
      const std::string& key = texts.emplace_back(f.key);
      const std::string& value = texts.emplace_back(f.value);
      fields.push_back({key.c_str(), value.c_str(), f.is_number ? 1 : 0});
    }
    function(user, static_cast<int>(event.level), message.c_str(),
             fields.data(), fields.size());
  };
}

}  // namespace fodc::guard
