// SPDX-License-Identifier: Apache-2.0
// Whether what lies at a destination is what its manifests say, and what there
// is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "fodc/backup/manifest.h"
#include "fodc/backup/seal.h"
#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

struct VerifyOptions {
  // Every object is read and hashed, or of so many hundredths of them one.
  bool reads_data = false;
  double sample_percent = 100;
  std::size_t concurrency = 8;
  // Opens what is sealed; null: none.
  std::shared_ptr<const SealKey> key{};
};

struct VerifyReport {
  std::string catalog{};
  // kDataLoss if something is wrong; kNotFound without a manifest.
  Status status{};
  std::vector<std::string> problems{};  // the first ones, naming the object
  std::uint64_t problem_count = 0;
  std::uint64_t files = 0;  // of the manifest
  std::uint64_t read = 0;   // of them
  std::uint64_t extra = 0;  // objects of which it does not know
};

// Blocks. Afterwards the destination says that it was verified, and how.
VerifyReport VerifyCatalog(object_store::ObjectStore& store,
                           const std::string& time_dir,
                           const std::string& catalog,
                           const VerifyOptions& options, const Clock& clock,
                           const std::stop_token& stop);

// A catalog's backup, as its manifest tells.
struct StoredBackup {
  std::string time_dir{};
  std::string catalog{};
  // Absent: nothing readable is there.
  std::optional<ManifestHeader> header{};
  ManifestTotals totals{};
  // "2026-08-21T10:00:00Z sizes", "… data"; with " failed" behind it if so;
  // empty: never.
  std::string verified{};
};

// The names of all time directories, in their order. Costs one listing by
// directories. Errors: those of the store.
Result<std::vector<std::string>> ListTimeDirs(object_store::ObjectStore& store,
                                              const std::string& prefix,
                                              const std::stop_token& stop);
// The newest time directory with a whole backup of the catalog, before `before`
// if that is not empty. Errors: kNotFound if there is none; likewise.
Result<std::string> NewestWhole(object_store::ObjectStore& store,
                                const std::string& catalog,
                                const std::string& before,
                                const std::stop_token& stop);
// The catalogs that have a manifest there. Errors: likewise.
Result<std::vector<std::string>> ListCatalogs(object_store::ObjectStore& store,
                                              const std::string& time_dir,
                                              const std::stop_token& stop);
// What a time directory has; it reads the manifests. Errors: likewise.
Result<std::vector<StoredBackup>> ListBackups(object_store::ObjectStore& store,
                                              const std::string& time_dir,
                                              const std::stop_token& stop);

}  // namespace fodc::backup
