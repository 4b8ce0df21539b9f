// SPDX-License-Identifier: Apache-2.0
// What the agent may do beyond an ordinary process: what its features need, and
// no more. capabilities(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::agent {

// Bits, as in CapEff of /proc/<pid>/status.
using CapabilitySet = std::uint64_t;

enum class Capability : std::uint8_t {
  kDacOverride = 1,
  kDacReadSearch = 2,
  kKill = 5,
  kNetBindService = 10,
  kSysPtrace = 19,
  kSysAdmin = 21,
  kPerfmon = 38,
  kBpf = 39,
};
constexpr CapabilitySet Bit(Capability c) {
  return CapabilitySet{1} << static_cast<unsigned>(c);
}
// "CAP_BPF and CAP_PERFMON"
std::string CapabilityText(CapabilitySet set);

// One feature, and what it cannot do without.
struct CapabilityNeed {
  std::string_view feature;
  CapabilitySet needed = 0;
  // Taken if `needed` is not held whole; 0: nothing stands in for it.
  CapabilitySet instead = 0;
  std::string_view without;  // what there is then
};

struct CapabilityFeatures {
  bool kernel_telemetry = false;
  bool targets = false;        // processes, perhaps of other users
  bool low_ports = false;      // listens below 1024
  bool guardian = false;       // signals targets, perhaps of other users
  bool foreign_files = false;  // its directory belongs to another user
};
std::vector<CapabilityNeed> CapabilityNeeds(const CapabilityFeatures& features);

// What to keep of `held`: the union of what the features need.
CapabilitySet ToKeep(CapabilitySet held,
                     const std::vector<CapabilityNeed>& needs);
// What the feature lacks of `held`; 0 if nothing.
CapabilitySet Lacks(CapabilitySet held, const CapabilityNeed& need);

// Errors: kDataLoss if it cannot be read.
Result<CapabilitySet> HeldCapabilities(const std::string& proc_root = "/proc");

// Gives up everything but `keep`, for ever, of the calling thread and those
// that it starts: call it before there are others. Errors: as capset(2); then
// everything is as it was.
Status KeepOnly(CapabilitySet keep);

// What dropping came to.
struct DroppedCapabilities {
  struct Gap {
    std::string_view feature;
    CapabilitySet missing = 0;
    std::string_view without;
  };
  std::vector<Gap> gaps;
  std::optional<CapabilitySet> kept;  // if others were dropped
  Status status;                      // why they stay as they are
};
// Drops what no feature needs. Says nothing: threads begin with the log, and
// each has capabilities of its own.
DroppedCapabilities DropCapabilities(const CapabilityFeatures& features);
void LogDropped(const DroppedCapabilities& dropped);

}  // namespace fodc::agent
