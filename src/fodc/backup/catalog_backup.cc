// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/catalog_backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "fodc/backup/lanes.h"
#include "fodc/backup/listing.h"
#include "fodc/backup/manifest.h"
#include "fodc/backup/orphans.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/blob.h"
#include "fodc/object_store/tree_walk.h"

namespace fodc::backup {
namespace {

using object_store::Digests;
using object_store::ObjectInfo;
using object_store::Sha256;
using object_store::TreeEntry;

// What is read once, and sent from memory.
constexpr std::uint64_t kBuffered = 256u << 10;
// Of the manifest, that wait for one that is uploaded before them.
constexpr std::size_t kMostPending = 1u << 16;
constexpr std::size_t kDeletedAtOnce = 1000;
constexpr std::size_t kMostNamed = 20;

std::int64_t MtimeOf(const struct stat& s) {
  return std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

// A file of the manifest, whose digest may come later.
struct Slot {
  ManifestEntry entry;
  std::atomic<bool> is_known = false;
};
using SlotRef = std::shared_ptr<Slot>;

// A file and what is known of it elsewhere.
struct Work {
  UniqueFd fd = {};
  std::string path;  // below the catalog
  std::uint64_t bytes = 0;
  bool must_put = false;  // else its digest decides
  std::optional<Sha256> there = {};
  // Of the backup that is copied from; absent: it has none as large.
  std::optional<Sha256> elsewhere = {};
  bool is_elsewhere = false;  // and not touched since
  SlotRef slot;
};

// Counts one that is on its way.
class InFlight {
 public:
  explicit InFlight(std::atomic<std::int64_t>& count) : count_(count) {
    ++count_;
  }
  ~InFlight() { --count_; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  std::atomic<std::int64_t>& count_;
};

// So many bytes of a budget, or none.
class Share {
 public:
  Share(std::atomic<std::uint64_t>& taken, std::uint64_t most,
        std::uint64_t bytes)
      : taken_(taken), bytes_(bytes) {
    if (taken_.fetch_add(bytes) + bytes <= most) return;
    taken_ -= bytes;
    bytes_ = 0;
    is_given_ = false;
  }
  ~Share() { taken_ -= bytes_; }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  bool is_given() const { return is_given_; }

 private:
  std::atomic<std::uint64_t>& taken_;
  std::uint64_t bytes_;
  bool is_given_ = true;
};

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

class Backup {
 public:
  Backup(object_store::ObjectStore& store, const CatalogJob& job,
         const CatalogOptions& options, const Clock& clock,
         const std::stop_token& stop, CatalogCounters* counters)
      : store_(store),
        job_(job),
        options_(options),
        clock_(clock),
        stop_(stop),
        counters_(*counters),
        prefix_(StrCat(job.time_dir, "/", job.catalog, "/")),
        listing_(store, prefix_, stop),
        orphans_(FileOf("orphans")) {}

  CatalogReport Run();

 private:
  std::string FileOf(std::string_view what) const {
    return StrCat(options_.work_directory, "/", job_.catalog, ".", what);
  }
  ManifestHeader Header(ManifestState state) const {
    return {.state = state,
            .node_id = options_.node_id,
            .catalog = job_.catalog,
            .snapshot = job_.snapshot,
            .tool = options_.tool,
            .started = started_};
  }
  Status All();
  Status MarkInProgress();
  Status Compare();
  Status TakeFile(const TreeEntry& entry, const object_store::TreeWalk& walk);
  Status TakeRemote();
  Status NextRemote();
  Status Upload(const std::stop_token& stop, Work* work);
  Status UploadFile(const std::stop_token& stop, Work* work);
  // False: it must be uploaded.
  Result<bool> CopyFrom(const std::stop_token& stop, const Work& work);
  Status PutBlob(const std::stop_token& stop, const Work& work,
                 const object_store::Blob& blob, const Digests& digests);
  // It is there, put or copied; its digest is known.
  Status Done(Work* work);
  Status Known(Work* work);
  Status Flush(std::size_t most_pending);
  Status PutFile(const std::string& key, const std::string& file);
  Status CheckOrphans();
  Status DeleteOrphans();

  object_store::ObjectStore& store_;
  const CatalogJob& job_;
  const CatalogOptions& options_;
  const Clock& clock_;
  const std::stop_token stop_;
  CatalogCounters& counters_;
  const std::string prefix_;
  const UnixTime started_ = clock_.Unix();

  CatalogReport report_;
  Listing listing_;
  std::optional<ObjectInfo> remote_;
  SavedManifest old_;
  SavedManifest earlier_;  // that is copied from
  std::atomic<std::uint64_t> buffered_ = 0;
  std::optional<ManifestWriter> new_;
  Orphans orphans_;
  std::deque<SlotRef> slots_;
  // A slot has got its digest.
  Mutex mutex_;
  CondVar known_;
  std::unique_ptr<Lanes> lanes_;
  std::jthread count_;
};

CatalogReport Backup::Run() {
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
  if (stop_.stop_requested() && !s.ok()) s = Cancelled("stopped");
  report_.status = std::move(s).WithContext(job_.catalog);
  return std::move(report_);
}

Status Backup::All() {
  FODC_RETURN_IF_ERROR(
      old_.Open(store_, job_.time_dir, job_.catalog, FileOf("old"), stop_));
  if (!job_.link_from.empty()) {
    FODC_RETURN_IF_ERROR(earlier_.Open(store_, job_.link_from, job_.catalog,
                                       FileOf("earlier"), stop_));
  }
  if (options_.tells_totals) {
    count_ = std::jthread([this](const std::stop_token& stop) {
      CountTree(job_.directory, stop, &counters_);
    });
  }
  if (!options_.is_dry_run) FODC_RETURN_IF_ERROR(MarkInProgress());
  const bool is_partial = !job_.partial.empty();
  FODC_ASSIGN_OR_RETURN(
      new_, ManifestWriter::Create(
                FileOf("new"), Header(is_partial ? ManifestState::kInProgress
                                                 : ManifestState::kComplete)));
  lanes_ = std::make_unique<Lanes>(options_.upload_concurrency,
                                   options_.large_concurrency, stop_);
  FODC_RETURN_IF_ERROR(Compare());
  FODC_RETURN_IF_ERROR(lanes_->Finish());
  FODC_RETURN_IF_ERROR(Flush(0));
  FODC_RETURN_IF_ERROR(new_->Finish(clock_.Unix()));
  report_.orphans = orphans_.size();
  if (options_.is_dry_run) return OkStatus();
  FODC_RETURN_IF_ERROR(store_.Sync(stop_));
  FODC_RETURN_IF_ERROR(CheckOrphans());
  // A backup with something missing is none: it stays in progress.
  if (!report_.missing.empty() && !is_partial) return OkStatus();
  FODC_RETURN_IF_ERROR(
      PutFile(ManifestKey(job_.time_dir, job_.catalog), FileOf("new")));
  if (report_.missing.empty()) FODC_RETURN_IF_ERROR(DeleteOrphans());
  return store_.Sync(stop_);
}

Status Backup::MarkInProgress() {
  const std::string key = ManifestKey(job_.time_dir, job_.catalog);
  const bool is_complete =
      old_.header() && old_.header()->state == ManifestState::kComplete;
  if (is_complete) {
    const Status s = store_.Copy(
        key, PreviousManifestKey(job_.time_dir, job_.catalog), stop_);
    // Without it the next run reads more.
    if (!s.ok()) LogWarn("a manifest cannot be kept", {{"error", s}});
  }
  FODC_ASSIGN_OR_RETURN(
      ManifestWriter empty,
      ManifestWriter::Create(FileOf("mark"),
                             Header(ManifestState::kInProgress)));
  FODC_RETURN_IF_ERROR(empty.Finish(started_));
  FODC_RETURN_IF_ERROR(PutFile(key, FileOf("mark")));
  return store_.Sync(stop_);
}

Status Backup::PutFile(const std::string& key, const std::string& file) {
  struct stat s {};
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok() || ::fstat(fd.get(), &s) != 0)
    return ErrnoStatus(errno, "open " + file);
  const object_store::FileBlob blob(
      std::move(fd), static_cast<std::uint64_t>(s.st_size), file);
  FODC_ASSIGN_OR_RETURN(const Digests digests,
                        DigestsOf(blob, store_.digest_kinds()));
  return store_.Put(key, blob, digests, {.stop = stop_});
}

Status Backup::NextRemote() {
  auto next = listing_.Next();
  // The run that is meant would have made it beforehand.
  if (options_.is_dry_run && store_.prepares() &&
      next.status().code() == Code::kNotFound) {
    next = std::nullopt;
  }
  FODC_ASSIGN_OR_RETURN(remote_, std::move(next));
  if (remote_) {
    ++counters_.remote_objects;
    remote_->key.erase(0, prefix_.size());
  }
  return OkStatus();
}

Status Backup::TakeRemote() {
  FODC_RETURN_IF_ERROR(orphans_.Add(remote_->key));
  return NextRemote();
}

Status Backup::Compare() {
  FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(job_.directory));
  object_store::TreeWalk walk(std::move(root));
  FODC_RETURN_IF_ERROR(NextRemote());
  for (;;) {
    if (stop_.stop_requested()) return Cancelled("stopped");
    FODC_ASSIGN_OR_RETURN(const std::optional<TreeEntry> entry, walk.Next());
    while (remote_ && (!entry || remote_->key < entry->key))
      FODC_RETURN_IF_ERROR(TakeRemote());
    if (!entry) return OkStatus();
    if (!entry->is_file()) {
      if (report_.missing.size() < kMostNamed) {
        report_.missing.push_back(
            StrCat(ToValidUtf8(entry->key), ": it is no regular file"));
      }
      continue;
    }
    FODC_RETURN_IF_ERROR(TakeFile(*entry, walk));
    FODC_RETURN_IF_ERROR(Flush(kMostPending));
  }
}

Status Backup::TakeFile(const TreeEntry& entry,
                        const object_store::TreeWalk& walk) {
  if (entry.key.size() > kMaxPathBytes) {
    return InvalidArgument(StrCat("a path has ", entry.key.size(),
                                  " bytes, and may have ", kMaxPathBytes, ": ",
                                  ToValidUtf8(entry.key.substr(0, 64)), "…"));
  }
  const auto bytes = static_cast<std::uint64_t>(entry.stat.st_size);
  const std::int64_t mtime = MtimeOf(entry.stat);
  ++counters_.files;
  counters_.bytes += bytes;
  std::optional<ObjectInfo> there;
  if (remote_ && remote_->key == entry.key) {
    there = std::move(remote_);
    FODC_RETURN_IF_ERROR(NextRemote());
  }
  FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> known,
                        old_.Find(entry.key));
  FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> earlier,
                        earlier_.Find(entry.key));
  auto slot = std::make_shared<Slot>();
  slot->entry = {.path = entry.key, .bytes = bytes, .mtime_ns = mtime};
  slots_.push_back(slot);

