// SPDX-License-Identifier: Apache-2.0
// Layout 2: many small files in one object, compressed and sealed if asked, so
// that neither the number of requests nor their price grows with the files.
// Bundles never change: what is no longer wanted goes with its bundle, which
// is packed anew when less than half of it is. docs/formats/backup-bundles.md.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fodc/backup/bundle_index.h"
#include "fodc/backup/bundle_name.h"
#include "fodc/backup/catalog_layouts.h"
#include "fodc/backup/catalog_run.h"
#include "fodc/backup/file_opener.h"
#include "fodc/backup/piece.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/blob.h"

namespace fodc::backup {
namespace {

using object_store::ByteSink;
using object_store::Digester;
using object_store::FileBlob;
using object_store::TreeEntry;

// Of a large file, in a bundle.
constexpr std::uint64_t kPartBytes = 64u << 20;
// In a bundle, so that what is held of them stays small, if they are empty.
constexpr std::size_t kMostFiles = 4096;
constexpr std::uint64_t kLargestGap = 1u << 24;
constexpr std::size_t kSpoolBuffer = 256u << 10;

// A bundle on its way, in a file without a name.
class Spool {
 public:
  static Result<Spool> Create(const std::string& file) {
    UniqueFd fd(
        ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.ok() || ::unlink(file.c_str()) != 0)
      return ErrnoStatus(errno, "make " + file);
    return Spool(std::move(fd), file);
  }

  Status Append(std::string_view bytes) {
    buffer_.append(bytes);
    bytes_ += bytes.size();
    return buffer_.size() < kSpoolBuffer ? OkStatus() : Flush();
  }
  std::uint64_t bytes() const { return bytes_; }
  // All of it; nothing is appended then.
  Result<std::unique_ptr<const FileBlob>> Finish() {
    FODC_RETURN_IF_ERROR(Flush());
    return std::make_unique<const FileBlob>(std::move(fd_), bytes_, name_);
  }

 private:
  Spool(UniqueFd fd, std::string name)
      : fd_(std::move(fd)), name_(std::move(name)) {}
  Status Flush() {
    Status s = WriteAll(fd_.get(), buffer_, name_);
    buffer_.clear();
    return s;
  }

  UniqueFd fd_;
  std::string name_;
  std::string buffer_;
  std::uint64_t bytes_ = 0;
};

// A file that may have to go up.
struct Work {
  SlotRef slot;
  // What the backup before has of it: if its digest is the same, it stays.
  std::optional<ManifestEntry> same = {};
};

struct Batch {
  std::vector<Work> files;
  std::uint64_t bytes = 0;
};

class BundleBackup final : public CatalogRun {
 public:
  using CatalogRun::CatalogRun;

 private:
  Status Begin() override;
  Status Pass(const std::string* key) override;
  Status Take(const TreeEntry& entry, const object_store::TreeWalk& walk,
              const SlotRef& slot) override;
  void Note(const ManifestEntry& entry) override;
  Status FindOrphans() override;
  bool needs_broken_manifest() const override { return true; }
  void Committed() override;

  Status CountLive(const std::string& file, BundleIndex* index) const;
  Status OpenBroken();
  // What is there of the path, and may stay; absent: nothing.
  Result<std::optional<ManifestEntry>> FindKnown(const std::string& path);
  Status CopyEarlier();
  void Keep(Slot* slot, const ManifestEntry& known);
  Status SubmitBatch();
  Status PutBatch(const std::stop_token& stop, const Batch& batch);
  Status PutFiles(const std::stop_token& stop, const Batch& batch);
  // Into the spool, or kept: then it is known.
  Status AddFile(const Work& work, FileOpener* opener, PieceEncoder* encoder,
                 const ByteSink& out, Spool* spool);
  Status PutLarge(const std::stop_token& stop, const Work& work, UniqueFd fd);
  Status PutParts(const std::stop_token& stop, const Work& work,
                  const FileBlob& file);
  Status PutSpool(const std::stop_token& stop, std::uint64_t number,
                  Spool* spool);
  Result<Spool> NewSpool() {
    return Spool::Create(FileOf(StrCat("spool-", next_spool_++)));
  }
  PieceForm form() const {
    return {.zstd_level = options_.bundles.zstd_level,
            .key = options_.key.get()};
  }
  std::string NameOf(const Work& work) const {
    return StrCat(job_.directory, "/", work.slot->entry.path);
  }

