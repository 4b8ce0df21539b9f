// SPDX-License-Identifier: Apache-2.0
// Whether a database has the directory open into which a backup is to go.
#pragma once

#include <string>

#include "fodc/base/status.h"

namespace fodc::backup {

// The path of a file `lock` or `LOCK` that some process has locked, by flock(2)
// or fcntl(2), in the directory or one directly below it: BanyanDB has one in
// each group's, RocksDB and LevelDB in their own. Empty: there is none.
// Errors: as opendir(3), but for a directory that is not there.
Result<std::string> FindHeldLock(const std::string& directory);

}  // namespace fodc::backup