  const bool is_as_large = there && there->bytes == bytes;
  const bool is_known = known && known->bytes == bytes;
  const bool may_stay =
      options_.diff == DiffMode::kName ? there.has_value() : is_as_large;
  // Read before, and not touched since.
  if (may_stay && is_known && known->mtime_ns == mtime &&
      options_.diff != DiffMode::kChecksum) {
    slot->entry.sha256 = known->sha256;
    slot->is_known = true;
    ++counters_.unchanged;
    return OkStatus();
  }
  Work work{.path = entry.key, .bytes = bytes, .slot = slot};
  work.must_put = !may_stay;
  if (may_stay && options_.diff == DiffMode::kSize) {
    // What is there is what the manifest says, unless the store says more.
    work.there = there->sha256 ? there->sha256
                 : is_known    ? std::optional(known->sha256)
                               : std::nullopt;
  } else if (may_stay && options_.diff == DiffMode::kChecksum) {
    work.there = there->sha256;
    if (!work.there) {
      const auto head = store_.Head(prefix_ + entry.key, stop_);
      if (head.ok()) work.there = head->sha256;
    }
    // To put it costs no more than to read it back.
    work.must_put = !work.there;
  }
  if (work.must_put && earlier && earlier->bytes == bytes) {
    work.elsewhere = earlier->sha256;
    work.is_elsewhere =
        earlier->mtime_ns == mtime && options_.diff != DiffMode::kChecksum;
  }
  FODC_ASSIGN_OR_RETURN(work.fd, walk.directory().OpenFile(entry.name));
  const Lane lane = bytes < options_.large_bytes ? Lane::kSmall : Lane::kLarge;
  return lanes_->Submit(
      lane,
      [this, work = std::make_shared<Work>(std::move(work))](
          const std::stop_token& stop) { return Upload(stop, work.get()); });
}

