// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/byte_pipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <future>
#include <mutex>

#include "fodc/base/status_matchers.h"

namespace fodc::proxy {
namespace {

// All up to the end, or why there is none.
Result<std::string> ReadAll(BytePipe* pipe, std::size_t piece) {
  std::string all;
  std::string buffer(piece, '\0');
  for (;;) {
    const auto n = pipe->Read(buffer);
    if (!n.ok()) return n.status();
    if (*n == 0) return all;
    all.append(buffer, 0, *n);
  }
}

TEST(BytePipeTest, GivesWhatWasPushedInItsOrder) {
  BytePipe pipe(100, [] {});
  EXPECT_TRUE(pipe.HasRoom());
  pipe.Push("abc");
  pipe.Push("");
  pipe.Push("defgh");
  pipe.Close(OkStatus());
  EXPECT_FALSE(pipe.HasRoom());
  pipe.Push("late");
  EXPECT_THAT(ReadAll(&pipe, 2), IsOkAndHolds("abcdefgh"));
}

TEST(BytePipeTest, SaysWhenThereIsRoomAgainOnce) {
  int told = 0;
  BytePipe pipe(4, [&] { ++told; });
  std::array<char, 3> buffer{};
  pipe.Push("abcdef");
  EXPECT_FALSE(pipe.HasRoom());
  EXPECT_THAT(pipe.Read(buffer), IsOkAndHolds(3u));
  EXPECT_EQ(told, 1);
  EXPECT_THAT(pipe.Read(buffer), IsOkAndHolds(3u));
  EXPECT_EQ(told, 1) << "nobody has asked since";
  EXPECT_TRUE(pipe.HasRoom());
}

TEST(BytePipeTest, AFailureDropsWhatWasNotRead) {
  BytePipe pipe(100, [] {});
  pipe.Push("abc");
  pipe.Close(DataLoss("cut"));
  pipe.Close(OkStatus());
  std::array<char, 8> buffer{};
  EXPECT_THAT(pipe.Read(buffer), StatusIs(Code::kDataLoss, "cut"));
  EXPECT_THAT(pipe.Read(buffer), StatusIs(Code::kDataLoss, "cut"));
}

TEST(BytePipeTest, AReaderThatWaitsHearsOfTheEnd) {
  BytePipe pipe(100, [] {});
  auto read = std::async(std::launch::async, [&] { return ReadAll(&pipe, 8); });
  pipe.Close(Cancelled("stopped"));
  EXPECT_THAT(read.get(), StatusIs(Code::kCancelled, "stopped"));
}

TEST(BytePipeTest, NeverHoldsMoreThanItsCapacityAndAPiece) {
  constexpr std::size_t kPieces = 2000;
  std::mutex mutex;
  std::condition_variable changed;
  bool has_room = true;
  BytePipe pipe(1000, [&] {
    const std::lock_guard lock(mutex);
    has_room = true;
    changed.notify_one();
  });
  auto read =
      std::async(std::launch::async, [&] { return ReadAll(&pipe, 333); });
  std::string all;
  for (std::size_t i = 0; i < kPieces; ++i) {
    while (!pipe.HasRoom()) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return has_room; });
      has_room = false;
    }
    const std::string piece(1 + i % 700, static_cast<char>('a' + i % 26));
    all += piece;
    pipe.Push(piece);
  }
  pipe.Close(OkStatus());
  const auto got = read.get();
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(*got == all);
}

}  // namespace
}  // namespace fodc::proxy
