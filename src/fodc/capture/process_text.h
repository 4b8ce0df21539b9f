// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of a target that stands, as text that is kept.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/capture/capture_request.h"
#include "fodc/capture/held_process.h"
#include "fodc/capture/patient_thread.h"

namespace fodc::capture {

// Those that were there when the capture began, the node's first.
using HeldProcesses = std::vector<std::shared_ptr<const HeldProcess>>;

// Each gives `max_bytes` at most, file by file, and blocks as the kernel does.
// Errors: why nothing could be read.

// The decision with its inputs; counters of the processes and the machine.
// Never fails: the decision is known.
StepText CountersText(const CaptureRequest& request,
                      const HeldProcesses& processes,
                      const std::string& proc_root, std::size_t max_bytes);
// One file of each process: "status", "smaps_rollup", "limits", "mountinfo".
Result<StepText> ProcessFilesText(const HeldProcesses& processes,
                                  const std::string& name,
                                  std::size_t max_bytes);
// Memory, CPU, I/O and pressure of the node's group, and the limits of those
// above it. v1 and v2.
Result<StepText> CgroupText(const HeldProcesses& processes,
                            std::size_t max_bytes);
// Sockets by kind and TCP state, of the node's network namespace; descriptors
// of each process by what they are.
Result<StepText> SocketsText(const HeldProcesses& processes,
                             std::size_t max_bytes);
// Of each thread: id, name, state, CPU ticks, wait channel, kernel stack (which
// needs CAP_SYS_ADMIN).
Result<StepText> ThreadsText(const HeldProcesses& processes,
                             std::size_t max_bytes);
// Without secrets.
Result<StepText> ArgumentsText(const HeldProcesses& processes,
                               std::size_t max_bytes);
Result<StepText> EnvironmentText(const HeldProcesses& processes,
                                 std::size_t max_bytes);

}  // namespace fodc::capture
