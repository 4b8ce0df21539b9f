// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/catalog_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {
namespace {

using object_store::Digests;
using object_store::ObjectInfo;
using object_store::TreeEntry;

// Of the manifest, that wait for one that is uploaded before them.
constexpr std::size_t kMostPending = 1u << 16;
constexpr std::size_t kDeletedAtOnce = 1000;
constexpr std::size_t kMostNamed = 20;
constexpr std::chrono::seconds kBrokenTime{3};

std::int64_t MtimeOf(const struct stat& s) {
  return std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

void CountTree(const std::string& directory, const std::stop_token& stop,
               CatalogCounters* counters) {
  auto root = Directory::Open(directory);
  if (!root.ok()) return;
  object_store::TreeWalk walk(*std::move(root));
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  while (!stop.stop_requested()) {
    const auto entry = walk.Next();
    if (!entry.ok()) return;
    if (!*entry) {
      counters->total_bytes = bytes;
      counters->total_files = files;
      return;
    }
    if (!(*entry)->is_file()) continue;
    ++files;
    bytes += static_cast<std::uint64_t>((*entry)->stat.st_size);
  }
}

}  // namespace

CatalogRun::CatalogRun(object_store::ObjectStore& store, const CatalogJob& job,
                       const CatalogOptions& options, const Clock& clock,
                       const std::stop_token& stop, CatalogCounters* counters)
    : store_(store),
      job_(job),
      options_(options),
      stop_(stop),
      counters_(*counters),
      prefix_(StrCat(job.time_dir, "/", job.catalog, "/")),
      clock_(clock),
      started_(clock.Unix()),
      listing_(store, prefix_, stop),
      orphans_(FileOf("orphans")) {}

std::string CatalogRun::FileOf(std::string_view what) const {
  return StrCat(options_.work_directory, "/", job_.catalog, ".", what);
}

ManifestHeader CatalogRun::Header(ManifestState state) const {
  return {.layout = options_.layout,
          .state = state,
          .node_id = options_.node_id,
          .catalog = job_.catalog,
          .snapshot = job_.snapshot,
          .tool = options_.tool,
          .started = started_};
}

CatalogReport CatalogRun::Run() {
  report_.catalog = job_.catalog;
  report_.snapshot = job_.snapshot;
  if (!job_.partial.empty()) report_.missing.push_back(job_.partial);
  Status s = All();
  if (lanes_) {
    // Of all failures the first one is the cause.
    Status first = lanes_->Finish();
    if (!first.ok() && (s.ok() || s.code() == Code::kCancelled))
      s = std::move(first);
    lanes_.reset();
  }
  if (!s.ok() && needs_broken_manifest()) KeepBroken();
  if (stop_.stop_requested() && !s.ok()) s = Cancelled("stopped");
  report_.status = std::move(s).WithContext(job_.catalog);
  return std::move(report_);
}

Status CatalogRun::OpenManifests() {
  const SealKey* const key = options_.key.get();
  const Status s =
      old_.Open(store_, job_.time_dir, job_.catalog, FileOf("old"), stop_, key);
  if (s.code() == Code::kFailedPrecondition) {
    report_.is_refused = true;
    return s.WithContext(
        "a time directory keeps its key, and with it its layout");
  }
  FODC_RETURN_IF_ERROR(s);
  if (job_.link_from.empty()) return OkStatus();
  Status linked = earlier_.Open(store_, job_.link_from, job_.catalog,
                                FileOf("earlier"), stop_, key);
  // Keys change.
  if (linked.code() != Code::kFailedPrecondition) return linked;
  LogWarn("nothing is copied from an earlier backup", {{"error", linked}});
  return OkStatus();
}

Status CatalogRun::All() {
  FODC_RETURN_IF_ERROR(OpenManifests());
  if (options_.tells_totals) {
    count_ = std::jthread([this](const std::stop_token& stop) {
      CountTree(job_.directory, stop, &counters_);
    });
  }
  if (!options_.is_dry_run) FODC_RETURN_IF_ERROR(MarkInProgress());
  const bool is_partial = !job_.partial.empty();
  FODC_ASSIGN_OR_RETURN(new_, ManifestWriter::Create(
                                  FileOf("new"),
                                  Header(is_partial ? ManifestState::kInProgress
                                                    : ManifestState::kComplete),
                                  SealedWith()));
  lanes_ = std::make_unique<Lanes>(options_.upload_concurrency,
                                   options_.large_concurrency, stop_);
  FODC_RETURN_IF_ERROR(Begin());
  FODC_RETURN_IF_ERROR(Walk());
  FODC_RETURN_IF_ERROR(lanes_->Finish());
  FODC_RETURN_IF_ERROR(Flush(0));
  is_ended_ = true;
  FODC_RETURN_IF_ERROR(new_->Finish(clock_.Unix()));
  FODC_RETURN_IF_ERROR(FindOrphans());
  report_.orphans = orphans_.size();
  if (options_.is_dry_run) return OkStatus();
  FODC_RETURN_IF_ERROR(store_.Sync(stop_));
  FODC_RETURN_IF_ERROR(CheckOrphans());
  // A backup with something missing is none: it stays in progress.
  if (!report_.missing.empty() && !is_partial) return OkStatus();
  FODC_RETURN_IF_ERROR(
      PutFile(ManifestKey(job_.time_dir, job_.catalog), FileOf("new"), stop_));
  Committed();
  if (report_.missing.empty()) FODC_RETURN_IF_ERROR(DeleteOrphans());
  return store_.Sync(stop_);
}

// The one that is whole, beside which the mark is put.
Status CatalogRun::KeepManifest(const std::string& key) {
  const std::string kept = PreviousManifestKey(job_.time_dir, job_.catalog);
  Status s = store_.Copy(key, kept, stop_);
  if (s.code() == Code::kCancelled) return s;
  if (old_.header()->layout == Layout::kBundles) {
    // Without it nobody knows what its bundles hold: it is there to stay before
    // anything takes its place.
    if (!s.ok()) FODC_RETURN_IF_ERROR(PutFile(kept, FileOf("old"), stop_));
    return store_.Sync(stop_);
  }
  // Without it the next run reads more.
  if (!s.ok()) LogWarn("a manifest cannot be kept", {{"error", s}});
  return OkStatus();
}

Status CatalogRun::MarkInProgress() {
  const std::string key = ManifestKey(job_.time_dir, job_.catalog);
  if (old_.header() && old_.header()->state == ManifestState::kComplete)
    FODC_RETURN_IF_ERROR(KeepManifest(key));
  FODC_ASSIGN_OR_RETURN(
      ManifestWriter empty,
      ManifestWriter::Create(FileOf("mark"), Header(ManifestState::kInProgress),
                             SealedWith()));
  FODC_RETURN_IF_ERROR(empty.Finish(started_));
  FODC_RETURN_IF_ERROR(PutFile(key, FileOf("mark"), stop_));
  return store_.Sync(stop_);
}

Status CatalogRun::PutFile(const std::string& key, const std::string& file,
                           const std::stop_token& stop) {
  struct stat s {};
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok() || ::fstat(fd.get(), &s) != 0)
    return ErrnoStatus(errno, "open " + file);
  const object_store::FileBlob blob(
      std::move(fd), static_cast<std::uint64_t>(s.st_size), file);
  FODC_ASSIGN_OR_RETURN(const Digests digests,
                        DigestsOf(blob, store_.digest_kinds()));
  return store_.Put(key, blob, digests, {.stop = stop});
}

