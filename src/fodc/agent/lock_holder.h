// SPDX-License-Identifier: Apache-2.0
// Who holds a lock, for messages.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace fodc::agent {

// The process that holds flock(2) of the file, if the kernel tells
// (/proc/locks) and it is of this process namespace.
std::optional<pid_t> LockHolder(const std::string& path);

// The same of the text of /proc/locks; `file` is "MAJOR:MINOR:INODE" as it
// stands there.
std::optional<pid_t> ParseLockHolder(std::string_view locks,
                                     std::string_view file);

}  // namespace fodc::agent
