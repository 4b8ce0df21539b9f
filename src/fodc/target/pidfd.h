// SPDX-License-Identifier: Apache-2.0
// pidfd_open(2) and what it tells after a death. For this room and the
// guardian.
#pragma once

#include <sys/types.h>

#include <optional>

#include "fodc/base/unique_fd.h"

namespace fodc::target {

// None if the process is gone or the kernel has none.
UniqueFd OpenPidfd(pid_t pid);

// Whether the process has ended. It may still be a zombie.
bool HasEnded(int pidfd);

// The exit code as wait(2) gives it, once somebody has waited for the process
// (Linux 6.15 and later).
std::optional<int> ExitCodeOf(int pidfd);

}  // namespace fodc::target
