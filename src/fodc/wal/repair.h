// SPDX-License-Identifier: Apache-2.0
// Cuts the last segment, and keeps what it cuts. For this room; the caller
// holds the directory's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::wal {

inline constexpr std::size_t kMaxTornCopies = 16;
inline constexpr std::size_t kMaxDamagedSegments = 4;

struct Cut {
  std::string directory;
  std::string segment;           // path
  std::uint64_t keep_bytes = 0;  // the segment's new size
  std::uint64_t data_end = 0;    // bytes from here on are zero: not kept
  std::string copy;              // path for the bytes cut off
  unsigned file_mode = 0640;
};

// "<path>.<what>-20261121T133824.123456789Z", or with "-2", "-3", ... behind
// it: a name that no file has.
std::string UnusedName(const std::string& path, std::string_view what,
                       UnixTime now);

// Copy, sync the copy and its name, truncate, sync the segment and the
// directory, in this order. If the copy cannot be written the segment stays as
// it was. Nothing to cut is success.
Status CutTail(const Cut& cut);

// Removes the oldest files "*.<what>-*" beyond `max_files`.
Status RemoveOldCopies(const std::string& directory, std::string_view what,
                       std::size_t max_files);

}  // namespace fodc::wal
