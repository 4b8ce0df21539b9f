// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/ranged_get.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/unique_fd.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Each range may be changed, or fail, on its way.
class RangeStore final : public MemoryStore {
 public:
  using MemoryStore::MemoryStore;
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override {
    const int now = ++now_;
    int most = most_;
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
    Result<ObjectInfo> info = around ? around(key, options, sink)
                                     : MemoryStore::Get(key, options, sink);
    --now_;
    return info;
  }
  int most() const { return most_; }

  std::function<Result<ObjectInfo>(std::string_view, const GetOptions&,
                                   const ByteSink&)>
      around;

 private:
  std::atomic<int> now_ = 0;
  std::atomic<int> most_ = 0;
};

class RangedGetTest : public ::testing::Test {
 protected:
  RangedGetTest() {
    for (int i = 0; i < 1000; ++i)
      bytes_.push_back(static_cast<char>(i * 7 + i / 256));
    store_.Set("k", bytes_);
  }
  Status Get(std::uint64_t bytes, const RangedGetOptions& options) {
    fd_ = UniqueFd(::open(dir_.File("f").c_str(),
                          O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    return GetInRanges(store_, "k", bytes, fd_.get(), options).status();
  }
  std::string File() const { return *ReadFile(dir_.File("f")); }

  const TempDirectory dir_;
  FakeClock clock_;
  RangeStore store_{clock_};
  std::string bytes_;
  UniqueFd fd_;
};

TEST_F(RangedGetTest, PutsTheRangesWhereTheyBelong) {
  for (const std::uint64_t range :
       {1ull, 7ull, 250ull, 999ull, 1000ull, 1001ull, 64ull << 20}) {
    for (const std::size_t concurrency : {0u, 1u, 3u, 64u}) {
      store_.Forget();
      ASSERT_THAT(Get(1000, {.range_bytes = range, .concurrency = concurrency}),
                  IsOk());
      EXPECT_EQ(File(), bytes_) << range;
      EXPECT_EQ(store_.Asked("get").size(), (1000 + range - 1) / range);
    }
  }
  EXPECT_THAT(Get(1000, {.range_bytes = 0}), IsOk());
  EXPECT_EQ(File(), bytes_);
  store_.Set("k", "");
  EXPECT_THAT(Get(0, {}), IsOk());
  EXPECT_EQ(File(), "");
}

TEST_F(RangedGetTest, NoMoreThanAreAllowedAtATime) {
  ASSERT_THAT(Get(1000, {.range_bytes = 10, .concurrency = 3}), IsOk());
  EXPECT_LE(store_.most(), 3);
}

TEST_F(RangedGetTest, ARangeIsExactlyItself) {
  const auto change = [this](int by) {
    store_.around = [this, by](std::string_view key, GetOptions options,
                               const ByteSink& sink) {
      if (options.offset == 300)
        *options.bytes = static_cast<std::uint64_t>(100 + by);
      return store_.MemoryStore::Get(key, options, sink);
    };
  };
  change(-1);
  EXPECT_THAT(Get(1000, {.range_bytes = 100}),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("100 bytes from 300 on came only 99"),
                             HasSubstr("get k"))));
  change(1);
  EXPECT_THAT(Get(1000, {.range_bytes = 100, .concurrency = 1}),
              StatusIs(Code::kDataLoss, HasSubstr("came more")));
  // Nothing of it is written over its neighbour.
  EXPECT_LE(File().size(), 400U);
}

TEST_F(RangedGetTest, AnObjectOfAnotherSizeIsNotTaken) {
  for (const std::uint64_t bytes : {999u, 1001u, 1u, 0u}) {
    EXPECT_THAT(Get(bytes, {.range_bytes = 100}), StatusIs(Code::kDataLoss, _))
        << bytes;
  }
}

TEST_F(RangedGetTest, AnObjectThatIsReplacedMeanwhileIsNotMixed) {
  store_.around = [this](std::string_view key, const GetOptions& options,
                         const ByteSink& sink) {
    auto info = store_.MemoryStore::Get(key, options, sink);
    if (info.ok()) info->etag = options.offset < 500 ? "one" : "two";
    return info;
  };
  EXPECT_THAT(Get(1000, {.range_bytes = 100}),
              StatusIs(Code::kDataLoss, HasSubstr("another object")));
}

// Of one range the store itself knows the digest.
TEST_F(RangedGetTest, WhatRotIsFoundInOneRange) {
  store_.Damage("k");
  EXPECT_THAT(Get(1000, {}), StatusIs(Code::kDataLoss, HasSubstr("SHA-256")));
}

TEST_F(RangedGetTest, TheFirstFailureStopsTheOthers) {
  store_.around = [](std::string_view, const GetOptions& options,
                     const ByteSink&) -> Result<ObjectInfo> {
    if (options.offset == 100) return PermissionDenied("no");
    // The others wait until they are stopped.
    while (!options.stop.stop_requested()) std::this_thread::yield();
    return Cancelled("stopped");
  };
  EXPECT_THAT(Get(1000, {.range_bytes = 100, .concurrency = 4}),
              StatusIs(Code::kPermissionDenied, "no"));
}

TEST_F(RangedGetTest, AFileThatIsFullOrClosedFails) {
  UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_THAT(
      GetInRanges(store_, "k", 1000, full.get(), {.range_bytes = 100}).status(),
      StatusIs(Code::kResourceExhausted, _));
  EXPECT_FALSE(
      GetInRanges(store_, "k", 1000, -1, {.range_bytes = 100}).status().ok());
}

TEST_F(RangedGetTest, IsStopped) {
  std::stop_source stop;
  store_.around = [&](std::string_view key, const GetOptions& options,
                      const ByteSink& sink) -> Result<ObjectInfo> {
    if (options.offset == 200) stop.request_stop();
    if (options.stop.stop_requested()) return Cancelled("stopped");
    return store_.MemoryStore::Get(key, options, sink);
  };
  EXPECT_THAT(
      Get(1000,
          {.range_bytes = 100, .concurrency = 2, .stop = stop.get_token()}),
      StatusIs(Code::kCancelled, "stopped"));
}

}  // namespace
}  // namespace fodc::object_store
