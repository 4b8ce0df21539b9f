// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/tar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fodc/base/status_matchers.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

TEST(TarTest, ReadsWhatItWrote) {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{513}, kMaxTarFileBytes}) {
    const auto block = EncodeTarHead(
        {.name = "a/b", .size_bytes = size, .modified_seconds = 1800000000});
    ASSERT_THAT(block, IsOk());
    const auto head = DecodeTarHead(*block);
    ASSERT_THAT(head, IsOk());
    EXPECT_EQ(head->name, "a/b");
    EXPECT_EQ(head->size_bytes, size);
    EXPECT_EQ(head->modified_seconds, 1800000000);
  }
}

TEST(TarTest, WritesNothingThatDoesNotFit) {
  EXPECT_THAT(EncodeTarHead({.name = std::string(99, 'x')}), IsOk());
  EXPECT_THAT(EncodeTarHead({.name = std::string(100, 'x')}),
              StatusIs(Code::kInvalidArgument, HasSubstr("100")));
  EXPECT_THAT(EncodeTarHead({.name = ""}), StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(EncodeTarHead({.name = "a", .size_bytes = kMaxTarFileBytes + 1}),
              StatusIs(Code::kInvalidArgument, HasSubstr("8589934592")));
}

TEST(TarTest, FindsEachByteThatIsWrong) {
  const TarBlock good = EncodeTarHead({.name = "a", .size_bytes = 5}).value();
  for (std::size_t i = 0; i < good.size(); ++i) {
    TarBlock bad = good;
    ++bad[i];
    EXPECT_THAT(DecodeTarHead(bad), StatusIs(Code::kDataLoss, _)) << i;
  }
}

TEST(TarTest, FillsUpBlocks) {
  EXPECT_EQ(TarPadding(0), 0u);
  EXPECT_EQ(TarPadding(1), 511u);
  EXPECT_EQ(TarPadding(512), 0u);
  EXPECT_EQ(TarPadding(513), 511u);
}

}  // namespace
}  // namespace fodc::evidence
