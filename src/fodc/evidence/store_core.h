// SPDX-License-Identifier: Apache-2.0
// For this room only: what a store and the writers it gave out share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/directory.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace fodc::evidence {

// What one event may still take of the disk. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t bytes) : left_(bytes) {}

  std::uint64_t left_bytes() const { return left_.load(); }
  // How many of `bytes` there are; they are taken from it.
  std::uint64_t Take(std::uint64_t bytes);
  void GiveBack(std::uint64_t bytes) { left_.fetch_add(bytes); }

 private:
  std::atomic<std::uint64_t> left_;
};

// What an event is in use for. It is written by one at a time, marked by any
// number, and deleted by one alone.
enum class Use : unsigned char { kWrite, kMark, kDelete };

// Thread-safe.
class StoreCore {
 public:
  StoreCore(Directory root, std::uint64_t keep_free_bytes)
      : path_(root.path()),
        keep_free_bytes_(keep_free_bytes),
        root_(std::make_shared<const Directory>(std::move(root))) {}

  // The root; made anew if somebody removed it.
  Result<std::shared_ptr<const Directory>> Root();

  const std::string& path() const { return path_; }
  std::uint64_t keep_free_bytes() const { return keep_free_bytes_; }

  // Of `free_bytes`, which are there beside those that stay free, what an event
  // gets that wants `max_bytes`. What others were granted and have not taken
  // yet is theirs; of what is scarce half is left for an event that begins
  // beside it. Errors: kResourceExhausted if `min_bytes` are not to be had.
  Result<std::shared_ptr<ByteBudget>> Grant(std::uint64_t free_bytes,
                                            std::uint64_t max_bytes,
                                            std::uint64_t min_bytes);

  // Errors: kUnavailable if it is in use otherwise. Else Release is due.
  Status Claim(std::string_view id, Use use);
  void Release(std::string_view id, Use use);
  bool IsBusy(std::string_view id) const;

 private:
  struct Uses {
    int writers = 0;
    int markers = 0;
    int deleters = 0;
  };
  static int* CountOf(Use use, Uses* uses);

  const std::string path_;
  const std::uint64_t keep_free_bytes_;
  mutable Mutex mutex_;
  std::shared_ptr<const Directory> root_ FODC_GUARDED_BY(mutex_);
  std::map<std::string, Uses, std::less<>> uses_ FODC_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<const ByteBudget>> granted_ FODC_GUARDED_BY(mutex_);
};

// Holds what Claim gave. Movable.
class Claimed {
 public:
  static Result<Claimed> Make(StoreCore* core, std::string_view id, Use use) {
    FODC_RETURN_IF_ERROR(core->Claim(id, use));
    return Claimed(core, id, use);
  }
  Claimed(Claimed&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)),
        id_(std::move(other.id_)),
        use_(other.use_) {}
  Claimed& operator=(Claimed&&) = delete;
  ~Claimed() {
    if (core_ != nullptr) core_->Release(id_, use_);
  }
  // Somebody else releases it.
  void Leave() { core_ = nullptr; }

 private:
  Claimed(StoreCore* core, std::string_view id, Use use)
      : core_(core), id_(id), use_(use) {}

  StoreCore* core_;
  std::string id_;
  Use use_;
};

}  // namespace fodc::evidence
