// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/content_coding.h"

#include <gmock/gmock.h>

namespace fodc::net {

void PrintTo(ContentCoding c, std::ostream* os) { *os << ContentCodingName(c); }

namespace {

constexpr auto kIdentity = ContentCoding::kIdentity;
constexpr auto kGzip = ContentCoding::kGzip;
constexpr auto kZstd = ContentCoding::kZstd;

TEST(NegotiateCodingTest, TakesTheHighestWeight) {
  EXPECT_EQ(NegotiateCoding(""), kIdentity);
  EXPECT_EQ(NegotiateCoding("gzip"), kGzip);
  EXPECT_EQ(NegotiateCoding("deflate, gzip, br, zstd"), kZstd);
  EXPECT_EQ(NegotiateCoding("gzip;q=0.5, zstd;q=0.8"), kZstd);
  EXPECT_EQ(NegotiateCoding("gzip;q=0.5, identity"), kIdentity);
  EXPECT_EQ(NegotiateCoding("ZSTD , x-gzip ; q=0.001"), kZstd);
  EXPECT_EQ(NegotiateCoding("*"), kGzip);
  EXPECT_EQ(NegotiateCoding("*;q=0.1, zstd;q=0.2"), kZstd);
  EXPECT_EQ(NegotiateCoding("*, zstd;q=0.2"), kGzip);
}

TEST(NegotiateCodingTest, NeverTakesWhatIsForbidden) {
  EXPECT_EQ(NegotiateCoding("gzip;q=0"), kIdentity);
  EXPECT_EQ(NegotiateCoding("gzip;q=0, *"), kIdentity);
  EXPECT_EQ(NegotiateCoding("identity;q=0"), kIdentity);  // nothing else fits
  EXPECT_EQ(NegotiateCoding("*;q=0"), kIdentity);
}

TEST(NegotiateCodingTest, PassesOverBadElements) {
  EXPECT_EQ(NegotiateCoding("gzip;q=2, zstd;q=0.1"), kZstd);
  EXPECT_EQ(NegotiateCoding("gzip;q=, zstd;q=1.0000"), kIdentity);
  EXPECT_EQ(NegotiateCoding(",,;q=1,gzip;level=9;q=1"), kGzip);
}

TEST(AcceptsCodingTest, SeesTheSecondChoice) {
  EXPECT_TRUE(AcceptsCoding("zstd, gzip;q=0.1", kGzip));
  EXPECT_FALSE(AcceptsCoding("zstd", kGzip));
  EXPECT_FALSE(AcceptsCoding("gzip;q=0.0", kGzip));
  EXPECT_TRUE(AcceptsCoding("", kIdentity));
}

}  // namespace
}  // namespace fodc::net
