// SPDX-License-Identifier: Apache-2.0
// Whom the guardian asked to stop lately, kept beside the cause file: an agent
// that starts again asks nobody twice, and goes on counting what may be a loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guardian/process.h"

namespace fodc::guardian {

struct Stop {
  ProcessName who;
  MonotonicTime at;
  std::chrono::nanoseconds age{0};  // of the process at that time

  bool operator==(const Stop&) const = default;
};

// Of one target. Pids, start times and monotonic times are of one boot.
struct StopRecord {
  std::string boot_id;
  std::string target;       // without control characters
  std::vector<Stop> stops;  // the oldest first

  bool operator==(const StopRecord&) const = default;
};

// More than can happen within the window of the crash-loop guard.
inline constexpr std::size_t kMaxStops = 16;

// Adds one that is the newest. Those that no longer matter go: older than the
// guard's window, and beyond kMaxStops.
void AddStop(const Stop& stop, std::vector<Stop>* stops);

std::string EncodeStopRecord(const StopRecord& record);
// Errors: kDataLoss for anything that Encode did not write.
Result<StopRecord> DecodeStopRecord(std::string_view text);

// The target's stops in the file; none if they are of another boot or target,
// or there is no file. `boot_id` is empty where it is not told: then nothing is
// known of this boot. `now`: none can be later.
// Errors: as ReadFile and DecodeStopRecord.
Result<std::vector<Stop>> ReadStops(const std::string& path,
                                    std::string_view boot_id,
                                    std::string_view target, MonotonicTime now);

}  // namespace fodc::guardian
