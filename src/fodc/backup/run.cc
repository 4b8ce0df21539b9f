// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "fodc/backup/lease.h"
#include "fodc/backup/node_mark.h"
#include "fodc/backup/verify.h"
#include "fodc/backup/work_directory.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using nlohmann::json;

Result<UniqueFd> LockLocally(const std::string& file) {
  if (file.empty()) return UniqueFd();
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + file);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock " + file);
  return AlreadyExists(
      StrCat(file, ": another backup of this machine is running"));
}

// Two nodes at one destination would delete each other's files.
Status CheckNode(object_store::ObjectStore& store, const std::string& time_dir,
                 const std::string& node_id, bool is_dry_run,
                 const std::stop_token& stop, bool* is_refused) {
  FODC_ASSIGN_OR_RETURN(const std::optional<std::string> other,
                        ReadNodeMark(store, time_dir, stop));
  if (other == node_id) return OkStatus();
  if (other) {
    *is_refused = true;
    return FailedPrecondition(StrCat(
        time_dir, " is of node \"", ToValidUtf8(*other), "\", and this is \"",
        node_id, "\": give each node a destination of its own, or --node-id"));
  }
  return is_dry_run ? OkStatus()
                    : WriteNodeMark(store, time_dir, node_id, stop);
}

// The time directory that is meant for the catalog; empty: none.
std::string LinkFrom(object_store::ObjectStore& store, const std::string& asked,
                     const std::string& time_dir, const std::string& catalog,
                     const std::stop_token& stop) {
  if (asked != "latest") return asked == time_dir ? "" : asked;
  const auto newest = NewestWhole(store, catalog, time_dir, stop);
  if (newest.ok()) return *newest;
  if (newest.status().code() != Code::kNotFound)
    LogWarn("no earlier backup is copied from", {{"error", newest.status()}});
  return "";
}

Outcome OutcomeOf(const RunReport& report, bool is_refused) {
  if (is_refused) return Outcome::kRefused;
  const auto& all = report.catalogs;
  if (!report.status.ok() && all.empty()) {
    return report.status.code() == Code::kDataLoss ? Outcome::kIntegrity
                                                   : Outcome::kFailure;
  }
  if (std::ranges::any_of(all, &CatalogReport::is_refused))
    return Outcome::kRefused;
  const auto failed = std::ranges::count_if(
      all, [](const CatalogReport& c) { return !c.status.ok(); });
  if (std::ranges::any_of(all, [](const CatalogReport& c) {
        return c.status.code() == Code::kDataLoss;
      })) {
    return Outcome::kIntegrity;
  }
  if (failed != 0)
    return static_cast<std::size_t>(failed) == all.size() ? Outcome::kFailure
                                                          : Outcome::kPartial;
  if (!report.status.ok()) return Outcome::kFailure;
  return std::ranges::all_of(all, &CatalogReport::is_whole) ? Outcome::kSuccess
                                                            : Outcome::kPartial;
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
      return "success";
    case Outcome::kPartial:
      return "partial";
    case Outcome::kIntegrity:
      return "integrity";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kUsage:
    case Outcome::kFailure:
      break;
  }
  return "failure";
}

RunProgress::Catalog& RunProgress::Add(std::string name) {
  const MutexLock lock(mutex_);
  Catalog& catalog = catalogs_.emplace_back();
  catalog.name = std::move(name);
  return catalog;
}

std::vector<const RunProgress::Catalog*> RunProgress::all() const {
  const MutexLock lock(mutex_);
  std::vector<const Catalog*> all;
  for (const Catalog& catalog : catalogs_) all.push_back(&catalog);
  return all;
}

