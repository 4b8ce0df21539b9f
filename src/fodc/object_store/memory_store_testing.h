// SPDX-License-Identifier: Apache-2.0
// A store in memory for tests of what stands on stores: it notes what it is
// asked, and a test may answer instead.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/object_store.h"

namespace fodc::object_store {

class MemoryStore : public ObjectStore {
 public:
  struct Object {
    std::string bytes{};
    Sha256 sha256{};
    UnixTime modified{};
  };
  // Before an operation ("put", "get", "list", …) on a key; a failure is its
  // answer. On any thread.
  using Before =
      std::function<Status(std::string_view operation, std::string_view key)>;

  explicit MemoryStore(const Clock& clock) : clock_(clock) {}

  const std::string& name() const override { return name_; }
  std::uint64_t single_put_bytes() const override { return ~std::uint64_t{0}; }
  DigestKinds digest_kinds() const override { return {}; }
  Status Prepare(std::stop_token) override { return Note("prepare", ""); }
  bool prepares() const override { return is_prepared_by_runs; }
  Status Sync(std::stop_token) override { return Note("sync", ""); }

  Result<ListPage> List(const ListRequest& r, std::stop_token) override {
    FODC_RETURN_IF_ERROR(Note("list", r.prefix));
    const MutexLock lock(mutex_);
    ListPage page;
    const std::string from = std::max(r.prefix, r.token);
    for (auto it = objects_.lower_bound(from); it != objects_.end(); ++it) {
      const auto& [key, object] = *it;
      if (!key.starts_with(r.prefix)) break;
      if (page.objects.size() + page.prefixes.size() == page_keys) {
        page.next_token = key;
        break;
      }
      const std::size_t end = r.delimiter.empty()
                                  ? key.npos
                                  : key.find(r.delimiter, r.prefix.size());
      if (end == key.npos) {
        page.objects.push_back(InfoOf(key, object));
        continue;
      }
      std::string prefix = key.substr(0, end + r.delimiter.size());
      if (page.prefixes.empty() || page.prefixes.back() != prefix)
        page.prefixes.push_back(std::move(prefix));
    }
    return page;
  }
  Result<ObjectInfo> Head(std::string_view key, std::stop_token) override {
    FODC_RETURN_IF_ERROR(Note("head", key));
    const MutexLock lock(mutex_);
    const auto it = objects_.find(std::string(key));
    if (it == objects_.end()) return NotFound(StrCat("no ", key));
    return InfoOf(it->first, it->second);
  }
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override {
    FODC_RETURN_IF_ERROR(Note("put", key));
    if (options.stop.stop_requested()) return Cancelled("stopped");
    std::string bytes(blob.bytes(), '\0');
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          blob.ReadAt(0, bytes.data(), bytes.size()));
    bytes.resize(got);
    const MutexLock lock(mutex_);
    if (options.only_if_absent && objects_.contains(std::string(key)))
      return AlreadyExists(StrCat(key, " is there"));
    objects_[std::string(key)] = {std::move(bytes), digests.sha256,
                                  clock_.Unix()};
    return OkStatus();
  }
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override {
    FODC_RETURN_IF_ERROR(Note("get", key));
    Object object;
    {
      const MutexLock lock(mutex_);
      const auto it = objects_.find(std::string(key));
      if (it == objects_.end()) return NotFound(StrCat("no ", key));
      object = it->second;
    }
    std::string_view bytes = object.bytes;
    bytes.remove_prefix(std::min<std::uint64_t>(options.offset, bytes.size()));
    if (options.bytes) bytes = bytes.substr(0, *options.bytes);
    if (!bytes.empty()) FODC_RETURN_IF_ERROR(sink(bytes));
    Digester digester;
    digester.Update(object.bytes);
    if (digester.Finish().sha256 != object.sha256)
      return DataLoss(StrCat("get ", key, ": it is not what its SHA-256 says"));
    return InfoOf(std::string(key), object);
  }
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token) override {
    for (const std::string& key : keys)
      FODC_RETURN_IF_ERROR(Note("delete", key));
    const MutexLock lock(mutex_);
    for (const std::string& key : keys) objects_.erase(key);
    return OkStatus();
  }
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token) override {
    FODC_RETURN_IF_ERROR(Note("copy", from));
    const MutexLock lock(mutex_);
    const auto it = objects_.find(std::string(from));
    if (it == objects_.end()) return NotFound(StrCat("no ", from));
    objects_[std::string(to)] = it->second;
    return OkStatus();
  }

  void set_before(Before before) {
    const MutexLock lock(mutex_);
    before_ = std::move(before);
  }
  // "put a/b", in their order.
  std::vector<std::string> Asked(std::string_view operation = {}) const {
    const MutexLock lock(mutex_);
    std::vector<std::string> asked;
    for (const std::string& a : asked_) {
      if (operation.empty() || a.starts_with(StrCat(operation, " ")))
        asked.push_back(a);
    }
    return asked;
  }
  void Forget() {
    const MutexLock lock(mutex_);
    asked_.clear();
  }
  std::map<std::string, Object> objects() const {
    const MutexLock lock(mutex_);
    return objects_;
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, object] : objects()) keys.push_back(key);
    return keys;
  }
  void Set(const std::string& key, std::string_view bytes) {
    const MutexLock lock(mutex_);
    Digester digester;
    digester.Update(bytes);
    objects_[key] = {std::string(bytes), digester.Finish().sha256,
                     clock_.Unix()};
  }
  // As a disk that rots does it.
  void Damage(const std::string& key) {
    const MutexLock lock(mutex_);
    objects_.at(key).bytes.at(0) ^= 1;
  }

  std::size_t page_keys = 3;
  bool tells_digests = false;  // in listings
  bool is_prepared_by_runs = false;

 private:
  Status Note(std::string_view operation, std::string_view key) {
    Before before;
    {
      const MutexLock lock(mutex_);
      asked_.push_back(StrCat(operation, " ", key));
      before = before_;
    }
    return before ? before(operation, key) : OkStatus();
  }
  ObjectInfo InfoOf(const std::string& key, const Object& object) const {
    ObjectInfo info{.key = key, .bytes = object.bytes.size()};
    if (tells_digests) info.sha256 = object.sha256;
    info.modified = object.modified;
    return info;
  }

  const std::string name_ = "memory://";
  const Clock& clock_;
  mutable Mutex mutex_;
  Before before_ FODC_GUARDED_BY(mutex_);
  std::map<std::string, Object> objects_ FODC_GUARDED_BY(mutex_);
  std::vector<std::string> asked_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::object_store
