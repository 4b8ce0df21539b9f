// SPDX-License-Identifier: Apache-2.0
// Files at places where others may put links: whoever writes in a target's log
// directory is not to choose what the agent, which may read more, reads there.
#pragma once

#include <sys/stat.h>

#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::capture {

// A regular file, for reading; never waits for a FIFO. On the way to it links
// are followed that are root's, those of /proc, and those that lead their
// owner to a file of its own. `*found` gets what fstat(2) says of it.
// What it does not see: hard links (see fs.protected_hardlinks of the kernel),
// and links of a target that is root itself.
// Errors: as open(2); kPermissionDenied for another's link, naming both users;
// kInvalidArgument for what is no regular file.
Result<UniqueFd> OpenCarefully(const std::string& path, struct stat* found);

}  // namespace fodc::capture
