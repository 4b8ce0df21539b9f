// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/verify.h"

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "fodc/backup/bundle_index.h"
#include "fodc/backup/bundle_name.h"
#include "fodc/backup/lanes.h"
#include "fodc/backup/listing.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/backup/stored_files.h"
#include "fodc/backup/time_dir.h"
#include "fodc/backup/work_directory.h"
#include "fodc/base/file.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using object_store::Digester;
using object_store::ObjectInfo;

constexpr std::size_t kMostNamed = 20;
constexpr std::string_view kMeta = "/.meta/";
constexpr std::string_view kManifestEnd = ".json";
constexpr std::size_t kMaxMarkBytes = 4096;

std::string MarkKey(std::string_view time_dir, std::string_view catalog) {
  return StrCat(time_dir, kMeta, catalog, ".verified");
}

class Verifier {
 public:
  Verifier(object_store::ObjectStore& store, const std::string& time_dir,
           const std::string& catalog, const VerifyOptions& options,
           WorkDirectory work, const std::stop_token& stop)
      : store_(store),
        time_dir_(time_dir),
        options_(options),
        stop_(stop),
        prefix_(StrCat(time_dir, "/", catalog, "/")),
        work_(std::move(work)) {
    report_.catalog = catalog;
  }

  VerifyReport Run() {
    Status s = All();
    if (lanes_) {
      const Status first = lanes_->Finish();
      if (s.ok()) s = first;
      lanes_.reset();
    }
    const MutexLock lock(mutex_);
    report_.read = read_;
    if (s.ok() && report_.problem_count > 0) {
      s = DataLoss(StrCat(
          report_.problem_count, " of ", report_.files,
          " files are not as they were backed up: ", report_.problems.front()));
    }
    report_.status = std::move(s).WithContext(report_.catalog);
    return report_;
  }

 private:
  Status All() {
    SavedManifest manifest;
    FODC_RETURN_IF_ERROR(manifest.Open(store_, time_dir_, report_.catalog,
                                       work_.File("manifest"), stop_,
                                       options_.key.get()));
    if (!manifest.header())
      return NotFound(StrCat(store_.name(), " has no manifest of ", prefix_));
    if (manifest.header()->state != ManifestState::kComplete) {
      return FailedPrecondition(
          StrCat(prefix_, ": a backup is under way, or was broken off"));
    }
    lanes_ = std::make_unique<Lanes>(options_.concurrency, 1, stop_);
    return manifest.source()->layout == Layout::kBundles ? Bundles(&manifest)
                                                         : Objects(&manifest);
  }

