// SPDX-License-Identifier: Apache-2.0
// Which events stay. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fodc/base/clock.h"

namespace fodc::evidence {

// What retention wants to know of an event.
struct KeptEvent {
  std::string id{};
  UnixTime at{};
  std::uint64_t rss_bytes = 0;
  std::uint64_t bytes = 0;  // of its artifacts
  std::string pod{};
  std::string target{};
  std::string ramp_up{};  // empty: of none
  bool has_death = false;
  UnixTime died_at{};  // of the death before which it is the last
  bool is_pinned = false;
  // An event that is being written is neither deleted nor counted.
  bool is_busy = false;
};

struct RetentionLimits {
  // As --pressure-profiler-max-artifacts and …-max-disk-bytes. 0 or less: none.
  std::int64_t max_events = 16;
  std::int64_t max_bytes = 512 << 20;
  // As --pressure-profiler-max-age. 0: none.
  std::chrono::nanoseconds max_age{};
};

// The ids that go, in the order of `events`. These stay, whatever the limits:
// pinned events; the newest; that with the highest RSS (of those of one RSS the
// newest), which is the one that Go keeps. They count, and while the limits
// allow come, without those that are too old,
//   1. the newest event of each pod, the newest first (a proxy keeps those of
//      many),
//   2. the last event before each death, the newest death first,
//   3. the newest event of each ramp-up, the newest ramp-up first,
//   4. all others, in Go's order: by RSS, the highest first, of one RSS the
//      newest first.
// One that does not fit goes, and smaller ones after it may stay. 1 to 3
// together take three quarters of `max_events` at most (and at least one), so
// that a node that dies every minute does not take the place of all others.
std::vector<std::string> ChooseEventsToDelete(
    const std::vector<KeptEvent>& events, const RetentionLimits& limits,
    UnixTime now);

// Whether one more event of `bytes` may be pinned beside those that are: pinned
// events have half of each limit at most, so that new ones find room. At least
// one may be pinned.
bool MayPin(const std::vector<KeptEvent>& events, std::uint64_t bytes,
            const RetentionLimits& limits);

}  // namespace fodc::evidence
