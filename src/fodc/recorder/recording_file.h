// SPDX-License-Identifier: Apache-2.0
// Recordings in files (.fdr). The bytes are specified in
// docs/formats/recording.md, "Files".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

// What a file says beside samples: identity labels and whoever wrote it. Keys
// with the prefix "label." are labels of every series ("label.node_role").
using FileInfo = std::map<std::string, std::string>;

// Bytes of a file that could not be used.
struct FileDamage {
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
  std::string reason;
};

struct FileReport {
  FileInfo info;
  std::uint64_t file_bytes = 0;
  std::vector<FileDamage> damage;  // at most kMaxDamage are told
  std::uint64_t damaged_regions = 0;
  // False if the file was cut, or never finished.
  bool complete = false;

  static constexpr std::size_t kMaxDamage = 100;
};

// Chunks that reach into the range are written whole; open rows as a chunk.
std::string EncodeRecordingFile(const Snapshot& snapshot, const FileInfo& info,
                                TimeRange range = {});
// The same in pieces, of which none is larger than 256 KiB or the largest
// block. Errors: what `sink` says, which is then not called again.
Status EncodeRecordingFile(
    const Snapshot& snapshot, const FileInfo& info, TimeRange range,
    const std::function<Status(std::string_view piece)>& sink);
// The same, atomically. Errors: as WriteFileAtomically.
Status WriteRecordingFile(const std::string& path, const Snapshot& snapshot,
                          const FileInfo& info, TimeRange range = {});

// Reads what can be read and tells the rest in `*report`. Untrusted bytes.
// `options.budget_bytes` bounds what is held: of a larger file the oldest part
// is left out. Besides, 256 MiB and 64 times the file's size are the bound.
// Errors: kDataLoss if it is no recording at all; kUnimplemented for an unknown
// version; as ReadFile.
Result<Recording> DecodeRecordingFile(std::string_view bytes,
                                      RecordingOptions options,
                                      FileReport* report);
Result<Recording> ReadRecordingFile(const std::string& path,
                                    RecordingOptions options,
                                    FileReport* report);

// Options for reading a file whole.
RecordingOptions FileReadingOptions();

}  // namespace fodc::recorder
