// SPDX-License-Identifier: Apache-2.0
// What is known of a target during one window, beside its reads: the numbers
// that verdicts are made of.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace fodc::detect {

enum class Fact : std::uint8_t {
  kReadBytes,
  kCacheAdds,
  kCacheDeletes,
  kDontneedCalls,
  kDontneedBytes,
  kReclaimEntries,
  kReclaimStall,
  kReclaimScanned,
  kKswapdScanned,
  kMemoryPressure,
  kIoPressure,
  kCpuPressure,
  kFileRefaults,
  kAnonMemory,
  kKernelMemory,
  kFileMemory,
  kMemoryUsage,
  kMemoryLimit,
  kMajorFaults,
  kStorageReads,
  kStorageWrites,
  kCpuThrottled,
  kBlockReadP95,
  kRunQueueP95,
  kCompactionBytes,
  kCompactionThreads,
  kBlockCacheHits,
  kBlockCacheMisses,
  kBackgroundIoBytes,
};
inline constexpr std::size_t kFacts =
    static_cast<std::size_t>(Fact::kBackgroundIoBytes) + 1;

// Values of all facts; NaN is not known.
class Facts {
 public:
  Facts() { values_.fill(std::numeric_limits<double>::quiet_NaN()); }
  double operator[](Fact f) const { return values_[At(f)]; }
  double& operator[](Fact f) { return values_[At(f)]; }
  bool Has(Fact f) const { return !std::isnan((*this)[f]); }

 private:
  static std::size_t At(Fact f) { return static_cast<std::size_t>(f); }
  std::array<double, kFacts> values_;
};

struct FactDesc {
  Fact fact;
  // Whether an incident also tells what it was while all was well.
  bool is_compared;
  std::string_view name;  // of a number of an incident, with its unit
  // Who would tell it: a family of the recording, or a signal.
  std::string_view giver;
};
// In the order of the enum.
std::span<const FactDesc, kFacts> AllFacts();
const FactDesc& Describe(Fact f);

enum class Reading : std::uint8_t {
  kRate,   // of a counter, a second
  kLevel,  // of a gauge
};

// A series of the agent's own that tells a fact. Those of one fact and rank are
// added up; of several ranks the lowest that is known holds.
struct FactSeries {
  Fact fact;
  std::uint8_t rank;
  Reading reading;
  std::string_view family;
  std::string_view label = {};  // that it must have, beside others
  std::string_view value = {};
  std::string_view label2 = {};
  std::string_view value2 = {};
};
std::span<const FactSeries> AllFactSeries();

// A histogram of the agent's own, and the fact that its p95 is; of fewer than
// 20 events their median, of none 0.
struct FactHistogram {
  Fact fact;
  std::string_view series;  // with _bucket
  std::string_view label = {};
  std::string_view value = {};
};
std::span<const FactHistogram> AllFactHistograms();

// The target's process, in frames of OwnSource::kTarget.
inline constexpr std::string_view kTargetUp = "fodc_target_up";
inline constexpr std::string_view kTargetPid = "fodc_target_pid";
inline constexpr std::string_view kTargetStart =
    "fodc_target_start_time_seconds";
inline constexpr std::string_view kTargetRestarts =
    "fodc_target_restarts_total";

// The gate's own: all reads of regular files.
inline constexpr std::string_view kReadLatencyFamily =
    "ktm_read_latency_seconds";
inline constexpr std::string_view kReadLatencyBuckets =
    "ktm_read_latency_seconds_bucket";

// One window of a target.
struct Window {
  std::int64_t from_ms = 0;  // by the monotonic clock
  std::int64_t to_ms = 0;
  std::int64_t to_unix_ms = 0;
  double reads = 0;
  // Latency of reads of regular files, in seconds; NaN without any.
  double p50 = std::numeric_limits<double>::quiet_NaN();
  double p95 = std::numeric_limits<double>::quiet_NaN();
  double p99 = std::numeric_limits<double>::quiet_NaN();
  Facts facts;

  std::int64_t from_unix_ms() const { return to_unix_ms - (to_ms - from_ms); }
};

}  // namespace fodc::detect
