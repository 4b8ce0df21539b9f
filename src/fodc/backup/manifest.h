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

#include "fodc/backup/seal.h"
#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/digests.h"

namespace fodc::backup {

// Of a path below a catalog; more is not backed up, for it could not be
// restored.
inline constexpr std::size_t kMaxPathBytes = 4096;

enum class ManifestState : std::uint8_t { kInProgress, kComplete };

// How files lie at a destination. docs/formats/backup-bundles.md.
enum class Layout : std::uint8_t {
  kObjects = 1,  // each in an object of its name, as the Go original has it
  kBundles = 2,  // many in one object, or a large one in many
};

struct ManifestHeader {
  Layout layout = Layout::kObjects;
  ManifestState state = ManifestState::kInProgress;
  std::string node_id{};
  std::string catalog{};
  std::string snapshot{};  // its name
  std::string tool{};      // "fodc-backup 0.1.0"
  UnixTime started{};
  // SealKey::id of the key without which its files are not told; empty: it is
  // not sealed. A writer puts its own here.
  std::string sealed_by{};

  bool operator==(const ManifestHeader&) const = default;
};

// Where the bytes of a file are, in layout 2.
struct Place {
  std::uint64_t bundle = 0;  // its number; the first, if they are more
  std::uint64_t bundles =
      1;                     // each of which has a part of it, and nothing else
  std::uint64_t at = 0;      // where in its bundle the file's piece begins
  std::uint64_t stored = 0;  // how long that is; of all bundles together

  bool operator==(const Place&) const = default;
};

struct ManifestEntry {
  std::string path{};  // below the catalog; any bytes
  std::uint64_t bytes = 0;
  object_store::Sha256 sha256{};
  // Of the file when it was read: one of that size and time is taken to be the
  // same.
  std::int64_t mtime_ns = 0;
  // Of layout 2, unless it has no bytes.
  std::optional<Place> place{};

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
  // Replaces what is at `file`. With a key, which is not kept, its files are
  // sealed; its header and its totals never are. Errors: as open(2).
  static Result<ManifestWriter> Create(const std::string& file,
                                       const ManifestHeader& header,
                                       const SealKey* key = nullptr);
  // In ascending order of paths. Errors: kInvalidArgument for one that does not
  // ascend, or is longer than kMaxPathBytes; as write(2).
  Status Add(const ManifestEntry& entry);
  // Ends it; without it the file is none. No Add after it.
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
  Status WriteSealed(bool is_last);

  File file_;
  std::string name_;
  Layout layout_ = Layout::kObjects;
  std::optional<Sealer> sealer_;
  std::string unsealed_;  // files that are not written yet
  bool is_first_ = true;  // nothing stands in the array
  std::string last_;
  ManifestTotals totals_;
};

// Reads it entry by entry, trusting nothing. Not thread-safe.
class ManifestReader {
 public:
  // A key is needed for the files of one that is sealed, and not kept.
  // Errors: as open(2); kDataLoss for what is no manifest.
  static Result<ManifestReader> Open(const std::string& file,
                                     const SealKey* key = nullptr);

  const ManifestHeader& header() const { return header_; }
  // Whether its files can be told. Errors: kFailedPrecondition naming the key
  // that it takes.
  Status CheckKey() const;
  // Absent at the end, when totals are known, and were compared with what was
  // read. Errors: kDataLoss naming the line; as CheckKey.
  Result<std::optional<ManifestEntry>> Next();
  // To the end, without what is sealed: totals are what it says then.
  // Errors: kDataLoss naming the line.
  Status SkipSealed();
  const ManifestTotals& totals() const { return totals_; }

 private:
  struct Close {
    void operator()(gzFile file) const { (void)gzclose(file); }
  };
  using File = std::unique_ptr<std::remove_pointer_t<gzFile>, Close>;

  explicit ManifestReader(File file) : file_(std::move(file)) {}
  Result<std::string_view> Line();
  Status ReadEnd(std::string_view line);
  // What is compared with the files, unless they are sealed.
  Result<ManifestTotals> ParseEnd(std::string_view line) const;
  Status Finish();
  // The next line that is a file; absent: the end, which was read.
  Result<std::optional<std::string>> NextFile();
  Status Unseal(std::string_view line);
  Result<ManifestEntry> ParseEntry(std::string_view line) const;
  Status Bad(std::string_view why) const;

  File file_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t line_ = 0;
  ManifestHeader header_;
  ManifestTotals counted_;
  ManifestTotals totals_;
  std::string last_;
  std::string key_id_;  // that it was given; empty: none
  std::optional<Unsealer> unsealer_;
  std::string unsealed_;  // lines that were sealed together
  std::size_t at_ = 0;    // what is next of them
  bool is_all_unsealed_ = false;
  bool is_over_ = false;
};

}  // namespace fodc::backup
