// SPDX-License-Identifier: Apache-2.0
// fodcctl incident: one incident of a proxy, and its evidence.
#pragma once

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"

namespace fodc::ctl {

// kGet: the capsule is checked whole before it gets its name; a download that
// is cut, or damaged, leaves nothing.
// Errors: those of the proxy, with its own sentence; kDataLoss for what is no
// whole capsule; kAlreadyExists for a file that is there, without `force`; as
// open(2), write(2); of the output.
Status RunIncident(const IncidentCommand& command, Output* out,
                   const Clock& clock);

}  // namespace fodc::ctl
