// SPDX-License-Identifier: Apache-2.0
// What is to be captured, and what came of it: plain data between whoever
// decides on a capture and whoever runs it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::capture {

// A process by its pid and its start, so that a pid in use again is not taken
// for it.
struct CaptureProcess {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat

  bool operator==(const CaptureProcess&) const = default;
};

struct CaptureRequest {
  UnixTime at{};
  std::size_t row = 0;  // of the target table
  std::string target{};
  std::string role{};  // as it is now, for meta.json
  std::string incident_id{};
  std::string ramp_up{};
  evidence::EventTrigger trigger{};
  // Of the measure that decided; 0 where memory was not the reason.
  std::uint64_t bytes = 0;
  std::uint64_t limit_bytes = 0;
  std::uint64_t threshold_bytes = 0;
  std::uint32_t trigger_percent = 0;
  // The forecast; nothing: the limit is not near. What takes longer is not
  // tried.
  std::optional<double> seconds_to_limit{};
  // The node's process first, then what else belongs to the target. Empty: it
  // is dead, and only what needs no living target is captured; or it is unseen.
  std::vector<CaptureProcess> processes{};
  // It lives, for its endpoints answer, but the agent sees no process of it:
  // what they give is captured, profiles and pages.
  bool is_unseen = false;
  // It waits for none: what else is captured of the row, and of another if no
  // thread is free, comes to its end at once, with what it has.
  bool is_urgent = false;
  // If it is captured because of one, and who it was, if that is known.
  std::optional<evidence::EventDeath> death{};
  std::optional<CaptureProcess> dead{};
};

// What came of one request.
struct CaptureResult {
  std::size_t row = 0;
  std::string target{};
  std::string incident_id{};
  std::string trigger{};  // its kind
  // OK also if steps were cut; else why there is no event at all.
  Status status{};
  std::string event_id{};  // empty: there is none
  // OK, or why the event lacks what was captured last: it is there as it was
  // committed before.
  Status rest{};
  // At least one artifact of the target was kept. An event without is a
  // failure: no cooldown begins.
  bool has_evidence = false;
  // Of the profiles of a target that stands none came whole, and somebody is
  // there who may give them later: the address was not refused, nor are they
  // unknown to it.
  bool lacks_profiles = false;
  std::size_t artifacts = 0;
  std::uint64_t bytes = 0;
  MonotonicTime decided_at{};     // when the request was made
  MonotonicTime first_byte_at{};  // of an artifact on disk; 0: none
  MonotonicTime finished_at{};
};

// What became known after the moment: added as the next revision.
struct CaptureAftermath {
  std::string event_id{};
  std::optional<evidence::EventDeath> death{};
  std::optional<CaptureProcess> dead{};  // who it was, if that is known
  std::size_t row = 0;  // of the target table, for its log files
};

}  // namespace fodc::capture