  BundleIndex index_;
  // What a run that was broken off has put.
  SavedManifest broken_;
  // The manifest with which files are compared; null: none of this layout.
  SavedManifest* before_ = nullptr;
  bool is_copied_ = false;  // it is another time directory's
  Batch batch_;
  std::atomic<std::uint64_t> next_number_ = 0;
  std::atomic<std::uint64_t> next_spool_ = 0;
};

// How much of each bundle the manifest in `file` knows.
Status BundleBackup::CountLive(const std::string& file,
                               BundleIndex* index) const {
  FODC_ASSIGN_OR_RETURN(ManifestReader reader,
                        ManifestReader::Open(file, options_.key.get()));
  for (;;) {
    const auto entry = reader.Next();
    // What is behind a damage is not known to Find, either.
    if (!entry.ok() || !*entry) return OkStatus();
    if ((*entry)->place) index->Count(*(*entry)->place);
  }
}

Status BundleBackup::Begin() {
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const auto there, NextRemote());
    if (!there) break;
    std::string_view name = there->key;
    std::optional<std::uint64_t> number;
    if (name.starts_with(kBundleDirectory))
      number = ParseBundleName(name.substr(kBundleDirectory.size()));
    if (number) {
      index_.Add(*number, there->bytes);
    } else {
      // Of the other layout, if it is anything.
      FODC_RETURN_IF_ERROR(orphans().Add(there->key));
    }
  }
  const auto is_ours = [](const SavedManifest& manifest) {
    return manifest.source() && manifest.source()->layout == Layout::kBundles;
  };
  if (is_ours(old())) {
    before_ = &old();
    FODC_RETURN_IF_ERROR(CountLive(FileOf("old"), &index_));
  } else if (is_ours(earlier())) {
    FODC_RETURN_IF_ERROR(CopyEarlier());
    before_ = &earlier();
    is_copied_ = true;
  }
  FODC_RETURN_IF_ERROR(OpenBroken());
  // With a gap: should another write here that has lost its lease, and does not
  // know yet, neither replaces what is the other's.
  next_number_ = std::max(next_number_.load(), index_.NextNumber()) +
                 std::random_device()() % kLargestGap;
  return OkStatus();
}

// Its bundles are there beside those of the manifest before it.
Status BundleBackup::OpenBroken() {
  const std::string file = FileOf("broken");
  const Status s = broken_.OpenBroken(store_, job_.time_dir, job_.catalog, file,
                                      stop_, options_.key.get());
  // Another key's is of no use, and nothing is lost.
  if (s.code() == Code::kFailedPrecondition) return OkStatus();
  FODC_RETURN_IF_ERROR(s);
  return broken_.source() ? CountLive(file, &index_) : OkStatus();
}

// Whole bundles, as they are, within the store.
Status BundleBackup::CopyEarlier() {
  const std::string from = StrCat(job_.link_from, "/", job_.catalog, "/");
  BundleIndex there;
  Listing listing(store_, from + std::string(kBundleDirectory), stop_);
  for (;;) {
    FODC_ASSIGN_OR_RETURN(const auto info, listing.Next());
    if (!info) break;
    const auto number = ParseBundleName(std::string_view(info->key).substr(
        from.size() + kBundleDirectory.size()));
    if (number) there.Add(*number, info->bytes);
  }
  FODC_RETURN_IF_ERROR(CountLive(FileOf("earlier"), &there));
  Mutex mutex;
  std::vector<BundleIndex::Bundle> copied;
  Lanes lanes(options_.upload_concurrency, 1, stop_);
  for (const BundleIndex::Bundle& bundle : there.bundles()) {
    if (bundle.counted < bundle.bytes / 2) continue;
    FODC_RETURN_IF_ERROR(
        lanes.Submit(Lane::kSmall, [&, bundle](const std::stop_token& stop) {
          const std::string path = BundlePath(bundle.number);
          Status s = options_.is_dry_run
                         ? OkStatus()
                         : store_.Copy(from + path, prefix_ + path, stop);
          if (s.code() == Code::kCancelled) return s;
          if (!s.ok()) {
            LogDebug("a bundle is not copied, but made anew", {{"error", s}});
            return OkStatus();
          }
          const MutexLock lock(mutex);
          copied.push_back(bundle);
          return OkStatus();
        }));
  }
  FODC_RETURN_IF_ERROR(lanes.Finish());
  // What a run that was broken off has left may have the number of another.
  BundleIndex left = std::exchange(index_, {});
  for (const BundleIndex::Bundle& bundle : copied)
    index_.Add(bundle.number, bundle.bytes);
  for (const BundleIndex::Bundle& bundle : left.bundles()) {
    next_number_ = bundle.number + 1;
    if (!there.Has({.bundle = bundle.number})) {
      index_.Add(bundle.number, bundle.bytes);
    } else if (!index_.Has({.bundle = bundle.number})) {
      FODC_RETURN_IF_ERROR(orphans().Add(BundlePath(bundle.number)));
    }
  }
  return CountLive(FileOf("earlier"), &index_);
}

Status BundleBackup::Pass(const std::string* key) {
  return key == nullptr ? SubmitBatch() : OkStatus();
}

