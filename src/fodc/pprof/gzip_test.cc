// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "fodc/base/status_matchers.h"

namespace fodc::pprof {
namespace {

std::string Noise(std::size_t size) {
  std::string text;
  std::uint64_t state = 7;
  while (text.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text.push_back(static_cast<char>(state >> 56));
  }
  return text;
}

std::string Gzipped(std::string_view bytes) {
  std::string out;
  auto gzip = GzipWriter::Create([&out](std::string_view piece) {
    out += piece;
    return OkStatus();
  });
  EXPECT_THAT(gzip, IsOk());
  EXPECT_THAT((*gzip)->Write(bytes), IsOk());
  EXPECT_THAT((*gzip)->Finish(), IsOk());
  return out;
}

TEST(GzipTest, GivesBackWhatWasWritten) {
  for (const std::size_t size : {0u, 1u, 16383u, 16384u, 16385u, 1000003u}) {
    const std::string bytes = Noise(size);
    const auto back = Gunzip(Gzipped(bytes), size);
    ASSERT_THAT(back, IsOk()) << size;
    EXPECT_EQ(*back, bytes);
  }
}

TEST(GzipTest, HandsOnWhatItMadeBeforeTheEnd) {
  std::size_t pieces = 0;
  std::size_t largest = 0;
  auto gzip = GzipWriter::Create([&](std::string_view piece) {
    ++pieces;
    largest = std::max(largest, piece.size());
    return OkStatus();
  });
  ASSERT_THAT(gzip, IsOk());
  ASSERT_THAT((*gzip)->Write(Noise(1 << 20)), IsOk());
  EXPECT_GE(pieces, 50u);
  EXPECT_LE(largest, 16u * 1024);
}

TEST(GzipTest, StopsWithTheErrorOfItsSink) {
  auto gzip = GzipWriter::Create(
      [](std::string_view) { return Unavailable("the reader has gone"); });
  ASSERT_THAT(gzip, IsOk());
  EXPECT_EQ((*gzip)->Write(Noise(1 << 20)).code(), Code::kUnavailable);
}

TEST(GunzipTest, ReadsSeveralMembers) {
  const auto back = Gunzip(Gzipped("one, ") + Gzipped("two"), 100);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(*back, "one, two");
}

TEST(GunzipTest, RefusesWhatIsCutAnywhere) {
  const std::string whole = Gzipped(Noise(40000));
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    EXPECT_EQ(Gunzip(whole.substr(0, size), 1 << 20).status().code(),
              Code::kDataLoss)
        << size;
  }
}

TEST(GunzipTest, RefusesDamage) {
  std::string damaged = Gzipped("some text that is not long");
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  EXPECT_EQ(Gunzip(damaged, 1 << 20).status().code(), Code::kDataLoss);
  EXPECT_EQ(Gunzip("no gzip at all", 1 << 20).status().code(), Code::kDataLoss);
}

TEST(GunzipTest, StopsAtItsBound) {
  const std::string small = Gzipped(std::string(10 << 20, 'a'));
  EXPECT_LT(small.size(), 100000u);
  EXPECT_EQ(Gunzip(small, (10 << 20) - 1).status().code(),
            Code::kResourceExhausted);
}

}  // namespace
}  // namespace fodc::pprof
