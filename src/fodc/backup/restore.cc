// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/restore.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fodc/backup/bundle_name.h"
#include "fodc/backup/file_opener.h"
#include "fodc/backup/lanes.h"
#include "fodc/backup/listing.h"
#include "fodc/backup/orphans.h"
#include "fodc/backup/restore_target.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/backup/stored_files.h"
#include "fodc/backup/time_dir.h"
#include "fodc/backup/work_directory.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/ranged_get.h"
#include "fodc/object_store/tree_walk.h"

namespace fodc::backup {
namespace {

using object_store::Digester;
using object_store::ObjectInfo;
using object_store::Sha256;
using object_store::TreeEntry;

constexpr unsigned kDirectoryMode = 0700;
constexpr std::size_t kTakenAtOnce = 1000;
constexpr std::uint64_t kMostNamed = 20;

// What a file here is to become.
struct Wanted {
  ManifestEntry entry = {};  // in layout 1, of what is known: path and bytes
  std::optional<Sha256> sha256 = {};  // as the manifest or the listing says
  UniqueFd here = {};  // layout 1, of one that is as large: its digest decides
  bool is_as_large = false;
};

// Files that are read from their bundle together.
struct WantedGroup {
  StoredGroup stored;
  std::vector<bool> is_as_large;  // of each
};

class Restore {
 public:
  Restore(object_store::ObjectStore& store, const std::string& catalog,
          const std::string& directory, const RestoreOptions& options,
          WorkDirectory work, const std::stop_token& stop,
          RestoreCounters* counters)
      : store_(store),
        catalog_(catalog),
        directory_(directory),
        options_(options),
        stop_(stop),
        counters_(*counters),
        work_(std::move(work)),
        orphans_(work_.File("orphans")) {}

  RestoreReport Run();

 private:
  bool changes_nothing() const {
    return options_.is_dry_run || options_.is_check;
  }
  Status All(const std::string& time_dir);
  // Whether the manifest's files are in bundles.
  Status FindLayout();
  Status OpenTarget(const std::string& data);
  Status Compare();
  // The next file that the backup has, in the order of paths.
  Result<std::optional<Wanted>> NextWanted();
  Result<std::optional<Wanted>> NextListed();
  Status NextEntry();
  Status Submit(Wanted wanted);
  Status SubmitGroup();
  Status Fetch(const std::stop_token& stop, Wanted* wanted);
  Status FetchGroup(const std::stop_token& stop, const WantedGroup& group);
  Result<bool> IsHere(Wanted* wanted);
  // Whether it need not be fetched: it is here, or only looked at.
  bool IsDone(const std::string& path, std::uint64_t bytes, bool is_here);
  Status Download(const std::stop_token& stop, const Wanted& wanted);
  // Into the part; what came, by its digest.
  Result<Sha256> GetWhole(const std::stop_token& stop,
                          const ManifestEntry& entry, PartFile* part);
  Result<Sha256> GetRanges(const std::stop_token& stop,
                           const ManifestEntry& entry, const PartFile& part);
  Status DeleteOrphans();

  object_store::ObjectStore& store_;
  const std::string& catalog_;
  const std::string& directory_;
  const RestoreOptions& options_;
  const std::stop_token stop_;
  RestoreCounters& counters_;
  const WorkDirectory work_;
  std::string data_;    // where files go
  std::string prefix_;  // of objects' keys
  SavedManifest manifest_;
  bool is_bundled_ = false;
  std::optional<Listing> listing_;
  Orphans orphans_;
  std::optional<RestoreTarget> target_;  // none: nothing is here
  std::unique_ptr<object_store::TreeWalk> walk_;
  std::optional<TreeEntry> entry_;
  WantedGroup group_;
  std::unique_ptr<Lanes> lanes_;
};

// Files as they come out of bundles.
class RestoredFiles final : public StoredFileSink {
 public:
  RestoredFiles(RestoreTarget& target, RestoreCounters& counters)
      : target_(target), counters_(counters) {}

