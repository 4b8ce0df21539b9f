// SPDX-License-Identifier: Apache-2.0
// What fodc-backup tells of itself: docs/reference/backup.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fodc/backup/restore.h"
#include "fodc/backup/run.h"
#include "fodc/base/mutex.h"
#include "fodc/exposition/format.h"
#include "fodc/object_store/store_client.h"
#include "fodc/program/own_metrics.h"

namespace fodc::backup {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A request to a store; see StoreClient::Options.
  void OnAttempt(const object_store::AttemptReport& report);

  // `progress` is told as it goes, and must last until RunEnds.
  void RunBegins(const RunProgress* progress);
  void RunEnds(const RunReport& report);
  void TicksSkipped(std::uint64_t ticks);

  // `counters` are told as they go, and must outlive this.
  void Restoring(const std::string& catalog, const RestoreCounters* counters);

  std::string Page(exposition::Format format) const;

 private:
  // Of one catalog, over all runs that have ended.
  struct Totals {
    std::uint64_t uploaded = 0;
    std::uint64_t unchanged = 0;
    std::uint64_t deleted = 0;
    std::uint64_t failed = 0;
    std::uint64_t bytes = 0;
    std::uint64_t remote_objects = 0;  // of the last run
    void Add(const CatalogCounters& counters);
  };

  void Collect(std::vector<program::OwnFamily>* out) const;
  void CollectRestores(std::vector<program::OwnFamily>* out) const;

  mutable Mutex mutex_;
  const RunProgress* progress_ FODC_GUARDED_BY(mutex_) = nullptr;
  std::map<std::string, Totals> totals_ FODC_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, const RestoreCounters*>> restores_
      FODC_GUARDED_BY(mutex_);
  program::OwnMetrics own_;  // last: it calls Collect
};

}  // namespace fodc::backup
