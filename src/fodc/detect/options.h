// SPDX-License-Identifier: Apache-2.0
// The bounds of the read-latency detector. What each means, and why its default
// is what it is: docs/concept/verdicts.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::detect {

struct Options {
  // The gate.
  double window_seconds = 10;
  double factor = 3;
  double min_increase_seconds = 50e-6;
  double min_reads = 100;
  double start_windows = 3;
  double end_windows = 6;
  double history_windows = 180;
  double min_history_windows = 12;
  double relearn_seconds = 3600;
  double update_seconds = 60;
  double stale_seconds = 60;
  // The verdicts.
  double up_factor = 2;
  double churn_pages = 1000;
  double refill_pages = 100;
  double refault_pages = 20;
  double refault_read_ratio = 0.01;
  double scan_ratio = 3;
  double dontneed_calls = 0.1;
  double dontneed_bytes = 1 << 20;
  double reclaim_entries = 1;
  double reclaim_pages = 100;
  double pressure_ratio = 0.02;
  double memory_growth_ratio = 0.1;
  double saturated_latency_seconds = 0.025;
  double saturated_pressure_ratio = 0.4;
  double compaction_bytes = 1 << 20;
  double compaction_threads = 0.5;
  double background_io_bytes = 4 << 20;
  double block_cache_misses = 10;
  double storage_bytes = 1 << 20;
  double cpu_wait_seconds = 0.002;
  double cpu_throttled_ratio = 0.05;

  // Whether every bound is within its limits, and they fit together.
  // Errors: kInvalidArgument naming the bound, its value and the limit.
  Status Check() const;
};

enum class Unit : std::uint8_t {
  kNumber,
  kWindows,   // whole numbers
  kDuration,  // seconds in Options, as Go writes them in text
  kBytes,     // with binary units
};

// One bound, as flags and the document name it.
struct Bound {
  std::string_view name;  // "min-reads"
  Unit unit = Unit::kNumber;
  double Options::*field = nullptr;
  double min = 0;
  double max = 0;
  std::string_view meaning;
};
std::span<const Bound> AllBounds();

// The value as ParseBounds reads it.
std::string BoundText(const Bound& bound, double value);

// Sets what is given: "NAME=VALUE", each text one or, joined by commas, several
// of them. Later ones win. Does not Check.
// Errors: kInvalidArgument naming the text, and what is allowed.
Status ParseBounds(std::span<const std::string> texts, Options* options);

}  // namespace fodc::detect
