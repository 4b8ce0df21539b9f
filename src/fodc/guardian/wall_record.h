// SPDX-License-Identifier: Apache-2.0
// What is left to undo of a group whose killer is, or may be, switched off: a
// small file, read back with suspicion.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/guardian/process.h"

namespace fodc::guardian {

struct WallRecord {
  std::string path;         // of the group
  std::uint64_t inode = 0;  // of its directory: another group has another one
  std::uint64_t limit_bytes = 0;
  std::uint64_t memsw_bytes = 0;   // 0: no limit
  std::uint64_t raised_bytes = 0;  // what it is, or they are, if we raised it

  bool operator==(const WallRecord&) const = default;
};

std::string EncodeWallRecord(const WallRecord& record);
// Errors: kDataLoss for anything that Encode did not write.
Result<WallRecord> DecodeWallRecord(std::string_view text);

// The name of a process's record in its directory.
std::string WallRecordName(const ProcessName& who);

// The records in `directory` of a process that died: each group's killer is on
// again, and its limit as it was if it is what that process raised it to: any
// other is somebody else's. A line for each group, and for each record that is
// damaged. Groups that are no more, or others under the name, are left alone.
// The records go.
std::vector<std::string> RepairWalls(const std::string& directory);

}  // namespace fodc::guardian