void BundleBackup::Keep(Slot* slot, const ManifestEntry& known) {
  slot->entry.bytes = known.bytes;
  slot->entry.sha256 = known.sha256;
  slot->entry.place = known.place;
  if (is_copied_) {
    ++counters_.uploaded;
    ++counters_.copied;
  } else {
    ++counters_.unchanged;
  }
  Known(slot);
}

Result<std::optional<ManifestEntry>> BundleBackup::FindKnown(
    const std::string& path) {
  const auto may_stay = [this](const std::optional<ManifestEntry>& entry) {
    return entry && (!entry->place || (index_.Has(*entry->place) &&
                                       !index_.IsWasteful(*entry->place)));
  };
  // Both are asked for each path: they go on with it.
  FODC_ASSIGN_OR_RETURN(std::optional<ManifestEntry> newer, broken_.Find(path));
  std::optional<ManifestEntry> known;
  if (before_ != nullptr) {
    FODC_ASSIGN_OR_RETURN(known, before_->Find(path));
  }
  if (may_stay(newer)) return newer;
  if (!may_stay(known)) known.reset();
  return known;
}

Status BundleBackup::Take(const TreeEntry& entry,
                          const object_store::TreeWalk& walk,
                          const SlotRef& slot) {
  FODC_ASSIGN_OR_RETURN(std::optional<ManifestEntry> known,
                        FindKnown(entry.key));
  const bool is_as_large = known && known->bytes == slot->entry.bytes;
  const bool is_same = options_.diff == DiffMode::kName
                           ? known.has_value()
                           : is_as_large &&
                                 known->mtime_ns == slot->entry.mtime_ns &&
                                 options_.diff != DiffMode::kChecksum;
  if (is_same) {
    Keep(slot.get(), *known);
    return OkStatus();
  }
  Work work{.slot = slot};
  if (is_as_large) work.same = std::move(known);
  const std::uint64_t bytes = slot->entry.bytes;
  if (bytes <= options_.bundles.file_bytes) {
    batch_.files.push_back(std::move(work));
    batch_.bytes += bytes;
    const bool is_full = batch_.bytes >= options_.bundles.bundle_bytes ||
                         batch_.files.size() >= kMostFiles;
    return is_full ? SubmitBatch() : OkStatus();
  }
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, walk.directory().OpenFile(entry.name));
  const Lane lane = bytes < options_.large_bytes ? Lane::kSmall : Lane::kLarge;
  return lanes_->Submit(
      lane, [this, work = std::move(work),
             fd = std::move(fd)](const std::stop_token& stop) mutable {
        const InFlight in_flight(counters_.large_in_flight);
        Status s = PutLarge(stop, work, std::move(fd));
        if (!s.ok() && s.code() != Code::kCancelled) ++counters_.failed;
        return s;
      });
}

Status BundleBackup::SubmitBatch() {
  if (batch_.files.empty()) return OkStatus();
  return lanes_->Submit(Lane::kSmall, [this, batch = std::exchange(batch_, {})](
                                          const std::stop_token& stop) {
    const InFlight in_flight(counters_.small_in_flight);
    Status s = PutBatch(stop, batch);
    if (!s.ok() && s.code() != Code::kCancelled) ++counters_.failed;
    return s;
  });
}

Status BundleBackup::AddFile(const Work& work, FileOpener* opener,
                             PieceEncoder* encoder, const ByteSink& out,
                             Spool* spool) {
  ManifestEntry& entry = work.slot->entry;
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, opener->Open(entry.path));
  const FileBlob file(std::move(fd), entry.bytes, NameOf(work));
  std::string buffer(entry.bytes, '\0');
  FODC_ASSIGN_OR_RETURN(const std::size_t got,
                        file.ReadAt(0, buffer.data(), buffer.size()));
  if (got != entry.bytes)
    return FailedPrecondition(StrCat(entry.path, ": it became shorter"));
  FODC_RETURN_IF_ERROR(file.Check());
  const object_store::MemoryBlob blob(buffer);
  if (work.same || entry.bytes == 0) {
    FODC_ASSIGN_OR_RETURN(const auto digests, DigestsOf(blob, {}));
    entry.sha256 = digests.sha256;
    if (work.same && work.same->sha256 == entry.sha256) {
      Keep(work.slot.get(), *work.same);
      return OkStatus();
    }
    // Nothing of it is anywhere.
    if (entry.bytes == 0) {
      ++counters_.uploaded;
      Known(work.slot.get());
      return OkStatus();
    }
  }
  Digester digester;
  Place place{.at = spool->bytes()};
  FODC_ASSIGN_OR_RETURN(place.stored,
                        encoder->Encode(blob, 0, entry.bytes, &digester, out));
  entry.sha256 = digester.Finish().sha256;
  entry.place = place;
  return OkStatus();
}