  Status Objects(SavedManifest* manifest) {
    Listing listing(store_, prefix_, stop_);
    FODC_ASSIGN_OR_RETURN(std::optional<ObjectInfo> there, listing.Next());
    for (;;) {
      if (stop_.stop_requested()) return Cancelled("stopped");
      FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> entry,
                            manifest->Next());
      while (there &&
             (!entry || there->key.substr(prefix_.size()) < entry->path)) {
        ++report_.extra;
        FODC_ASSIGN_OR_RETURN(there, listing.Next());
      }
      if (!entry) return OkStatus();
      ++report_.files;
      if (!there || there->key.substr(prefix_.size()) != entry->path) {
        Tell(entry->path, "it is not there");
        continue;
      }
      FODC_RETURN_IF_ERROR(Check(*entry, *there));
      FODC_ASSIGN_OR_RETURN(there, listing.Next());
    }
  }

  Status Bundles(SavedManifest* manifest) {
    Listing listing(store_, prefix_, stop_);
    BundleIndex index;
    for (;;) {
      FODC_ASSIGN_OR_RETURN(const auto there, listing.Next());
      if (!there) break;
      std::string_view name =
          std::string_view(there->key).substr(prefix_.size());
      std::optional<std::uint64_t> number;
      if (name.starts_with(kBundleDirectory))
        number = ParseBundleName(name.substr(kBundleDirectory.size()));
      if (number) {
        index.Add(*number, there->bytes);
      } else {
        ++report_.extra;
      }
    }
    StoredGroup group;
    for (;;) {
      if (stop_.stop_requested()) return Cancelled("stopped");
      FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> entry,
                            manifest->Next());
      if (!entry) break;
      ++report_.files;
      if (entry->place && !index.Has(*entry->place)) {
        Tell(*entry, "it is not there, or shorter than it was");
        continue;
      }
      if (entry->place) index.Use(*entry->place);
      if (!IsRead() || group.Add(*entry)) continue;
      FODC_RETURN_IF_ERROR(SubmitGroup(std::exchange(group, {})));
      FODC_CHECK(group.Add(*entry));
    }
    for (const BundleIndex::Bundle& bundle : index.bundles())
      report_.extra += bundle.is_used ? 0 : 1;
    return group.empty() ? OkStatus() : SubmitGroup(std::move(group));
  }

  Status SubmitGroup(StoredGroup group) {
    return lanes_->Submit(Lane::kSmall, [this, group = std::move(group)](
                                            const std::stop_token& stop) {
      BundleSink sink(this);
      return ReadStored(store_, prefix_, group.files(), options_.key.get(),
                        stop, &sink);
    });
  }

  // Hears of files as they are read.
  class BundleSink final : public StoredFileSink {
   public:
    explicit BundleSink(Verifier* verifier) : verifier_(verifier) {}
    Status Begin(const ManifestEntry& file) override {
      file_ = &file;
      return OkStatus();
    }
    Status Write(std::string_view) override { return OkStatus(); }
    Status End(const Status& came) override {
      ++verifier_->read_;
      if (!came.ok()) verifier_->Tell(*file_, came.message());
      return OkStatus();
    }

   private:
    Verifier* const verifier_;
    const ManifestEntry* file_ = nullptr;
  };

  bool IsRead() {
    return options_.reads_data && dice_(random_) < options_.sample_percent;
  }

  Status Check(const ManifestEntry& entry, const ObjectInfo& there) {
    if (there.bytes != entry.bytes) {
      Tell(entry.path,
           StrCat("it has ", there.bytes, " bytes, and had ", entry.bytes));
      return OkStatus();
    }
    if (there.sha256 && *there.sha256 != entry.sha256) {
      Tell(entry.path, "its SHA-256 is another, as the store says");
      return OkStatus();
    }
    if (!IsRead()) return OkStatus();
    return lanes_->Submit(Lane::kSmall,
                          [this, entry](const std::stop_token& stop) {
                            return Read(stop, entry);
                          });
  }

  Status Read(const std::stop_token& stop, const ManifestEntry& entry) {
    Digester digester;
    const auto got = store_.Get(prefix_ + entry.path, {.stop = stop},
                                [&digester](std::string_view piece) {
                                  digester.Update(piece);
                                  return OkStatus();
                                });
    ++read_;
    const Code code = got.status().code();
    if (code == Code::kDataLoss || code == Code::kNotFound) {
      Tell(entry.path, got.status().message());
      return OkStatus();
    }
    FODC_RETURN_IF_ERROR(got.status());
    if (digester.Finish().sha256 != entry.sha256)
      Tell(entry.path, "its bytes are not those of its SHA-256");
    return OkStatus();
  }

  // Of a file in a bundle, which is named.
  void Tell(const ManifestEntry& entry, std::string_view what) {
    if (!entry.place) return Tell(entry.path, what);
    const std::uint64_t first = entry.place->bundle;
    const std::uint64_t last = first + entry.place->bundles - 1;
    Tell(entry.path,
         StrCat(what, " (in ", prefix_, BundlePath(first),
                first == last ? "" : " to " + BundleName(last), ")"));
  }
  void Tell(const std::string& path, std::string_view what) {
    const MutexLock lock(mutex_);
    if (++report_.problem_count <= kMostNamed) {
      report_.problems.push_back(
          StrCat(prefix_, ToValidUtf8(path), ": ", what));
    }
  }

  object_store::ObjectStore& store_;
  const std::string& time_dir_;
  const VerifyOptions& options_;
  const std::stop_token stop_;
  const std::string prefix_;
  const WorkDirectory work_;
  std::mt19937_64 random_{std::random_device()()};
  std::uniform_real_distribution<> dice_{0, 100};
  std::atomic<std::uint64_t> read_ = 0;
  Mutex mutex_;
  VerifyReport report_;  // its problems: of all threads
  std::unique_ptr<Lanes> lanes_;
};

