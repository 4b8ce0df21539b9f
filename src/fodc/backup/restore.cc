// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/restore.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "fodc/backup/lanes.h"
#include "fodc/backup/listing.h"
#include "fodc/backup/orphans.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/backup/time_dir.h"
#include "fodc/base/directory.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/tree_walk.h"

namespace fodc::backup {
namespace {

using object_store::Digester;
using object_store::ObjectInfo;
using object_store::Sha256;
using object_store::TreeEntry;

constexpr unsigned kDirectoryMode = 0700;
constexpr unsigned kFileMode = 0600;
constexpr std::string_view kPartPrefix = ".fodc-restore-";
constexpr std::size_t kTakenAtOnce = 1000;

std::string NewRunId() {
  std::random_device random;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

// What a file here is to become.
struct Wanted {
  std::string path;
  std::uint64_t bytes = 0;
  std::optional<Sha256> sha256 = {};  // as the manifest or the listing says
  UniqueFd here = {};  // of one that is as large: its digest decides
};

class Restore {
 public:
  Restore(object_store::ObjectStore& store, const std::string& catalog,
          const std::string& directory, const RestoreOptions& options,
          const std::stop_token& stop, RestoreCounters* counters)
      : store_(store),
        catalog_(catalog),
        directory_(directory),
        options_(options),
        stop_(stop),
        counters_(*counters),
        orphans_(work_.File("orphans")) {}

  RestoreReport Run();

 private:
  bool changes_nothing() const {
    return options_.is_dry_run || options_.is_check;
  }
  Status All(const std::string& time_dir);
  Status Compare(Listing* listing);
  Status Take(const ObjectInfo& info, std::optional<TreeEntry>* entry);
  Status NextEntry();
  Status Fetch(const std::stop_token& stop, Wanted* wanted);
  Result<bool> IsHere(Wanted* wanted);
  Status Download(const std::stop_token& stop, const Wanted& wanted);
  // That of the path's directory, made if need be.
  Result<Directory> DirectoryOf(std::string_view path);
  Status Place(const Directory& directory, const std::string& part,
               const std::string& name);
  Status RemoveTree(const Directory& above, const std::string& name);
  Status DeleteOrphans();
  Status DeleteOne(const std::string& path);

  object_store::ObjectStore& store_;
  const std::string& catalog_;
  const std::string& directory_;
  const RestoreOptions& options_;
  const std::stop_token stop_;
  RestoreCounters& counters_;
  const TempDirectory work_{"fodc-restore"};
  const std::string parts_ = StrCat(kPartPrefix, NewRunId(), "-");
  std::atomic<std::uint64_t> next_part_ = 0;
  std::string prefix_;
  SavedManifest manifest_;
  Orphans orphans_;
  std::optional<Directory> root_;
  std::unique_ptr<object_store::TreeWalk> walk_;  // null: nothing is here
  std::optional<TreeEntry> entry_;
  std::unique_ptr<Lanes> lanes_;
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

Status Restore::All(const std::string& time_dir) {
  if (!IsTimeDirName(time_dir)) {
    FODC_RETURN_IF_ERROR(object_store::CheckKey(time_dir, {}));
    if (time_dir.find('/') != time_dir.npos)
      return InvalidArgument(
          StrCat("time-dir names \"", ToValidUtf8(time_dir), "\""));
  }
  prefix_ = StrCat(time_dir, "/", catalog_, "/");
  Listing listing(store_, prefix_, stop_);
  FODC_RETURN_IF_ERROR(manifest_.Open(store_, time_dir, catalog_,
                                      work_.File("manifest"), stop_));
  const std::string data =
      options_.time_dir.empty() ? directory_ + "/data" : directory_;
  if (!changes_nothing())
    FODC_RETURN_IF_ERROR(MakeDirectories(data, kDirectoryMode));
  auto root = Directory::Open(data);
  if (root.ok()) {
    root_ = *std::move(root);
    FODC_ASSIGN_OR_RETURN(Directory walked, Directory::Open(data));
    walk_ = std::make_unique<object_store::TreeWalk>(std::move(walked));
  } else if (!changes_nothing() || root.status().code() != Code::kNotFound) {
    return root.status();
  }
  lanes_ = std::make_unique<Lanes>(options_.download_concurrency, 1, stop_);
  FODC_RETURN_IF_ERROR(Compare(&listing));
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
  if (::syncfs(root_->fd()) != 0) return ErrnoStatus(errno, "sync " + data);
  return options_.time_dir.empty() ? RemoveTimeDir(directory_) : OkStatus();
}

Status Restore::NextEntry() {
  entry_.reset();
  while (walk_) {
    FODC_ASSIGN_OR_RETURN(entry_, walk_->Next());
    // Those of this run are on their way.
    if (!entry_ || !entry_->name.starts_with(parts_)) break;
  }
  return OkStatus();
}

Status Restore::Compare(Listing* listing) {
  FODC_ASSIGN_OR_RETURN(std::optional<ObjectInfo> remote, listing->Next());
  if (!remote && !options_.allow_empty) {
    return NotFound(StrCat(store_.name(), " has nothing at ", prefix_,
                           ": what is here stays; --allow-empty if it is meant "
                           "to go"));
  }
  FODC_RETURN_IF_ERROR(NextEntry());
  while (remote || entry_) {
    if (stop_.stop_requested()) return Cancelled("stopped");
    const std::string path =
        remote ? remote->key.substr(prefix_.size()) : std::string();
    if (entry_ && (!remote || entry_->key < path)) {
      FODC_RETURN_IF_ERROR(orphans_.Add(entry_->key));
      FODC_RETURN_IF_ERROR(NextEntry());
      continue;
    }
    // No key leads out of the directory.
    FODC_RETURN_IF_ERROR(object_store::CheckKey(
        path, {.max_bytes = kMaxPathBytes, .is_text = false}));
    Wanted wanted{.path = path, .bytes = remote->bytes};
    FODC_ASSIGN_OR_RETURN(const auto known, manifest_.Find(path));
    wanted.sha256 = known && known->bytes == remote->bytes
                        ? std::optional(known->sha256)
                        : remote->sha256;
    if (entry_ && entry_->key == path) {
      if (entry_->is_file() &&
          static_cast<std::uint64_t>(entry_->stat.st_size) == remote->bytes) {
        FODC_ASSIGN_OR_RETURN(wanted.here,
                              walk_->directory().OpenFile(entry_->name));
      }
      FODC_RETURN_IF_ERROR(NextEntry());
    }
    FODC_RETURN_IF_ERROR(lanes_->Submit(
        Lane::kSmall,
        [this, w = std::make_shared<Wanted>(std::move(wanted))](
            const std::stop_token& stop) { return Fetch(stop, w.get()); }));
    FODC_ASSIGN_OR_RETURN(remote, listing->Next());
  }
  return OkStatus();
}

Result<bool> Restore::IsHere(Wanted* wanted) {
  if (!wanted->here.ok()) return false;
  if (!wanted->sha256) {
    // Nothing but sizes is known: a part of a file would be taken for it.
    const auto info = store_.Head(prefix_ + wanted->path, stop_);
    if (info.ok()) wanted->sha256 = info->sha256;
    if (!wanted->sha256) return false;
  }
  const object_store::FileBlob blob(std::move(wanted->here), wanted->bytes,
                                    wanted->path);
  FODC_ASSIGN_OR_RETURN(const object_store::Digests digests,
                        DigestsOf(blob, {}));
  return digests.sha256 == *wanted->sha256;
}

Status Restore::Fetch(const std::stop_token& stop, Wanted* wanted) {
  FODC_ASSIGN_OR_RETURN(const bool is_here, IsHere(wanted));
  if (is_here) {
    ++counters_.unchanged;
    return OkStatus();
  }
  if (options_.is_check) {
    if (++counters_.mismatches <= 20)
      LogWarn("a file differs", {{"path", ToValidUtf8(wanted->path)}});
    return OkStatus();
  }
  if (!options_.is_dry_run) FODC_RETURN_IF_ERROR(Download(stop, *wanted));
  ++counters_.downloaded;
  counters_.downloaded_bytes += wanted->bytes;
  return OkStatus();
}

Result<Directory> Restore::DirectoryOf(std::string_view path) {
  FODC_ASSIGN_OR_RETURN(Directory at, Directory::Open(root_->path()));
  for (;;) {
    const std::size_t slash = path.find('/');
    if (slash == path.npos) return at;
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash + 1);
    Status made = at.MakeDirectory(name, kDirectoryMode);
    auto below = at.OpenDirectory(name);
    if (!below.ok() && made.code() == Code::kAlreadyExists) {
      // A file of another time: what is wanted has one of that name no more.
      FODC_RETURN_IF_ERROR(at.RemoveFile(name));
      made = at.MakeDirectory(name, kDirectoryMode);
      below = at.OpenDirectory(name);
    }
    if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
    if (!below.ok()) return below.status();
    at = *std::move(below);
  }
}

Status Restore::Download(const std::stop_token& stop, const Wanted& wanted) {
  FODC_ASSIGN_OR_RETURN(const Directory directory, DirectoryOf(wanted.path));
  const std::string name = wanted.path.substr(wanted.path.rfind('/') + 1);
  const std::string part = StrCat(parts_, next_part_++);
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd,
                        directory.CreateFile(part, kFileMode));
  const std::string key = prefix_ + wanted.path;
  const auto fetch = [&]() -> Status {
    Digester digester;
    std::uint64_t got = 0;
    FODC_RETURN_IF_ERROR(store_
                             .Get(key, {.stop = stop},
                                  [&](std::string_view piece) {
                                    digester.Update(piece);
                                    got += piece.size();
                                    return WriteAll(fd.get(), piece,
                                                    wanted.path);
                                  })
                             .status());
    const Sha256 sha256 = digester.Finish().sha256;
    if (got != wanted.bytes || (wanted.sha256 && sha256 != *wanted.sha256)) {
      return DataLoss(StrCat(store_.name(), ": ", key, ": its ", got,
                             " bytes are not those that were backed up"));
    }
    if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "sync " + part);
    return Place(directory, part, name);
  };
  Status s = fetch();
  if (s.ok()) return s;
  if (s.code() == Code::kDataLoss) ++counters_.mismatches;
  directory.RemoveFile(part).IgnoreError();
  return s;
}

Status Restore::Place(const Directory& directory, const std::string& part,
                      const std::string& name) {
  Status s = directory.Rename(part, name);
  if (s.ok()) return s;
  const auto there = directory.Stat(name);
  if (!there.ok() || !S_ISDIR(there->st_mode)) return s;
  // A directory of another time.
  FODC_RETURN_IF_ERROR(RemoveTree(directory, name));
  return directory.Rename(part, name);
}

Status Restore::RemoveTree(const Directory& above, const std::string& name) {
  constexpr std::size_t kAll = ~std::size_t{0};
  FODC_ASSIGN_OR_RETURN(const Directory here, above.OpenDirectory(name));
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names, here.List(kAll));
  for (const std::string& below : names) {
    FODC_ASSIGN_OR_RETURN(const struct stat s, here.Stat(below));
    FODC_RETURN_IF_ERROR(S_ISDIR(s.st_mode) ? RemoveTree(here, below)
                                            : here.RemoveFile(below));
  }
  return above.RemoveDirectory(name);
}

