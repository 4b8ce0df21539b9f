// SPDX-License-Identifier: Apache-2.0
// Cuts the last segment, and keeps what it cuts. For this room; the caller
// holds the directory's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/wal/scan.h"
#include "fodc/wal/segment_reader.h"

namespace fodc::wal {

inline constexpr std::size_t kMaxTornCopies = 16;
inline constexpr std::size_t kMaxDamagedSegments = 4;

struct Cut {
  std::string directory;
  std::string segment;           // path
  std::uint64_t keep_bytes = 0;  // the segment's new size
  std::uint64_t data_end = 0;    // bytes from here on are zero: not kept
  std::string copy;              // path for the bytes cut off
  FileStamp stamp;               // of the segment as it was read
  unsigned file_mode = 0640;
};

// "<path>.<what>-20261121T133824.123456789Z", or with "-2", "-3", ... behind
// it: a name that no file has.
std::string UnusedName(const std::string& path, std::string_view what,
                       UnixTime now);

// Copy, sync the copy and its name, truncate, sync the segment and the
// directory, in this order. If the copy cannot be written, or the segment is
// no longer as it was read, it stays as it is. Nothing to cut is success.
Status CutTail(const Cut& cut);

// Whether the log is good after the cut, without reading it all again: what a
// cut can spoil is read, which is the end of the last segment, from its last
// good record on; that nothing else has changed since it was read and checked
// is for the files' stamps to tell.
// Errors: kDataLoss naming the file; as open(2), read(2), stat(2).
Status CheckCut(const std::vector<SegmentInfo>& segments,
                const ScanResult& torn);

// Removes the oldest files "*.<what>-*" beyond `max_files`.
Status RemoveOldCopies(const std::string& directory, std::string_view what,
                       std::size_t max_files);

}  // namespace fodc::wal