Status BundleBackup::PutBatch(const std::stop_token& stop, const Batch& batch) {
  FODC_ASSIGN_OR_RETURN(FileOpener opener, FileOpener::Create(job_.directory));
  FODC_ASSIGN_OR_RETURN(Spool spool, NewSpool());
  PieceEncoder encoder(form());
  const ByteSink out = [&](std::string_view bytes) {
    return spool.Append(bytes);
  };
  for (const Work& work : batch.files) {
    if (stop.stop_requested()) return Cancelled("stopped");
    FODC_RETURN_IF_ERROR(AddFile(work, &opener, &encoder, out, &spool));
  }
  const std::uint64_t stored = spool.bytes();
  if (stored == 0) return OkStatus();
  const std::uint64_t number = next_number_++;
  FODC_RETURN_IF_ERROR(PutSpool(stop, number, &spool));
  for (const Work& work : batch.files) {
    if (work.slot->is_known) continue;
    work.slot->entry.place->bundle = number;
    ++counters_.uploaded;
    Known(work.slot.get());
  }
  return OkStatus();
}

Status BundleBackup::PutSpool(const std::stop_token& stop, std::uint64_t number,
                              Spool* spool) {
  FODC_ASSIGN_OR_RETURN(const auto blob, spool->Finish());
  if (!options_.is_dry_run) {
    FODC_ASSIGN_OR_RETURN(const auto digests,
                          DigestsOf(*blob, store_.digest_kinds()));
    FODC_RETURN_IF_ERROR(store_.Put(prefix_ + BundlePath(number), *blob,
                                    digests, {.stop = stop}));
  }
  counters_.uploaded_bytes += blob->bytes();
  return OkStatus();
}

Status BundleBackup::PutLarge(const std::stop_token& stop, const Work& work,
                              UniqueFd fd) {
  ManifestEntry& entry = work.slot->entry;
  const FileBlob file(std::move(fd), entry.bytes, NameOf(work));
  if (work.same) {
    FODC_ASSIGN_OR_RETURN(const auto digests, DigestsOf(file, {}));
    FODC_RETURN_IF_ERROR(file.Check());
    if (digests.sha256 == work.same->sha256) {
      Keep(work.slot.get(), *work.same);
      return OkStatus();
    }
  }
  FODC_RETURN_IF_ERROR(PutParts(stop, work, file));
  // Bytes that were never together are no backup.
  FODC_RETURN_IF_ERROR(file.Check());
  ++counters_.uploaded;
  Known(work.slot.get());
  return OkStatus();
}

Status BundleBackup::PutParts(const std::stop_token& stop, const Work& work,
                              const FileBlob& file) {
  ManifestEntry& entry = work.slot->entry;
  Place place{.bundles = (entry.bytes + kPartBytes - 1) / kPartBytes};
  place.bundle = next_number_.fetch_add(place.bundles);
  PieceEncoder encoder(form());
  Digester digester;
  for (std::uint64_t i = 0; i < place.bundles; ++i) {
    FODC_ASSIGN_OR_RETURN(Spool spool, NewSpool());
    const std::uint64_t at = i * kPartBytes;
    FODC_ASSIGN_OR_RETURN(
        const std::uint64_t stored,
        encoder.Encode(file, at, std::min(kPartBytes, entry.bytes - at),
                       &digester, [&](std::string_view bytes) {
                         return stop.stop_requested() ? Cancelled("stopped")
                                                      : spool.Append(bytes);
                       }));
    FODC_RETURN_IF_ERROR(PutSpool(stop, place.bundle + i, &spool));
    place.stored += stored;
  }
  entry.sha256 = digester.Finish().sha256;
  entry.place = place;
  return OkStatus();
}

void BundleBackup::Committed() {
  if (!broken_.source()) return;
  const std::string key = BrokenManifestKey(job_.time_dir, job_.catalog);
  store_.Delete({key}, stop_).IgnoreError();  // what it says is checked, anyway
}

void BundleBackup::Note(const ManifestEntry& entry) {
  if (entry.place) index_.Use(*entry.place);
}

Status BundleBackup::FindOrphans() {
  for (const BundleIndex::Bundle& bundle : index_.bundles()) {
    if (!bundle.is_used)
      FODC_RETURN_IF_ERROR(orphans().Add(BundlePath(bundle.number)));
  }
  return OkStatus();
}

}  // namespace

std::unique_ptr<CatalogRun> NewBundleBackup(object_store::ObjectStore& store,
                                            const CatalogJob& job,
                                            const CatalogOptions& options,
                                            const Clock& clock,
                                            const std::stop_token& stop,
                                            CatalogCounters* counters) {
  return std::make_unique<BundleBackup>(store, job, options, clock, stop,
                                        counters);
}

}  // namespace fodc::backup
