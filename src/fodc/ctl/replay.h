// SPDX-License-Identifier: Apache-2.0
// fodcctl replay: what the read-latency detector says of a recording.
#pragma once

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

// Gives every frame of the recording to a detector, in the order of the log,
// and writes each revision of an incident, each W1 and W2, and how every target
// ended up. What keeps it from a verdict goes to `errors`: no target, no read
// latencies, a signal that nothing matches.
// Errors: those of OpenRecording and of the output; kInvalidArgument for bounds
// and signals.
Status RunReplay(const ReplayCommand& command, Output* out, Output* errors,
                 bool* is_damaged);

}  // namespace fodc::ctl
