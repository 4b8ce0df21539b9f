// SPDX-License-Identifier: Apache-2.0
// What a row of the table remembers from one life of the agent to the next,
// and its form on disk (docs/formats/recording.md).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/target/target.h"

namespace fodc::target {

// The process that was watched. With the boot it is one and no other.
struct KeptProcess {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string comm;
  UnixTime started_at;
  // The inode of the process namespace that `pid` is of; 0: not known.
  std::uint64_t pid_namespace = 0;
  // For how long it was seen alive, where somebody knows; not on disk.
  std::optional<double> uptime_seconds;
};

struct KeptRow {
  std::string name;  // the row's, given by its owner
  std::string pod;   // of the agent that kept it; empty: not said
  std::uint64_t deaths_total = 0;
  std::uint64_t restarts_total = 0;
  std::optional<double> last_uptime_seconds;  // to a millisecond
  std::optional<UnixTime> last_death_at;      // to a millisecond
  Exit last_exit;
  std::optional<KeptProcess> process;
  bool has_died = false;  // nobody is known since a death
  std::string boot_id;
  std::uint64_t last_alive_ticks = 0;  // of that boot
};

// Until when its process was seen alive (boot_ticks.h). What was kept is as old
// as the last event; `uptime_seconds` may be newer.
std::uint64_t SeenAliveTicks(const KeptRow& kept);

std::string EncodeKeptRows(const std::vector<KeptRow>& rows);
// Errors: kDataLoss if the text is cut or changed, or not of this version.
// Keys that are not known are passed over.
Result<std::vector<KeptRow>> DecodeKeptRows(std::string_view text);

}  // namespace fodc::target
