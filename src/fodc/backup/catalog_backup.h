// SPDX-License-Identifier: Apache-2.0
// One catalog's snapshot made equal to what lies at the destination.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "fodc/backup/manifest.h"
#include "fodc/backup/seal.h"
#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// What makes a file at the destination the same as the one here.
enum class DiffMode : std::uint8_t {
  kName,      // it is there
  kSize,      // and as large, and its digest is the same where one is known
  kChecksum,  // and its digest is the same, whatever that costs
};

// Of layout 2.
struct BundleOptions {
  std::uint64_t bundle_bytes = 20u << 20;  // of files, that go together
  std::uint64_t file_bytes = 2u << 20;     // larger ones go alone
  int zstd_level = 0;                      // 0: not compressed
};

struct CatalogOptions {
  Layout layout = Layout::kObjects;
  BundleOptions bundles{};
  // Opens the manifests there, and seals what goes up in layout 2; null: none.
  std::shared_ptr<const SealKey> key{};
  std::size_t upload_concurrency = 8;
  std::size_t large_concurrency = 1;
  // Smaller ones are small.
  std::uint64_t large_bytes = 5u << 20;
  DiffMode diff = DiffMode::kSize;
  bool keep_orphans = false;
  // Of the objects that were there; more than that are not deleted, if they are
  // kMostUnasked at least.
  double max_delete_fraction = 0.9;
  bool is_dry_run = false;
  std::string node_id{};
  std::string tool{};
  // Of small files that are held while they are sent; what does not fit is read
  // twice.
  std::uint64_t max_buffer_bytes = 64u << 20;
  // Counts the snapshot's files beforehand, for who watches.
  bool tells_totals = false;
  // Of this run: manifests on their way, and lists that do not stay in memory.
  std::string work_directory{};
  // Of all runs: uploads that another run goes on with; empty: none.
  std::string session_directory{};

  static constexpr std::uint64_t kMostUnasked = 100;
};

struct CatalogJob {
  std::string time_dir{};   // "2026-08-21"
  std::string catalog{};    // "measure"
  std::string directory{};  // what is walked
  std::string snapshot{};   // its name
  // Groups of it are missing, as the node said: nothing is deleted.
  std::string partial{};
  // A time directory whose backup of the catalog is copied from where a file is
  // the same; empty: none.
  std::string link_from{};
};

// Counted while it runs; thread-safe.
struct CatalogCounters {
  std::atomic<std::uint64_t> uploaded = 0;
  std::atomic<std::uint64_t> uploaded_bytes = 0;
  std::atomic<std::uint64_t> copied = 0;  // of `uploaded`: within the store
  std::atomic<std::uint64_t> unchanged = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> deleted = 0;
  std::atomic<std::uint64_t> remote_objects = 0;
  std::atomic<std::uint64_t> files = 0;  // here
  std::atomic<std::uint64_t> bytes = 0;
  // Of the whole snapshot, if they are told; 0: not yet.
  std::atomic<std::uint64_t> total_files = 0;
  std::atomic<std::uint64_t> total_bytes = 0;
  // Now.
  std::atomic<std::int64_t> small_in_flight = 0;
  std::atomic<std::int64_t> large_in_flight = 0;
};

struct CatalogReport {
  std::string catalog{};
  std::string snapshot{};
  // Why it failed; nothing was deleted then.
  Status status{};
  // What could not be taken along, of which the first ones are named: files
  // that are no files, groups that the node left out. Nothing was deleted.
  std::vector<std::string> missing{};
  bool is_refused = false;  // a guard did; in `status`
  std::uint64_t orphans = 0;
  std::uint64_t delete_failures = 0;

  bool is_whole() const { return status.ok() && missing.empty(); }
};

// Walks the snapshot and the destination side by side, whatever their size.
// What is new or changed goes up; what is too much there is deleted, once all
// the rest has gone well. Blocks; `stop` ends it within moments, with what goes
// on left as it was. `counters` must outlive it.
CatalogReport BackUpCatalog(object_store::ObjectStore& store,
                            const CatalogJob& job,
                            const CatalogOptions& options, const Clock& clock,
                            const std::stop_token& stop,
                            CatalogCounters* counters);

}  // namespace fodc::backup
