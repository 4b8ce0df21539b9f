// SPDX-License-Identifier: Apache-2.0
// What the library said, for tests: "WARN message key=value key=value".
#pragma once

#include <string>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/guard/event.h"

namespace fodc::guard {

// Thread-safe.
class EventLog {
 public:
  EventSink sink() {
    return [this](const Event& e) { Add(e); };
  }
  std::vector<std::string> lines() const {
    const MutexLock lock(mutex_);
    return lines_;
  }

 private:
  void Add(const Event& e) {
    static constexpr std::string_view kNames[] = {"INFO", "WARN", "ERROR"};
    std::string line =
        StrCat(kNames[static_cast<std::size_t>(e.level)], " ", e.message);
    for (const EventField& f : e.fields) {
      line += StrCat(" ", f.key, "=", f.value);
    }
    const MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  mutable Mutex mutex_;
  std::vector<std::string> lines_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::guard