Result<std::optional<ObjectInfo>> CatalogRun::NextRemote() {
  auto next = listing_.Next();
  // The run that is meant would have made it beforehand.
  if (options_.is_dry_run && store_.prepares() &&
      next.status().code() == Code::kNotFound) {
    next = std::optional<ObjectInfo>();
  }
  FODC_ASSIGN_OR_RETURN(std::optional<ObjectInfo> info, std::move(next));
  if (info) {
    ++counters_.remote_objects;
    info->key.erase(0, prefix_.size());
  }
  return info;
}

Status CatalogRun::Walk() {
  FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(job_.directory));
  object_store::TreeWalk walk(std::move(root));
  for (;;) {
    if (stop_.stop_requested()) return Cancelled("stopped");
    FODC_ASSIGN_OR_RETURN(const std::optional<TreeEntry> entry, walk.Next());
    FODC_RETURN_IF_ERROR(Pass(entry ? &entry->key : nullptr));
    if (!entry) return OkStatus();
    if (!entry->is_file()) {
      if (report_.missing.size() < kMostNamed) {
        report_.missing.push_back(
            StrCat(ToValidUtf8(entry->key), ": it is no regular file"));
      }
      continue;
    }
    if (entry->key.size() > kMaxPathBytes) {
      return InvalidArgument(StrCat(
          "a path has ", entry->key.size(), " bytes, and may have ",
          kMaxPathBytes, ": ", ToValidUtf8(entry->key.substr(0, 64)), "…"));
    }
    const auto bytes = static_cast<std::uint64_t>(entry->stat.st_size);
    ++counters_.files;
    counters_.bytes += bytes;
    const auto slot = std::make_shared<Slot>();
    slot->entry = {
        .path = entry->key, .bytes = bytes, .mtime_ns = MtimeOf(entry->stat)};
    slots_.push_back(slot);
    FODC_RETURN_IF_ERROR(Take(*entry, walk, slot));
    FODC_RETURN_IF_ERROR(Flush(kMostPending));
  }
}

