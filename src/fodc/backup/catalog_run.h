// SPDX-License-Identifier: Apache-2.0
// What a backup of a catalog does in either layout: it marks the manifest,
// walks the snapshot, waits for what goes up, writes the manifest anew, and
// deletes what is too much last.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/lanes.h"
#include "fodc/backup/listing.h"
#include "fodc/backup/manifest.h"
#include "fodc/backup/orphans.h"
#include "fodc/backup/saved_manifest.h"
#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/object_store/blob.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/tree_walk.h"

namespace fodc::backup {

// A file of the new manifest, of which the digest and the place may come later.
struct Slot {
  ManifestEntry entry;
  std::atomic<bool> is_known = false;
};
using SlotRef = std::shared_ptr<Slot>;

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

// One run; used once, by one thread. Its layouts say what becomes of a file.
class CatalogRun {
 public:
  // All of them outlive it.
  CatalogRun(object_store::ObjectStore& store, const CatalogJob& job,
             const CatalogOptions& options, const Clock& clock,
             const std::stop_token& stop, CatalogCounters* counters);
  virtual ~CatalogRun() = default;
  CatalogRun(const CatalogRun&) = delete;
  CatalogRun& operator=(const CatalogRun&) = delete;

  CatalogReport Run();

 protected:
  // Once, when the manifests before are open and lanes stand.
  virtual Status Begin() = 0;
  // The walk has come to `key`; null: to its end.
  virtual Status Pass(const std::string* key) = 0;
  // A file; its slot is to be known sooner or later.
  virtual Status Take(const object_store::TreeEntry& entry,
                      const object_store::TreeWalk& walk,
                      const SlotRef& slot) = 0;
  // A file goes into the manifest, in the order of paths.
  virtual void Note(const ManifestEntry& /*entry*/) {}
  // All are in it: adds what is too much to orphans().
  virtual Status FindOrphans() { return OkStatus(); }
  // Whether what was put by a run that is broken off is found again by its
  // manifest alone.
  virtual bool needs_broken_manifest() const { return false; }
  // The new manifest is at its key.
  virtual void Committed() {}

  // Of the manifest that lies there, or of one that counts for as much.
  SavedManifest& old() { return old_; }
  // Of the time directory that is copied from.
  SavedManifest& earlier() { return earlier_; }
  Orphans& orphans() { return orphans_; }
  // The next object that is there, by its key below the catalog; counted.
  Result<std::optional<object_store::ObjectInfo>> NextRemote();
  // Its digest is known, and its bytes are up. On any thread.
  void Known(Slot* slot);
  std::string FileOf(std::string_view what) const;

  object_store::ObjectStore& store_;
  const CatalogJob& job_;
  const CatalogOptions& options_;
  const std::stop_token stop_;
  CatalogCounters& counters_;
  const std::string prefix_;  // of its objects' keys
  std::unique_ptr<Lanes> lanes_;

 private:
  ManifestHeader Header(ManifestState state) const;
  // Layout 1 seals nothing.
  const SealKey* SealedWith() const {
    return options_.layout == Layout::kBundles ? options_.key.get() : nullptr;
  }
  Status All();
  Status OpenManifests();
  Status MarkInProgress();
  Status KeepManifest(const std::string& key);
  Status Walk();
  Status Flush(std::size_t most_pending);
  Status PutFile(const std::string& key, const std::string& file,
                 const std::stop_token& stop);
  Status CheckOrphans();
  Status DeleteOrphans();
  // What a run that failed has put, for the next one; in moments, or not.
  void KeepBroken();

  const Clock& clock_;
  const UnixTime started_;
  CatalogReport report_;
  Listing listing_;
  SavedManifest old_;
  SavedManifest earlier_;
  std::optional<ManifestWriter> new_;
  bool is_ended_ = false;  // nothing is added to it any more
  Orphans orphans_;
  std::deque<SlotRef> slots_;
  // A slot is known.
  Mutex mutex_;
  CondVar known_;
  std::jthread count_;
};

}  // namespace fodc::backup