Status Backup::Upload(const std::stop_token& stop, Work* work) {
  const InFlight in_flight(work->bytes < options_.large_bytes
                               ? counters_.small_in_flight
                               : counters_.large_in_flight);
  Status s = UploadFile(stop, work);
  if (!s.ok() && s.code() != Code::kCancelled) ++counters_.failed;
  return s;
}

Result<bool> Backup::CopyFrom(const std::stop_token& stop, const Work& work) {
  if (options_.is_dry_run) return true;
  const std::string from =
      StrCat(job_.link_from, "/", job_.catalog, "/", work.path);
  const Status s = store_.Copy(from, prefix_ + work.path, stop);
  if (s.code() == Code::kCancelled) return s;
  if (s.ok()) {
    ++counters_.copied;
  } else {
    LogDebug("an object is not copied, but uploaded", {{"error", s}});
  }
  return s.ok();
}

Status Backup::Done(Work* work) {
  ++counters_.uploaded;
  return Known(work);
}

Status Backup::Known(Work* work) {
  work->slot->is_known = true;
  const MutexLock lock(mutex_);
  known_.NotifyAll();
  return OkStatus();
}

Status Backup::UploadFile(const std::stop_token& stop, Work* work) {
  if (work->is_elsewhere) {
    FODC_ASSIGN_OR_RETURN(const bool is_copied, CopyFrom(stop, *work));
    work->slot->entry.sha256 = *work->elsewhere;
    if (is_copied) return Done(work);
    work->elsewhere.reset();
  }
  const object_store::FileBlob file(std::move(work->fd), work->bytes,
                                    StrCat(job_.directory, "/", work->path));
  const bool is_small = work->bytes <= kBuffered;
  const Share share(buffered_, options_.max_buffer_bytes,
                    is_small ? work->bytes : 0);
  std::string buffer;
  std::optional<object_store::MemoryBlob> memory;
  if (is_small && share.is_given()) {
    buffer.resize(work->bytes);
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          file.ReadAt(0, buffer.data(), buffer.size()));
    if (got != work->bytes)
      return FailedPrecondition(StrCat(work->path, ": it became shorter"));
    memory.emplace(buffer);
  }
  const object_store::Blob& blob =
      memory ? static_cast<const object_store::Blob&>(*memory) : file;
  FODC_ASSIGN_OR_RETURN(const Digests digests,
                        DigestsOf(blob, store_.digest_kinds()));
  work->slot->entry.sha256 = digests.sha256;
  const bool is_same =
      !work->must_put && (!work->there || *work->there == digests.sha256);
  if (is_same) {
    FODC_RETURN_IF_ERROR(file.Check());
    ++counters_.unchanged;
    return Known(work);
  }
  if (work->elsewhere == digests.sha256) {
    FODC_RETURN_IF_ERROR(file.Check());
    FODC_ASSIGN_OR_RETURN(const bool is_copied, CopyFrom(stop, *work));
    if (is_copied) return Done(work);
  }
  if (!options_.is_dry_run)
    FODC_RETURN_IF_ERROR(PutBlob(stop, *work, blob, digests));
  // Bytes that were never together are no backup.
  FODC_RETURN_IF_ERROR(file.Check());
  counters_.uploaded_bytes += work->bytes;
  return Done(work);
}

Status Backup::PutBlob(const std::stop_token& stop, const Work& work,
                       const object_store::Blob& blob, const Digests& digests) {
  const std::string key = prefix_ + work.path;
  object_store::PutOptions put{.stop = stop};
  if (!options_.session_directory.empty() &&
      work.bytes >= options_.large_bytes) {
    put.session = StrCat(options_.session_directory, "/",
                         object_store::Sha256TextOf(key));
  }
  return store_.Put(key, blob, digests, put);
}

Status Backup::Flush(std::size_t most_pending) {
  for (;;) {
    while (!slots_.empty() && slots_.front()->is_known) {
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

Status Backup::CheckOrphans() {
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

// What cannot be deleted stays: no loss, and the next run tries again.
Status Backup::DeleteOrphans() {
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

}  // namespace

CatalogReport BackUpCatalog(object_store::ObjectStore& store,
                            const CatalogJob& job,
                            const CatalogOptions& options, const Clock& clock,
                            const std::stop_token& stop,
                            CatalogCounters* counters) {
  return Backup(store, job, options, clock, stop, counters).Run();
}

}  // namespace fodc::backup
