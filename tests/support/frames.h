// SPDX-License-Identifier: Apache-2.0
// Recorded exposition pages (tests/data/expositions/README.md), for tests and
// benchmarks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::test {

struct Frame {
  std::uint64_t sequence = 0;
  std::int64_t unix_ms = 0;
  int http_status = 0;
  std::string_view body;  // empty if the status is not 200
};

// One recording, decompressed. Movable; the frames keep pointing into it.
class Recording {
 public:
  // Errors: as reading the file; kDataLoss for damaged compression or frames.
  static Result<Recording> Load(const std::string& path);

  const std::vector<Frame>& frames() const { return frames_; }
  std::string_view bytes() const { return bytes_; }

 private:
  std::vector<char> storage_;  // unlike a string's, its address never changes
  std::string_view bytes_;
  std::vector<Frame> frames_;
};

// Decompresses a zstd file with a window of up to 27 bits.
Result<std::vector<char>> ReadZstdFile(const std::string& path);

// Stems of the recordings. The common set comes first: its four are what
// published figures refer to.
inline constexpr std::string_view kRecordingNames[] = {
    "prometheus", "node", "etcd", "vm", "banyandb-data", "banyandb-liaison"};
inline constexpr std::size_t kCommonRecordings = 4;

// tests/data/expositions/<name>.frames.zst
std::string RecordingPath(std::string_view name);

}  // namespace fodc::test