Status Restore::DeleteOrphans() {
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const std::vector<std::string> some,
                          orphans_.Take(kTakenAtOnce));
    if (some.empty()) return OkStatus();
    for (const std::string& path : some) {
      FODC_RETURN_IF_ERROR(DeleteOne(path));
      ++counters_.deleted;
    }
  }
}

// With the directories that it leaves empty.
Status Restore::DeleteOne(const std::string& path) {
  std::vector<Directory> above;
  FODC_ASSIGN_OR_RETURN(Directory at, Directory::Open(root_->path()));
  above.push_back(std::move(at));
  const std::vector<std::string_view> names = Split(path, '/');
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    auto below = above.back().OpenDirectory(names[i]);
    // It went with what stood in a wanted file's place.
    if (!below.ok()) return OkStatus();
    above.push_back(*std::move(below));
  }
  const auto there = above.back().Stat(names.back());
  if (!there.ok() || S_ISDIR(there->st_mode)) return OkStatus();
  FODC_RETURN_IF_ERROR(above.back().RemoveFile(names.back()));
  for (std::size_t i = names.size() - 1; i > 0; --i) {
    if (!above[i - 1].RemoveDirectory(names[i - 1]).ok()) break;
  }
  return OkStatus();
}

}  // namespace

RestoreReport RestoreCatalog(object_store::ObjectStore& store,
                             const std::string& catalog,
                             const std::string& directory,
                             const RestoreOptions& options,
                             const std::stop_token& stop,
                             RestoreCounters* counters) {
  return Restore(store, catalog, directory, options, stop, counters).Run();
}

}  // namespace fodc::backup
