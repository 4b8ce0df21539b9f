// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/ranged_get.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

Status WriteAt(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n =
        ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ErrnoStatus(n < 0 ? errno : ENOSPC, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return OkStatus();
}

// One object on its way. Its functions are called by several threads.
class Fetch {
 public:
  Fetch(ObjectStore& store, std::string_view key, std::uint64_t bytes, int fd,
        const RangedGetOptions& options)
      : store_(store),
        key_(key),
        bytes_(bytes),
        fd_(fd),
        range_bytes_(std::max<std::uint64_t>(options.range_bytes, 1)) {}

  std::uint64_t ranges() const {
    return std::max<std::uint64_t>(
        1, bytes_ / range_bytes_ + (bytes_ % range_bytes_ == 0 ? 0 : 1));
  }

  // Until there are no more ranges.
  void Run() {
    while (const auto range = Take()) {
      auto info = GetRange(*range);
      if (info.ok()) {
        Compare(*std::move(info));
      } else {
        Fail(std::move(info).status());
      }
    }
  }

  void Stop() { stop_.request_stop(); }

  Result<ObjectInfo> Finish(const std::stop_token& stop) {
    const MutexLock lock(mutex_);
    // What was stopped from without may have failed of that in any way.
    if (!failure_.ok() && stop.stop_requested()) return Cancelled("stopped");
    if (!failure_.ok()) return failure_;
    if (stop.stop_requested() && done_ != ranges()) return Cancelled("stopped");
    return *std::move(info_);
  }

 private:
  std::optional<Range> Take() {
    const MutexLock lock(mutex_);
    if (taken_ == ranges() || !failure_.ok() ||
        stop_.get_token().stop_requested()) {
      return {};
    }
    const std::uint64_t offset = taken_++ * range_bytes_;
    return Range{.offset = offset,
                 .bytes = std::min(range_bytes_, bytes_ - offset)};
  }

  Result<ObjectInfo> GetRange(const Range& range) {
    GetOptions options{.stop = stop_.get_token(), .offset = range.offset};
    // A whole is compared with its digest by the store.
    if (ranges() > 1) options.bytes = range.bytes;
    std::uint64_t got = 0;
    const auto sink = [&](std::string_view piece) -> Status {
      // Not over the range behind it.
      if (piece.size() > range.bytes - got) return Wrong(range, "more");
      FODC_RETURN_IF_ERROR(WriteAt(fd_, piece, range.offset + got));
      got += piece.size();
      return OkStatus();
    };
    FODC_ASSIGN_OR_RETURN(ObjectInfo info, store_.Get(key_, options, sink));
    if (got != range.bytes) return Wrong(range, StrCat("only ", got));
    return info;
  }

  void Compare(ObjectInfo info) {
    Status failure;
    {
      const MutexLock lock(mutex_);
      ++done_;
      if (info.bytes != bytes_) {
        failure = DataLoss(StrCat(store_.name(), ": get ", key_, ": it has ",
                                  info.bytes, " bytes, not ", bytes_));
      } else if (!info_) {
        info_ = std::move(info);
      } else if (info.etag != info_->etag || info.sha256 != info_->sha256) {
        failure = DataLoss(StrCat(store_.name(), ": get ", key_,
                                  ": it is another object by now"));
      }
    }
    if (!failure.ok()) Fail(std::move(failure));
  }

  Status Wrong(const Range& range, std::string_view came) const {
    return DataLoss(StrCat(store_.name(), ": get ", key_, ": of ", range.bytes,
                           " bytes from ", range.offset, " on came ", came));
  }

  // The first one counts: it stops the others.
  void Fail(Status failure) {
    {
      const MutexLock lock(mutex_);
      if (failure_.ok()) failure_ = std::move(failure);
    }
    stop_.request_stop();
  }

  ObjectStore& store_;
  const std::string key_;
  const std::uint64_t bytes_;
  const int fd_;
  const std::uint64_t range_bytes_;
  std::stop_source stop_;
  Mutex mutex_;
  std::uint64_t taken_ FODC_GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ FODC_GUARDED_BY(mutex_) = 0;
  Status failure_ FODC_GUARDED_BY(mutex_);
  std::optional<ObjectInfo> info_ FODC_GUARDED_BY(mutex_);
};

}  // namespace

Result<ObjectInfo> GetInRanges(ObjectStore& store, std::string_view key,
                               std::uint64_t bytes, int fd,
                               const RangedGetOptions& options) {
  Fetch fetch(store, key, bytes, fd, options);
  const std::stop_callback stops(options.stop, [&fetch] { fetch.Stop(); });
  const std::uint64_t threads =
      std::min<std::uint64_t>(options.concurrency, fetch.ranges());
  {
    std::vector<std::jthread> others;
    for (std::uint64_t i = 1; i < threads; ++i)
      others.emplace_back([&fetch] { fetch.Run(); });
    fetch.Run();
  }
  return fetch.Finish(options.stop);
}

}  // namespace fodc::object_store
