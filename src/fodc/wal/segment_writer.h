// SPDX-License-Identifier: Apache-2.0
// Writes the last segment. For this room.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {

class SegmentWriter {
 public:
  struct NewSegment {
    std::string directory;
    std::uint64_t first_sequence = 0;
    std::uint32_t salt = 0;
    std::uint16_t flags = 0;
    std::uint64_t reserve_bytes = 0;
    unsigned file_mode = 0640;
  };

  // Makes a segment under another name, syncs its header and renames it into
  // place, so that no crash leaves half a header. Nothing remains on failure.
  Status Begin(const NewSegment& segment);
  // Goes on behind `end_bytes` of an existing segment.
  Status Continue(const std::string& path, std::uint64_t end_bytes,
                  std::uint32_t salt);

  // Appends records with consecutive numbers. After an error the segment is
  // cut back; if even that fails, the next call tries it again first.
  Status Write(std::span<const NewRecord> batch, std::uint64_t sequence);
  Status Sync();
  // Gives up reserved space, syncs and closes. Closed in any case.
  Status Finish();

  bool is_open() const { return fd_.ok(); }
  const std::string& path() const { return path_; }
  std::uint64_t end_bytes() const { return end_; }

 private:
  Status CutBack();
  // Writes pieces_ at `offset`.
  Status WritePieces(std::uint64_t offset);
  void BuildPieces(std::span<const NewRecord> batch, std::uint64_t sequence);

  UniqueFd fd_;
  std::string path_;
  std::uint64_t end_ = 0;
  std::uint32_t salt_ = 0;
  bool must_cut_back_ = false;
  bool has_reserve_ = false;
  std::string frames_;  // headers, trailers and small payloads
  std::vector<iovec> pieces_;
};

}  // namespace fodc::wal
