// SPDX-License-Identifier: Apache-2.0
// fodcctl incident: one incident of a proxy, and its evidence.
#pragma once

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"
#include "fodc/ctl/resumed_download.h"

namespace fodc::ctl {

// kGet: what comes is checked whole before it gets its name: a capsule by its
// manifest, an artifact by the SHA-256 that the proxy tells. A download that
// breaks is asked for again (resumed_download.h), with a line to `errors`; one
// that fails in the end, or is damaged, leaves nothing.
// Errors: those of the proxy, with its own sentence; kDataLoss for what is no
// whole capsule; kAlreadyExists for a file that is there, without `force`; as
// open(2), write(2); of the output.
Status RunIncident(const IncidentCommand& command, Output* out, Output* errors,
                   const Clock& clock, const Sleep& sleep);

}  // namespace fodc::ctl
