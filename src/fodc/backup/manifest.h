// SPDX-License-Identifier: Apache-2.0
// What a backup of a catalog holds, in one file beside it: every file's path,
// size and SHA-256. docs/formats/backup-manifest.md.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/digests.h"

namespace fodc::backup {

// Of a path below a catalog; more is not backed up, for it could not be
// restored.
inline constexpr std::size_t kMaxPathBytes = 4096;

enum class ManifestState : std::uint8_t { kInProgress, kComplete };

struct ManifestHeader {
  ManifestState state = ManifestState::kInProgress;
  std::string node_id{};
  std::string catalog{};
  std::string snapshot{};  // its name
  std::string tool{};      // "fodc-backup 0.1.0"
  UnixTime started{};

  bool operator==(const ManifestHeader&) const = default;
};

struct ManifestEntry {
  std::string path{};  // below the catalog; any bytes
  std::uint64_t bytes = 0;
  object_store::Sha256 sha256{};
  // Of the file when it was read: one of that size and time is taken to be the
  // same.
  std::int64_t mtime_ns = 0;

  bool operator==(const ManifestEntry&) const = default;
};

struct ManifestTotals {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  UnixTime ended{};
};

// Writes a file with gzip, of any length in constant memory. Not thread-safe.
class ManifestWriter {
 public:
  // Replaces what is at `file`. Errors: as open(2).
  static Result<ManifestWriter> Create(const std::string& file,
                                       const ManifestHeader& header);
  // In ascending order of paths. Errors: kInvalidArgument for one that does not
  // ascend, or is longer than kMaxPathBytes; as write(2).
  Status Add(const ManifestEntry& entry);
  // Ends it; without it the file is none.
  Status Finish(UnixTime ended);

  const ManifestTotals& totals() const { return totals_; }

 private:
  struct Close {
    void operator()(gzFile file) const { (void)gzclose(file); }
  };
  using File = std::unique_ptr<std::remove_pointer_t<gzFile>, Close>;

  ManifestWriter(File file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  Status Write(std::string_view text);

  File file_;
  std::string name_;
  std::string last_;
  ManifestTotals totals_;
};

// Reads it entry by entry, trusting nothing. Not thread-safe.
class ManifestReader {
 public:
  // Errors: as open(2); kDataLoss for what is no manifest.
  static Result<ManifestReader> Open(const std::string& file);

  const ManifestHeader& header() const { return header_; }
  // Absent at the end, when totals are known, and were compared with what was
  // read. Errors: kDataLoss naming the line.
  Result<std::optional<ManifestEntry>> Next();
  const ManifestTotals& totals() const { return totals_; }

 private:
  struct Close {
    void operator()(gzFile file) const { (void)gzclose(file); }
  };
  using File = std::unique_ptr<std::remove_pointer_t<gzFile>, Close>;

  explicit ManifestReader(File file) : file_(std::move(file)) {}
  Result<std::string_view> Line();
  Status ReadEnd(std::string_view line);

  File file_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t line_ = 0;
  ManifestHeader header_;
  ManifestTotals counted_;
  ManifestTotals totals_;
  std::string last_;
  bool is_over_ = false;
};

}  // namespace fodc::backup