Status PutMark(object_store::ObjectStore& store, const std::string& key,
               const std::string& text, const std::stop_token& stop) {
  const object_store::MemoryBlob blob(text);
  FODC_ASSIGN_OR_RETURN(const auto digests,
                        DigestsOf(blob, store.digest_kinds()));
  FODC_RETURN_IF_ERROR(store.Put(key, blob, digests, {.stop = stop}));
  return store.Sync(stop);
}

}  // namespace

VerifyReport VerifyCatalog(object_store::ObjectStore& store,
                           const std::string& time_dir,
                           const std::string& catalog,
                           const VerifyOptions& options, const Clock& clock,
                           const std::stop_token& stop) {
  auto work = WorkDirectory::Make("fodc-verify", clock);
  if (!work.ok()) return {.catalog = catalog, .status = work.status()};
  VerifyReport report =
      Verifier(store, time_dir, catalog, options, *std::move(work), stop).Run();
  const bool is_told =
      report.status.ok() || report.status.code() == Code::kDataLoss;
  if (!is_told) return report;
  // Whoever may only read verifies, too.
  PutMark(store, MarkKey(time_dir, catalog),
          StrCat(FormatRfc3339(clock.Unix(), 0),
                 options.reads_data ? " data" : " sizes",
                 report.status.ok() ? "" : " failed"),
          stop)
      .IgnoreError();
  return report;
}

Result<std::vector<std::string>> ListTimeDirs(object_store::ObjectStore& store,
                                              const std::string& prefix,
                                              const std::stop_token& stop) {
  object_store::ListRequest request{.prefix = prefix, .delimiter = "/"};
  std::set<std::string> names;
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const object_store::ListPage page,
                          store.List(request, stop));
    for (const std::string& below : page.prefixes)
      names.insert(below.substr(0, below.find('/')));
    if (page.next_token.empty()) break;
    if (page.next_token == request.token)
      return DataLoss(StrCat(store.name(), ": list: it repeats"));
    request.token = page.next_token;
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::string> NewestWhole(object_store::ObjectStore& store,
                                const std::string& catalog,
                                const std::string& before,
                                const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListTimeDirs(store, "", stop));
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!IsTimeDirName(*name) || (!before.empty() && *name >= before)) continue;
    FODC_ASSIGN_OR_RETURN(const auto header,
                          ReadManifestHeader(store, *name, catalog, stop));
    if (header && header->state == ManifestState::kComplete) return *name;
  }
  return NotFound(
      StrCat(store.name(), " has no whole backup of ", ToValidUtf8(catalog)));
}

Result<std::vector<std::string>> ListCatalogs(object_store::ObjectStore& store,
                                              const std::string& time_dir,
                                              const std::stop_token& stop) {
  const std::string prefix = StrCat(time_dir, kMeta);
  Listing listing(store, prefix, stop);
  std::vector<std::string> catalogs;
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const auto info, listing.Next());
    if (!info) return catalogs;
    std::string_view name = std::string_view(info->key).substr(prefix.size());
    if (!name.ends_with(kManifestEnd) || name == "node.json") continue;
    name.remove_suffix(kManifestEnd.size());
    catalogs.emplace_back(name);
  }
}

Result<std::vector<StoredBackup>> ListBackups(object_store::ObjectStore& store,
                                              const std::string& time_dir,
                                              const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> catalogs,
                        ListCatalogs(store, time_dir, stop));
  std::vector<StoredBackup> backups;
  for (const std::string& name : catalogs) {
    StoredBackup& backup = backups.emplace_back();
    backup.time_dir = time_dir;
    backup.catalog = name;
    FODC_ASSIGN_OR_RETURN(const ManifestSummary manifest,
                          Summarize(store, time_dir, name, stop));
    backup.header = manifest.header;
    backup.totals = manifest.totals;
    std::string mark;
    const auto got =
        store.Get(MarkKey(time_dir, name), {.stop = stop},
                  [&mark](std::string_view piece) {
                    mark += piece.substr(0, kMaxMarkBytes - mark.size());
                    return OkStatus();
                  });
    if (got.ok()) backup.verified = ToValidUtf8(mark);
  }
  return backups;
}

}  // namespace fodc::backup
