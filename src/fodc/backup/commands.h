// SPDX-License-Identifier: Apache-2.0
// What fodc-backup's commands do.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/backup/flags.h"
#include "fodc/backup/run.h"
#include "fodc/base/clock.h"

namespace fodc::backup {

// Each blocks, and prints what it found to standard output, its failure to
// standard error.

// Once, or by the schedule until `stop`.
Outcome CommandRun(const RunFlags& flags, const Clock& clock,
                   const std::stop_token& stop);
Outcome CommandRestore(const RestoreFlags& flags, const Clock& clock,
                       const std::stop_token& stop);
Outcome CommandTimeDirList(const TimeDirFlags& flags, const Clock& clock,
                           const std::stop_token& stop);
// `action`: "create", "read", "delete"; `time` empty: now.
Outcome CommandTimeDir(std::string_view action, const TimeDirFlags& flags,
                       std::string time, const Clock& clock);

Outcome CommandVerify(const VerifyFlags& flags, const Clock& clock,
                      const std::stop_token& stop);
// What is at a destination.
Outcome CommandList(const TimeDirFlags& flags, const Clock& clock,
                    const std::stop_token& stop);

// What goes by the rules, and with --prune its going.
Outcome CommandPrune(const PruneFlags& flags, const Clock& clock,
                     const std::stop_token& stop);

}  // namespace fodc::backup
