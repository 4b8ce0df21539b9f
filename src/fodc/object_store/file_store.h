// SPDX-License-Identifier: Apache-2.0
// A store in a directory: each object is a file of that name.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/directory.h"
#include "fodc/base/mutex.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/pace.h"
#include "fodc/object_store/tree_walk.h"

namespace fodc::object_store {

// What is put is written under a name that listings leave out, and gets its own
// with the next Sync, once it is on the disk: many files cost one journal
// commit, and after a crash of any kind no object is half. No link below the
// directory is followed; no other file system is entered.
//
// It keeps no digests: Head and List tell none, and Get checks none.
class FileStore final : public ObjectStore {
 public:
  // Files and directories whose names begin with it are not objects.
  static constexpr std::string_view kPartPrefix = ".fodc-part-";
  // So many wait for a Sync; then Put does it.
  static constexpr std::size_t kMaxWaiting = 256;

  // `directory` is absolute; links in it are followed once, when it is opened.
  // `clock` must outlive it, and so must `bandwidth`, by which bytes are
  // written and read; null: as fast as they can be.
  FileStore(std::string directory, const Clock& clock,
            Pace* bandwidth = nullptr);
  ~FileStore() override;

  const std::string& name() const override { return name_; }
  std::uint64_t single_put_bytes() const override { return ~std::uint64_t{0}; }
  DigestKinds digest_kinds() const override { return {}; }

  Status Prepare(std::stop_token stop) override;
  bool prepares() const override { return true; }
  Result<ListPage> List(const ListRequest& request,
                        std::stop_token stop) override;
  Result<ObjectInfo> Head(std::string_view key, std::stop_token stop) override;
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override;
  Status Sync(std::stop_token stop) override;
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override;
  // Directories that are left empty go, too.
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token stop) override;
  // By a hard link: both are one file until one of them is put anew.
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token stop) override;

 private:
  using DirectoryRef = std::shared_ptr<const Directory>;
  // Written, and without its name as yet.
  struct Waiting {
    std::string key;
    DirectoryRef directory = nullptr;
    UniqueFd fd = {};
  };
  // Where the listing that ended last goes on.
  struct Cursor {
    ListRequest request = {};
    std::unique_ptr<TreeWalk> walk = nullptr;
  };

  Result<DirectoryRef> Root();
  // That of the key, which is below the root. `make`: with those above it.
  Result<DirectoryRef> DirectoryOf(std::string_view key, bool make);
  Result<DirectoryRef> MakeAt(const DirectoryRef& above, std::string_view path,
                              std::string_view name);
  Status SyncWaiting(std::vector<Waiting>* batch);
  Status SyncAll(int fd) const;
  Status SyncDirectories();
  Status PutIfAbsent(const Waiting& file);
  Status WriteBlob(const Blob& blob, int fd, std::string_view what,
                   const std::stop_token& stop);
  // Waits until so many bytes may move.
  Status Turn(std::uint64_t bytes, const std::stop_token& stop);
  std::size_t PieceBytes(std::uint64_t bytes) const;
  Status DeleteOne(std::string_view key);
  void Prune(std::string_view key);

  const std::string path_;
  const std::string name_;
  const Clock& clock_;
  Pace* const bandwidth_;
  Mutex mutex_;
  DirectoryRef root_ FODC_GUARDED_BY(mutex_);
  // The directory that was used last, which the next file is likely in.
  std::string last_path_ FODC_GUARDED_BY(mutex_);
  DirectoryRef last_ FODC_GUARDED_BY(mutex_);
  std::vector<Waiting> waiting_ FODC_GUARDED_BY(mutex_);
  // The first that made something not durable since Prepare: every Sync tells
  // it.
  Status failure_ FODC_GUARDED_BY(mutex_);
  std::set<std::string> changed_ FODC_GUARDED_BY(mutex_);  // directories
  Cursor cursor_ FODC_GUARDED_BY(mutex_);
  Mutex sync_mutex_;  // one at a time, so that a Sync waits for the one before
};

}  // namespace fodc::object_store
