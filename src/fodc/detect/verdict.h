// SPDX-License-Identifier: Apache-2.0
// Why reads are slow, or what goes on though they are not: the table of
// docs/concept/verdicts.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/detect/facts.h"
#include "fodc/detect/options.h"
#include "fodc/evidence/incident.h"

namespace fodc::detect {

enum class Verdict : std::uint8_t {
  kNone,
  kBackgroundScan,  // W1, no incident
  kTight,           // W2, no incident
  kEviction,        // W3
  kContention,      // W4
  kPressure,        // W5
  kCacheMisses,     // W6
};
inline constexpr std::size_t kVerdicts = 7;
// "W1" to "W6"; empty for kNone.
std::string_view VerdictName(Verdict verdict);

// A verdict that an incident may have, and its cause.
struct VerdictCause {
  Verdict verdict = Verdict::kNone;
  std::string_view cause;  // empty: it has one only
};
// Causes of W4.
inline constexpr std::string_view kColdDataCause = "cold_data";
inline constexpr std::string_view kWorkingSetCause = "working_set";
inline constexpr std::string_view kUnknownCause = "unknown";
inline constexpr std::size_t kIncidentKinds = 9;
std::span<const VerdictCause, kIncidentKinds> AllIncidentKinds();

struct Finding {
  Verdict verdict = Verdict::kNone;
  std::string cause;
  std::string summary;  // a sentence
  std::string advice;
  // Of the row of the table, from the top; 0 of none.
  std::uint8_t row = 0;
  // W4 contention with compaction or background I/O.
  bool is_background_work = false;
  // Families and signals that would have been asked on the way to this verdict,
  // and that nobody gave.
  std::vector<std::string> missing;
};

// The mean of some windows, number by number, of those that know it. The times
// are those of all of them.
Window Mean(std::span<const Window> windows);

// Of degraded windows, at least one: W3 to W6.
Finding ExplainDegraded(std::span<const Window> degraded, const Window& typical,
                        const Options& options);
// Of windows that are not: W1, W2 or none.
Finding ExplainCalm(const Window& calm, const Options& options);

// What speaks for a verdict: latencies and facts that are known, each, where it
// is compared, with what it usually is ("baseline_...").
std::vector<evidence::IncidentNumber> Numbers(const Window& now,
                                              const Window& typical);

}  // namespace fodc::detect
