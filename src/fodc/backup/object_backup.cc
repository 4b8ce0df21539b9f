// SPDX-License-Identifier: Apache-2.0
// Layout 1: each file in an object of its own name, as the Go original has it.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fodc/backup/catalog_layouts.h"
#include "fodc/backup/catalog_run.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/blob.h"

namespace fodc::backup {
namespace {

using object_store::Digests;
using object_store::ObjectInfo;
using object_store::Sha256;
using object_store::TreeEntry;

// What is read once, and sent from memory.
constexpr std::uint64_t kBuffered = 256u << 10;

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

class ObjectBackup final : public CatalogRun {
 public:
  using CatalogRun::CatalogRun;

 private:
  Status Begin() override;
  Status Pass(const std::string* key) override;
  Status Take(const TreeEntry& entry, const object_store::TreeWalk& walk,
              const SlotRef& slot) override;
  Status Upload(const std::stop_token& stop, Work* work);
  Status UploadFile(const std::stop_token& stop, Work* work);
  // False: it must be uploaded.
  Result<bool> CopyFrom(const std::stop_token& stop, const Work& work);
  Status PutBlob(const std::stop_token& stop, const Work& work,
                 const object_store::Blob& blob, const Digests& digests);
  // It is there, put or copied; its digest is known.
  Status Done(Work* work);

  std::optional<ObjectInfo> remote_;
  std::atomic<std::uint64_t> buffered_ = 0;
};

Status ObjectBackup::Begin() {
  FODC_ASSIGN_OR_RETURN(remote_, NextRemote());
  return OkStatus();
}

Status ObjectBackup::Pass(const std::string* key) {
  while (remote_ && (key == nullptr || remote_->key < *key)) {
    FODC_RETURN_IF_ERROR(orphans().Add(remote_->key));
    FODC_ASSIGN_OR_RETURN(remote_, NextRemote());
  }
  return OkStatus();
}

Status ObjectBackup::Take(const TreeEntry& entry,
                          const object_store::TreeWalk& walk,
                          const SlotRef& slot) {
  const std::uint64_t bytes = slot->entry.bytes;
  const std::int64_t mtime = slot->entry.mtime_ns;
  std::optional<ObjectInfo> there;
  if (remote_ && remote_->key == entry.key) {
    there = std::move(remote_);
    FODC_ASSIGN_OR_RETURN(remote_, NextRemote());
  }
  FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> known,
                        old().Find(entry.key));
  FODC_ASSIGN_OR_RETURN(const std::optional<ManifestEntry> earlier,
                        earlier().Find(entry.key));

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

Status ObjectBackup::Upload(const std::stop_token& stop, Work* work) {
  const InFlight in_flight(work->bytes < options_.large_bytes
                               ? counters_.small_in_flight
                               : counters_.large_in_flight);
  Status s = UploadFile(stop, work);
  if (!s.ok() && s.code() != Code::kCancelled) ++counters_.failed;
  return s;
}

Result<bool> ObjectBackup::CopyFrom(const std::stop_token& stop,
                                    const Work& work) {
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

Status ObjectBackup::Done(Work* work) {
  ++counters_.uploaded;
  Known(work->slot.get());
  return OkStatus();
}

Status ObjectBackup::UploadFile(const std::stop_token& stop, Work* work) {
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
    Known(work->slot.get());
    return OkStatus();
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

Status ObjectBackup::PutBlob(const std::stop_token& stop, const Work& work,
                             const object_store::Blob& blob,
                             const Digests& digests) {
  const std::string key = prefix_ + work.path;
  object_store::PutOptions put{.stop = stop};
  if (!options_.session_directory.empty() &&
      work.bytes >= options_.large_bytes) {
    put.session = StrCat(options_.session_directory, "/",
                         object_store::Sha256TextOf(key));
  }
  return store_.Put(key, blob, digests, put);
}

}  // namespace

std::unique_ptr<CatalogRun> NewObjectBackup(object_store::ObjectStore& store,
                                            const CatalogJob& job,
                                            const CatalogOptions& options,
                                            const Clock& clock,
                                            const std::stop_token& stop,
                                            CatalogCounters* counters) {
  return std::make_unique<ObjectBackup>(store, job, options, clock, stop,
                                        counters);
}

}  // namespace fodc::backup