RunReport RunBackup(object_store::ObjectStore& store, const RunOptions& options,
                    const Clock& clock, const std::stop_token& outer,
                    RunProgress* progress) {
  RunReport report;
  report.started = clock.Unix();
  bool is_refused = false;
  // A lease that is lost ends it, too.
  std::stop_source source;
  const std::stop_callback follow(outer, [&] { source.request_stop(); });
  const std::stop_token stop = source.get_token();
  Mutex mutex;
  Status lost;
  const auto all = [&]() -> Status {
    auto lock = LockLocally(options.lock_file);
    is_refused = lock.status().code() == Code::kAlreadyExists;
    FODC_RETURN_IF_ERROR(lock.status());
    FODC_ASSIGN_OR_RETURN(const WorkDirectory work,
                          WorkDirectory::Make("fodc-backup", clock));
    if (!options.catalog.is_dry_run) FODC_RETURN_IF_ERROR(store.Prepare(stop));
    FODC_ASSIGN_OR_RETURN(std::vector<Snapshot> snapshots,
                          options.snapshots(stop));
    report.time_dir = TimeDirName(clock.Unix(), options.style);
    std::unique_ptr<Lease> lease;
    if (!options.catalog.is_dry_run) {
      auto taken = Lease::Take(
          store, {.time_dir = report.time_dir, .owner = options.owner}, clock,
          stop, [&](const Status& why) {
            {
              const MutexLock held(mutex);
              lost = why;
            }
            source.request_stop();
          });
      is_refused = taken.status().code() == Code::kAlreadyExists;
      FODC_RETURN_IF_ERROR(taken.status());
      lease = *std::move(taken);
    }
    FODC_RETURN_IF_ERROR(
        CheckNode(store, report.time_dir, options.catalog.node_id,
                  options.catalog.is_dry_run, stop, &is_refused));
    std::set<std::string> again;
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      const Snapshot& snapshot = snapshots[i];
      CatalogOptions catalog = options.catalog;
      catalog.work_directory = work.path();
      CatalogReport one = BackUpCatalog(
          store,
          {.time_dir = report.time_dir,
           .catalog = snapshot.catalog,
           .directory = snapshot.directory,
           .snapshot = snapshot.name,
           .partial = snapshot.partial,
           .link_from = LinkFrom(store, options.link_from, report.time_dir,
                                 snapshot.catalog, stop)},
          catalog, clock, stop, &progress->Add(snapshot.catalog).counters);
      if (stop.stop_requested()) {
        report.catalogs.push_back(std::move(one));
        return Cancelled("stopped");
      }
      // The node may have removed it while it was read: a fresh one is.
      if (one.status.code() == Code::kNotFound &&
          again.insert(snapshot.catalog).second) {
        LogWarn("a snapshot went away while it was read; another is taken",
                {{"catalog", snapshot.catalog}, {"error", one.status}});
        auto fresh = options.snapshots(stop);
        const auto same = fresh.ok()
                              ? std::ranges::find(*fresh, snapshot.catalog,
                                                  &Snapshot::catalog)
                              : std::vector<Snapshot>::iterator();
        if (fresh.ok() && same != fresh->end() &&
            same->directory != snapshot.directory) {
          snapshots[i] = *same;
          --i;
          continue;
        }
      }
      if (!one.status.ok())
        LogError("a catalog was not backed up", {{"error", one.status}});
      for (const std::string& what : one.missing)
        LogWarn("a backup lacks something",
                {{"catalog", one.catalog}, {"what", what}});
      report.catalogs.push_back(std::move(one));
    }
    return OkStatus();
  };
  report.status = all();
  {
    const MutexLock held(mutex);
    if (!lost.ok()) {
      report.status = lost;
      is_refused = true;
    }
  }
  for (const CatalogReport& catalog : report.catalogs) {
    if (report.status.ok()) report.status = catalog.status;
  }
  report.outcome = OutcomeOf(report, is_refused);
  report.ended = clock.Unix();
  return report;
}

std::string RunReport::ToJson(const RunProgress& progress) const {
  json line = {
      {"event", "backup"},
      {"result", OutcomeName(outcome)},
      {"time_dir", time_dir},
      {"started", FormatRfc3339(started, 3)},
      {"seconds", std::chrono::duration<double>(ended - started).count()},
      {"catalogs", json::array()}};
  if (!status.ok()) line["error"] = status.message();
  const auto counted = progress.all();
  for (std::size_t i = 0; i < catalogs.size(); ++i) {
    const CatalogReport& c = catalogs[i];
    json one = {{"catalog", c.catalog},
                {"snapshot", c.snapshot},
                {"orphans", c.orphans},
                {"delete_failures", c.delete_failures}};
    // One that was tried again stands there twice: the last one counts.
    for (const RunProgress::Catalog* p : counted) {
      if (p->name != c.catalog) continue;
      one["files"] = p->counters.files.load();
      one["bytes"] = p->counters.bytes.load();
      one["uploaded"] = p->counters.uploaded.load();
      one["uploaded_bytes"] = p->counters.uploaded_bytes.load();
      one["copied"] = p->counters.copied.load();
      one["failed"] = p->counters.failed.load();
      one["unchanged"] = p->counters.unchanged.load();
      one["deleted"] = p->counters.deleted.load();
      one["remote_objects"] = p->counters.remote_objects.load();
    }
    if (!c.status.ok()) one["error"] = c.status.message();
    if (!c.missing.empty()) one["missing"] = c.missing;
    line["catalogs"].push_back(std::move(one));
  }
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace fodc::backup
