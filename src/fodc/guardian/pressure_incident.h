// SPDX-License-Identifier: Apache-2.0
// A target's memory near its limit, as an incident; and the file that says why
// it was stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/evidence/incident.h"
#include "fodc/guardian/report.h"

namespace fodc::guardian {

inline constexpr std::string_view kGuardianDetector = "guardian";
// The verdict of all its incidents; the cause tells what was done: "capture",
// "term", "kill", "suppressed", "wall".
inline constexpr std::string_view kMemoryPressureVerdict = "memory_pressure";

// The incidents of one target, made of its reports. Not thread-safe.
class PressureIncident {
 public:
  // `id_prefix` makes ids unique among all agents and rows. `target` as
  // incidents have it.
  PressureIncident(std::string id_prefix, std::string target);

  // A new revision, if the report begins, changes or ends an incident. Reports
  // come in the order in which they were made; those of a dry run are none.
  std::optional<evidence::Incident> On(const Report& report);

 private:
  void Begin(const Report& report);
  void Describe(const Report& report);

  const std::string id_prefix_;
  const std::string target_;
  std::uint64_t begun_ = 0;
  std::optional<evidence::Incident> open_;
};

// "760 MiB of 1000 MiB (76 %)".
std::string MemoryText(const Report& report);

// Of a target that was asked to stop, for those who find it gone: one JSON
// object.
std::string CauseText(std::string_view target, const Report& report);
// Its name in a directory, and that of the target's StopRecord: of characters
// that file systems and shells take.
std::string CauseFileName(std::string_view target);
std::string StopRecordName(std::string_view target);

}  // namespace fodc::guardian
