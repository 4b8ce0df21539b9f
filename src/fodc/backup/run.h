// SPDX-License-Identifier: Apache-2.0
// One backup of a node, from its snapshot to the word that says what came of
// it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/snapshot_source.h"
#include "fodc/backup/time_dir.h"
#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// What is said at the end; scripts go by it.
enum class Outcome : std::uint8_t {
  kSuccess = 0,
  kFailure = 1,
  kUsage = 2,
  kPartial = 3,    // some catalogs failed, or lack something
  kIntegrity = 4,  // what was read is not what its digest says
  kRefused = 5,    // by a lease, a guard, or another node's directory
};

// "success", "partial", "integrity", "refused", "failure".
std::string_view OutcomeName(Outcome outcome);

struct RunOptions {
  // Takes the snapshots; called once, and again where one went away meanwhile.
  std::function<Result<std::vector<Snapshot>>(const std::stop_token& stop)>
      snapshots{};
  TimeStyle style = TimeStyle::kDaily;
  CatalogOptions catalog{};  // with node_id, tool and session_directory
  std::string owner{};       // of the lease
  // A time directory from whose objects those of a new one are copied where
  // they are the same; "latest": the newest that is whole; empty: none.
  std::string link_from{};
  // Empty: none. Two processes of this machine do not run at once then.
  std::string lock_file{};
};

// As far as it has come; thread-safe.
class RunProgress {
 public:
  // For each catalog in the order in which they are taken.
  struct Catalog {
    std::string name;
    CatalogCounters counters;
  };
  Catalog& Add(std::string name);
  std::vector<const Catalog*> all() const;

 private:
  mutable Mutex mutex_;
  std::deque<Catalog> catalogs_ FODC_GUARDED_BY(mutex_);  // they stay in place
};

struct RunReport {
  Status status{};  // the first failure
  Outcome outcome = Outcome::kFailure;
  std::string time_dir{};
  std::vector<CatalogReport> catalogs{};
  UnixTime started{};
  UnixTime ended{};

  // One line of JSON.
  std::string ToJson(const RunProgress& progress) const;
};

// Blocks; files of the run lie under $TMPDIR or /tmp. Every catalog is tried,
// whatever became of those before it, unless `stop` is requested: then it ends
// within moments, with kCancelled.
RunReport RunBackup(object_store::ObjectStore& store, const RunOptions& options,
                    const Clock& clock, const std::stop_token& stop,
                    RunProgress* progress);

}  // namespace fodc::backup