void CatalogRun::Known(Slot* slot) {
  slot->is_known = true;
  const MutexLock lock(mutex_);
  known_.NotifyAll();
}

Status CatalogRun::Flush(std::size_t most_pending) {
  for (;;) {
    while (!slots_.empty() && slots_.front()->is_known) {
      Note(slots_.front()->entry);
      FODC_RETURN_IF_ERROR(new_->Add(slots_.front()->entry));
      slots_.pop_front();
    }
    if (slots_.size() <= most_pending || slots_.empty()) return OkStatus();
    // One large file before many small ones.
    if (stop_.stop_requested()) return Cancelled("stopped");
    FODC_RETURN_IF_ERROR(lanes_->failure());
    const MutexLock lock(mutex_);
    if (!slots_.front()->is_known)
      (void)known_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
}

Status CatalogRun::CheckOrphans() {
  const std::uint64_t all = counters_.remote_objects;
  const bool is_many =
      orphans_.size() >= CatalogOptions::kMostUnasked &&
      static_cast<double>(orphans_.size()) >
          options_.max_delete_fraction * static_cast<double>(all);
  if (!is_many || options_.keep_orphans || !report_.missing.empty())
    return OkStatus();
  report_.is_refused = true;
  return FailedPrecondition(
      StrCat(orphans_.size(), " of ", all,
             " objects would be deleted; --max-delete-fraction is ",
             std::lround(100 * options_.max_delete_fraction), " %"));
}

void CatalogRun::KeepBroken() {
  if (!new_ || is_ended_ || options_.is_dry_run) return;
  // The run's own stop may be requested.
  std::stop_source late;
  const std::jthread timer([&late](const std::stop_token& stop) {
    if (WaitUnlessStopped(kBrokenTime, stop)) late.request_stop();
  });
  const auto keep = [&]() -> Status {
    for (const SlotRef& slot : slots_) {
      if (slot->is_known) FODC_RETURN_IF_ERROR(new_->Add(slot->entry));
    }
    FODC_RETURN_IF_ERROR(new_->Finish(clock_.Unix()));
    const std::string key = BrokenManifestKey(job_.time_dir, job_.catalog);
    FODC_RETURN_IF_ERROR(PutFile(key, FileOf("new"), late.get_token()));
    return store_.Sync(late.get_token());
  };
  if (const Status s = keep(); !s.ok())
    LogInfo("what was put is put again by the next run", {{"error", s}});
}

// What cannot be deleted stays: no loss, and the next run tries again.
Status CatalogRun::DeleteOrphans() {
  if (options_.keep_orphans) return OkStatus();
  for (;;) {
    FODC_ASSIGN_OR_RETURN(std::vector<std::string> some,
                          orphans_.Take(kDeletedAtOnce));
    if (some.empty()) return OkStatus();
    for (std::string& key : some) key.insert(0, prefix_);
    Status s = store_.Delete(some, stop_);
    if (s.code() == Code::kCancelled) return s;
    if (s.ok()) {
      counters_.deleted += some.size();
      continue;
    }
    ++report_.delete_failures;
    LogWarn("objects that are too much stay", {{"error", s}});
  }
}

}  // namespace fodc::backup
