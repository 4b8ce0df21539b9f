// SPDX-License-Identifier: Apache-2.0
// The incident record: one firing of a detector, as plain data. It is made by
// detectors, recorded and shipped by the agent, kept and shown by the proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::evidence {

// Who fires incidents. The second is also the name of the trigger that captures
// evidence of one.
inline constexpr std::string_view kFirstResponse = "first_response";
inline constexpr std::string_view kReadLatency = "read_latency";

// One measured value that speaks for the verdict.
struct IncidentNumber {
  std::string name;  // snake_case, with its unit: "read_p99_seconds"
  double value = 0;

  bool operator==(const IncidentNumber&) const = default;
};

struct Incident {
  // The same in every revision; unique among the incidents of all agents.
  std::string id;
  std::string detector;  // who fired: "read_latency"
  std::string verdict;   // "W3"; what it means is the detector's
  std::string cause;     // what tells verdicts of one name apart: "policy"
  std::string target;    // its container name, or what else names it
  std::string summary;   // one sentence for people
  std::string advice;    // what to do; may be empty
  // Wall clock, in milliseconds since 1970. `ended_ms` is 0 while it lasts.
  std::int64_t started_ms = 0;
  std::int64_t updated_ms = 0;
  std::int64_t ended_ms = 0;
  // From 1; grows with each change but an end that nobody saw. Of two records
  // of one id the greater holds.
  std::uint32_t revision = 1;
  std::vector<IncidentNumber> numbers;
  // What the verdict would have needed and nobody gave: signals, and families
  // of the agent's own series.
  std::vector<std::string> missing_signals;

  bool is_open() const { return ended_ms == 0; }
  bool operator==(const Incident&) const = default;
};

inline constexpr std::size_t kMaxIncidentNumbers = 64;
inline constexpr std::size_t kMaxMissingSignals = 16;
// Of id, detector, verdict, cause, target and each name.
inline constexpr std::size_t kMaxIncidentNameBytes = 256;
// Of summary and advice.
inline constexpr std::size_t kMaxIncidentTextBytes = 4096;

// Whether it may be kept and shown: within the bounds above, UTF-8 without
// control characters, id, detector and verdict not empty, times in order,
// revision at least 1.
// Errors: kInvalidArgument naming the field and the limit.
Status CheckIncident(const Incident& incident);

// One that was open when its agent's life ended: nobody saw its end. Ends it
// when it was last known to last, and says so in the summary, which stays
// within its bound. It keeps its revision: whatever the agent tells of it later
// is better known. No effect if it has ended.
void EndUnseen(Incident* incident);

}  // namespace fodc::evidence
