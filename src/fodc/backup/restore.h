// SPDX-License-Identifier: Apache-2.0
// A catalog brought back from where it was backed up to.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "fodc/backup/seal.h"
#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

struct RestoreOptions {
  std::size_t download_concurrency = 8;
  // Objects as large are fetched in ranges beside each other.
  std::uint64_t ranged_bytes = 128u << 20;
  bool allow_empty = false;  // a time directory without files is meant
  bool is_dry_run = false;   // tells what would be done
  bool is_check = false;     // compares, and changes nothing
  // Restored without a file that asks for it, into the directory itself; empty:
  // what the file says.
  std::string time_dir{};
  // Opens what is sealed; null: none.
  std::shared_ptr<const SealKey> key{};
};

// Counted while it runs; thread-safe.
struct RestoreCounters {
  std::atomic<std::uint64_t> downloaded = 0;
  std::atomic<std::uint64_t> downloaded_bytes = 0;
  std::atomic<std::uint64_t> unchanged = 0;
  std::atomic<std::uint64_t> deleted = 0;
  std::atomic<std::uint64_t> mismatches = 0;  // of digests
};

struct RestoreReport {
  std::string catalog{};
  std::string time_dir{};  // empty: nobody asked for a restore of it
  Status status{};
};

// Makes `<directory>/data` what the time directory that `<directory>/time-dir`
// names has for the catalog. Files are fetched under other names, compared with
// their digests, made durable and renamed; what is too much is deleted only
// when all are there, and the file that asked for it last. Whatever fails, or
// is killed, the next run goes on. Without such a file nothing is done, unless
// the options name a time directory: then it is `<directory>` itself.
//
// Blocks; `stop` ends it within moments. Errors, in the report: kNotFound for a
// time directory without files (nothing is touched), kDataLoss for what is not
// as its digest says, kInvalidArgument for keys that lead elsewhere; those of
// the store and the disk.
RestoreReport RestoreCatalog(object_store::ObjectStore& store,
                             const std::string& catalog,
                             const std::string& directory,
                             const RestoreOptions& options,
                             const std::stop_token& stop,
                             RestoreCounters* counters);

}  // namespace fodc::backup
