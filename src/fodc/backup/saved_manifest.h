// SPDX-License-Identifier: Apache-2.0
// The manifest that lies at a destination, asked in the order of its paths.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "fodc/backup/manifest.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// "2026-08-21/.meta/measure.json".
std::string ManifestKey(std::string_view time_dir, std::string_view catalog);
// Where that of the run before lies while a run is under way.
std::string PreviousManifestKey(std::string_view time_dir,
                                std::string_view catalog);

// Where a run that was broken off says what it has put, in layout 2.
std::string BrokenManifestKey(std::string_view time_dir,
                              std::string_view catalog);

// Of the one at its own key, without reading the rest of it. Absent: there is
// none that is whole so far. Errors: those of the store.
Result<std::optional<ManifestHeader>> ReadManifestHeader(
    object_store::ObjectStore& store, std::string_view time_dir,
    std::string_view catalog, const std::stop_token& stop);

// Likewise, with what it holds in all; it reads the manifest, without a key.
struct ManifestSummary {
  std::optional<ManifestHeader> header{};  // absent: none that is whole
  ManifestTotals totals{};                 // of the newest that says anything
};
Result<ManifestSummary> Summarize(object_store::ObjectStore& store,
                                  std::string_view time_dir,
                                  std::string_view catalog,
                                  const std::stop_token& stop);

// Not thread-safe.
class SavedManifest {
 public:
  // Fetches the newest that says anything into `file`. One that is not there,
  // or is damaged, is no failure: nothing is known then. `key` opens what is
  // sealed, and is not kept.
  // Errors: those of the store; as ManifestReader::CheckKey.
  Status Open(object_store::ObjectStore& store, std::string_view time_dir,
              std::string_view catalog, const std::string& file,
              const std::stop_token& stop, const SealKey* key = nullptr);
  // Likewise of what a run that was broken off has left.
  Status OpenBroken(object_store::ObjectStore& store, std::string_view time_dir,
                    std::string_view catalog, const std::string& file,
                    const std::stop_token& stop, const SealKey* key);
  // What it says of the path; absent: nothing. Paths are asked in ascending
  // order. What is behind a damage is not known.
  Result<std::optional<ManifestEntry>> Find(const std::string& path);

  // All that it says, one after the other; absent at the end. Not beside Find.
  // Errors: kDataLoss.
  Result<std::optional<ManifestEntry>> Next();

  // Of the one at its own key; absent: there is none, or none that is whole.
  const std::optional<ManifestHeader>& header() const { return header_; }
  // Of the one whose files are told; absent: none.
  const std::optional<ManifestHeader>& source() const { return source_; }
  // Something is at its own key that is no manifest, and what is told is older.
  bool is_damaged() const { return is_damaged_; }

 private:
  // Whether it tells anything: then it is the one.
  Result<bool> Try(object_store::ObjectStore& store, const std::string& name,
                   const std::string& file, const std::stop_token& stop,
                   const SealKey* key, bool is_own);

  std::optional<ManifestHeader> header_;
  std::optional<ManifestHeader> source_;
  bool is_damaged_ = false;
  std::optional<ManifestReader> reader_;
  std::optional<ManifestEntry> next_;
};

}  // namespace fodc::backup