  Status Begin(const ManifestEntry& file) override {
    file_ = &file;
    FODC_ASSIGN_OR_RETURN(PartFile part, target_.Create(file.path));
    part_.emplace(std::move(part));
    return OkStatus();
  }
  Status Write(std::string_view bytes) override { return part_->Write(bytes); }
  Status End(const Status& came) override {
    Status s = came.ok() ? part_->Place() : came;
    part_.reset();
    if (s.code() == Code::kDataLoss) ++counters_.mismatches;
    if (!s.ok()) return s.WithContext(ToValidUtf8(file_->path));
    ++counters_.downloaded;
    counters_.downloaded_bytes += file_->bytes;
    return OkStatus();
  }

 private:
  RestoreTarget& target_;
  RestoreCounters& counters_;
  const ManifestEntry* file_ = nullptr;
  std::optional<PartFile> part_;
};

RestoreReport Restore::Run() {
  RestoreReport report{.catalog = catalog_};
  auto asked = options_.time_dir.empty()
                   ? ReadTimeDir(directory_)
                   : Result<std::string>(options_.time_dir);
  if (asked.status().code() == Code::kNotFound) {
    LogInfo("no restore is asked for", {{"catalog", catalog_}});
    return report;
  }
  if (!asked.ok()) {
    report.status = asked.status().WithContext(catalog_);
    return report;
  }
  report.time_dir = *std::move(asked);
  Status s = All(report.time_dir);
  if (lanes_) {
    Status first = lanes_->Finish();
    if (!first.ok() && (s.ok() || s.code() == Code::kCancelled))
      s = std::move(first);
    lanes_.reset();
  }
  if (stop_.stop_requested() && !s.ok()) s = Cancelled("stopped");
  report.status = std::move(s).WithContext(catalog_);
  return report;
}

Status Restore::OpenTarget(const std::string& data) {
  if (!changes_nothing())
    FODC_RETURN_IF_ERROR(MakeDirectories(data, kDirectoryMode));
  auto target = RestoreTarget::Open(data);
  if (target.ok()) {
    target_.emplace(*std::move(target));
    FODC_ASSIGN_OR_RETURN(Directory walked, Directory::Open(data));
    walk_ = std::make_unique<object_store::TreeWalk>(std::move(walked));
    return OkStatus();
  }
  const bool is_nothing =
      changes_nothing() && target.status().code() == Code::kNotFound;
  return is_nothing ? OkStatus() : target.status();
}

Status Restore::FindLayout() {
  const auto& source = manifest_.source();
  is_bundled_ = source && source->layout == Layout::kBundles;
  if (!is_bundled_) return OkStatus();
  // That of an earlier run may name what went with a later one.
  if (manifest_.is_damaged()) {
    return DataLoss(StrCat(store_.name(), ": the manifest of ", prefix_,
                           " is damaged, and its bundles tell nothing by "
                           "themselves"));
  }
  if (source->state != ManifestState::kComplete || !manifest_.header() ||
      manifest_.header()->state != ManifestState::kComplete) {
    LogWarn(
        "a backup is under way, or was broken off: what is restored is "
        "what was whole before",
        {{"catalog", catalog_},
         {"started", FormatRfc3339(source->started, 0)}});
  }
  return OkStatus();
}

Status Restore::All(const std::string& time_dir) {
  if (!IsTimeDirName(time_dir)) {
    FODC_RETURN_IF_ERROR(object_store::CheckKey(time_dir, {}));
    if (time_dir.find('/') != time_dir.npos)
      return InvalidArgument(
          StrCat("time-dir names \"", ToValidUtf8(time_dir), "\""));
  }
  prefix_ = StrCat(time_dir, "/", catalog_, "/");
  listing_.emplace(store_, prefix_, stop_);
  FODC_RETURN_IF_ERROR(manifest_.Open(store_, time_dir, catalog_,
                                      work_.File("manifest"), stop_,
                                      options_.key.get()));
  FODC_RETURN_IF_ERROR(FindLayout());
  data_ = options_.time_dir.empty() ? directory_ + "/data" : directory_;
  FODC_RETURN_IF_ERROR(OpenTarget(data_));
  lanes_ = std::make_unique<Lanes>(options_.download_concurrency, 1, stop_);
  FODC_RETURN_IF_ERROR(Compare());
  FODC_RETURN_IF_ERROR(lanes_->Finish());
  if (options_.is_check) {
    if (counters_.mismatches == 0 && orphans_.size() == 0) return OkStatus();
    return DataLoss(StrCat(counters_.mismatches.load(), " files differ, ",
                           orphans_.size(), " are too much"));
  }
  if (options_.is_dry_run) {
    counters_.deleted += orphans_.size();
    return OkStatus();
  }
  FODC_RETURN_IF_ERROR(DeleteOrphans());
  // The names, too: only then nobody needs to ask again.
  FODC_RETURN_IF_ERROR(target_->Sync());
  return options_.time_dir.empty() ? RemoveTimeDir(directory_) : OkStatus();
}

Status Restore::NextEntry() {
  entry_.reset();
  while (walk_) {
    FODC_ASSIGN_OR_RETURN(entry_, walk_->Next());
    // Those of this run are on their way.
    if (!entry_ || !target_->IsPart(entry_->name)) break;
  }
  return OkStatus();
}

Result<std::optional<Wanted>> Restore::NextListed() {
  FODC_ASSIGN_OR_RETURN(const std::optional<ObjectInfo> info, listing_->Next());
  if (!info) return std::optional<Wanted>();
  const std::string path = info->key.substr(prefix_.size());
  if (!manifest_.source() && path.starts_with(kBundleDirectory)) {
    return FailedPrecondition(
        StrCat(store_.name(), ": ", prefix_,
               " has bundles and no manifest that tells of them: no backup of "
               "it was ever whole"));
  }
  Wanted wanted{.entry = {.path = path, .bytes = info->bytes}};
  FODC_ASSIGN_OR_RETURN(const auto known, manifest_.Find(path));
  wanted.sha256 = known && known->bytes == info->bytes
                      ? std::optional(known->sha256)
                      : info->sha256;
  return std::optional(std::move(wanted));
}

Result<std::optional<Wanted>> Restore::NextWanted() {
  if (!is_bundled_) return NextListed();
  FODC_ASSIGN_OR_RETURN(std::optional<ManifestEntry> entry, manifest_.Next());
  if (!entry) return std::optional<Wanted>();
  Wanted wanted{.entry = *std::move(entry)};
  wanted.sha256 = wanted.entry.sha256;
  return std::optional(std::move(wanted));
}

Status Restore::Compare() {
  FODC_ASSIGN_OR_RETURN(std::optional<Wanted> wanted, NextWanted());
  if (!wanted && !options_.allow_empty) {
    return NotFound(StrCat(store_.name(), " has nothing at ", prefix_,
                           ": what is here stays; --allow-empty if it is meant "
                           "to go"));
  }
  FODC_RETURN_IF_ERROR(NextEntry());
  while (wanted || entry_) {
    if (stop_.stop_requested()) return Cancelled("stopped");
    if (entry_ && (!wanted || entry_->key < wanted->entry.path)) {
      FODC_RETURN_IF_ERROR(orphans_.Add(entry_->key));
      FODC_RETURN_IF_ERROR(NextEntry());
      continue;
    }
    const std::string& path = wanted->entry.path;
    // No key leads out of the directory.
    FODC_RETURN_IF_ERROR(object_store::CheckKey(
        path, {.max_bytes = kMaxPathBytes, .is_text = false}));
    if (entry_ && entry_->key == path) {
      wanted->is_as_large = entry_->is_file() &&
                            static_cast<std::uint64_t>(entry_->stat.st_size) ==
                                wanted->entry.bytes;
      if (wanted->is_as_large && !is_bundled_) {
        FODC_ASSIGN_OR_RETURN(wanted->here,
                              walk_->directory().OpenFile(entry_->name));
      }
      FODC_RETURN_IF_ERROR(NextEntry());
    }
    FODC_RETURN_IF_ERROR(Submit(*std::move(wanted)));
    FODC_ASSIGN_OR_RETURN(wanted, NextWanted());
  }
  return SubmitGroup();
}

Status Restore::Submit(Wanted wanted) {
  if (!is_bundled_) {
    return lanes_->Submit(
        Lane::kSmall,
        [this, w = std::move(wanted)](const std::stop_token& stop) mutable {
          return Fetch(stop, &w);
        });
  }
  if (!group_.stored.Add(wanted.entry)) {
    FODC_RETURN_IF_ERROR(SubmitGroup());
    FODC_CHECK(group_.stored.Add(wanted.entry));
  }
  group_.is_as_large.push_back(wanted.is_as_large);
  return OkStatus();
}

Status Restore::SubmitGroup() {
  if (group_.stored.empty()) return OkStatus();
  return lanes_->Submit(Lane::kSmall, [this, group = std::exchange(group_, {})](
                                          const std::stop_token& stop) {
    return FetchGroup(stop, group);
  });
}

Result<bool> Restore::IsHere(Wanted* wanted) {
  if (!wanted->here.ok()) return false;
  const ManifestEntry& entry = wanted->entry;
  if (!wanted->sha256) {
    // Nothing but sizes is known: a part of a file would be taken for it.
    const auto info = store_.Head(prefix_ + entry.path, stop_);
    if (info.ok()) wanted->sha256 = info->sha256;
    if (!wanted->sha256) return false;
  }
  const object_store::FileBlob blob(std::move(wanted->here), entry.bytes,
                                    entry.path);
  FODC_ASSIGN_OR_RETURN(const object_store::Digests digests,
                        DigestsOf(blob, {}));
  return digests.sha256 == *wanted->sha256;
}

bool Restore::IsDone(const std::string& path, std::uint64_t bytes,
                     bool is_here) {
  if (is_here) {
    ++counters_.unchanged;
  } else if (options_.is_check) {
    if (++counters_.mismatches <= kMostNamed)
      LogWarn("a file differs", {{"path", ToValidUtf8(path)}});
  } else if (options_.is_dry_run) {
    ++counters_.downloaded;
    counters_.downloaded_bytes += bytes;
  } else {
    return false;
  }
  return true;
}

Status Restore::Fetch(const std::stop_token& stop, Wanted* wanted) {
  FODC_ASSIGN_OR_RETURN(const bool is_here, IsHere(wanted));
  const ManifestEntry& entry = wanted->entry;
  if (IsDone(entry.path, entry.bytes, is_here)) return OkStatus();
  Status s = Download(stop, *wanted);
  if (s.code() == Code::kDataLoss) ++counters_.mismatches;
  FODC_RETURN_IF_ERROR(s);
  ++counters_.downloaded;
  counters_.downloaded_bytes += entry.bytes;
  return OkStatus();
}

Status Restore::FetchGroup(const std::stop_token& stop,
                           const WantedGroup& group) {
  std::optional<FileOpener> opener;
  StoredGroup needed;
  std::optional<RestoredFiles> sink;
  if (target_) sink.emplace(*target_, counters_);
  const SealKey* const key = options_.key.get();
  const auto& files = group.stored.files();
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (stop.stop_requested()) return Cancelled("stopped");
    bool is_here = false;
    if (group.is_as_large[i]) {
      if (!opener) {
        FODC_ASSIGN_OR_RETURN(opener, FileOpener::Create(data_));
      }
      FODC_ASSIGN_OR_RETURN(UniqueFd fd, opener->Open(files[i].path));
      Wanted wanted{
          .entry = files[i], .sha256 = files[i].sha256, .here = std::move(fd)};
      FODC_ASSIGN_OR_RETURN(is_here, IsHere(&wanted));
    }
    if (IsDone(files[i].path, files[i].bytes, is_here)) continue;
    if (needed.Add(files[i])) continue;
    FODC_RETURN_IF_ERROR(
        ReadStored(store_, prefix_, needed.files(), key, stop, &*sink));
    needed = {};
    FODC_CHECK(needed.Add(files[i]));
  }
  if (needed.empty()) return OkStatus();
  return ReadStored(store_, prefix_, needed.files(), key, stop, &*sink);
}

Result<Sha256> Restore::GetWhole(const std::stop_token& stop,
                                 const ManifestEntry& entry, PartFile* part) {
  Digester digester;
  std::uint64_t got = 0;
  FODC_RETURN_IF_ERROR(store_
                           .Get(prefix_ + entry.path, {.stop = stop},
                                [&](std::string_view piece) {
                                  digester.Update(piece);
                                  got += piece.size();
                                  return part->Write(piece);
                                })
                           .status());
  if (got == entry.bytes) return digester.Finish().sha256;
  return DataLoss(StrCat(store_.name(), ": ", prefix_, entry.path, ": it has ",
                         got, " bytes, and had ", entry.bytes));
}

Result<Sha256> Restore::GetRanges(const std::stop_token& stop,
                                  const ManifestEntry& entry,
                                  const PartFile& part) {
  FODC_ASSIGN_OR_RETURN(const ObjectInfo info,
                        GetInRanges(store_, prefix_ + entry.path, entry.bytes,
                                    part.fd(), {.stop = stop}));
  // They came in no order, so that none could be hashed as it came.
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, part.Reopen());
  const object_store::FileBlob blob(std::move(fd), entry.bytes, entry.path);
  FODC_ASSIGN_OR_RETURN(const auto digests, DigestsOf(blob, {}));
  if (info.sha256 && *info.sha256 != digests.sha256) {
    return DataLoss(StrCat(store_.name(), ": ", prefix_, entry.path,
                           ": it is not what its SHA-256 says"));
  }
  return digests.sha256;
}

