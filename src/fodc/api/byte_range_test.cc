// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/byte_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::api {
namespace {

constexpr std::uint64_t kMost = ~0ull;

TEST(ByteRangeTest, OneRangeIsTaken) {
  struct Case {
    const char* header;
    std::uint64_t size, first, last;
  };
  for (const Case& c :
       {Case{"bytes=0-0", 1, 0, 0},
        {"bytes=2-4", 10, 2, 4},
        {"bytes=7-", 10, 7, 9},
        {"bytes=8-99", 10, 8, 9},
        {"bytes=-2", 10, 8, 9},
        {"bytes=-10", 10, 0, 9},
        {"bytes=-99", 10, 0, 9},
        {"bytes=9-18446744073709551615", 10, 9, 9},
        {"bytes=-18446744073709551615", 10, 0, 9},
        {"bytes=18446744073709551614-", kMost, kMost - 1, kMost - 1}}) {
    const auto range = ParseByteRange(c.header, c.size);
    ASSERT_THAT(range, IsOk()) << c.header;
    ASSERT_TRUE(range->has_value()) << c.header;
    EXPECT_EQ((*range)->first, c.first) << c.header;
    EXPECT_EQ((*range)->last, c.last) << c.header;
  }
}

TEST(ByteRangeTest, WhatIsNoneOfOursMeansTheWhole) {
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-b", "bytes=a-1",
        "bytes=4-2", "bytes=1-2,4-5", "bytes=1-2-3", "bytes= 1-2", "bytes=+1-2",
        "bytes=--1", "bytes=0x1-2", "bytes=18446744073709551616-",
        "bytes=-18446744073709551616", "Bytes=1-2", "lines=1-2", "1-2"}) {
    const auto range = ParseByteRange(header, 10);
    ASSERT_THAT(range, IsOk()) << header;
    EXPECT_FALSE(range->has_value()) << header;
  }
}

TEST(ByteRangeTest, BeyondTheEndIsNothing) {
  for (const char* header : {"bytes=10-", "bytes=10-11",
                             "bytes=18446744073709551615-", "bytes=-0"}) {
    EXPECT_THAT(ParseByteRange(header, 10),
                StatusIs(Code::kOutOfRange, testing::_))
        << header;
  }
  EXPECT_THAT(ParseByteRange("bytes=0-", 0),
              StatusIs(Code::kOutOfRange, testing::_));
  EXPECT_THAT(ParseByteRange("bytes=-1", 0),
              StatusIs(Code::kOutOfRange, testing::_));
}

}  // namespace
}  // namespace fodc::api