Status Restore::Download(const std::stop_token& stop, const Wanted& wanted) {
  const ManifestEntry& entry = wanted.entry;
  FODC_ASSIGN_OR_RETURN(PartFile part, target_->Create(entry.path));
  FODC_ASSIGN_OR_RETURN(const Sha256 sha256,
                        entry.bytes < options_.ranged_bytes
                            ? GetWhole(stop, entry, &part)
                            : GetRanges(stop, entry, part));
  if (wanted.sha256 && sha256 != *wanted.sha256) {
    return DataLoss(StrCat(store_.name(), ": ", prefix_, entry.path, ": its ",
                           entry.bytes,
                           " bytes are not those that were backed up"));
  }
  return part.Place();
}

Status Restore::DeleteOrphans() {
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const std::vector<std::string> some,
                          orphans_.Take(kTakenAtOnce));
    if (some.empty()) return OkStatus();
    for (const std::string& path : some) {
      FODC_RETURN_IF_ERROR(target_->Delete(path));
      ++counters_.deleted;
    }
  }
}

}  // namespace

RestoreReport RestoreCatalog(object_store::ObjectStore& store,
                             const std::string& catalog,
                             const std::string& directory,
                             const RestoreOptions& options,
                             const std::stop_token& stop,
                             RestoreCounters* counters) {
  auto work = WorkDirectory::Make("fodc-restore", SystemClock());
  if (!work.ok()) return {.catalog = catalog, .status = work.status()};
  return Restore(store, catalog, directory, options, *std::move(work), stop,
                 counters)
      .Run();
}

}  // namespace fodc::backup
