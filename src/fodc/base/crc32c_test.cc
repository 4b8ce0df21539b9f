// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace fodc {
namespace {

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32cTest, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
}

TEST(Crc32cTest, TablesAndInstructionAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(7);
  std::string bytes(300, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  const std::string_view all = bytes;
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t n = 0; from + n <= all.size(); ++n) {
      const auto seed = static_cast<std::uint32_t>(random());
      ASSERT_EQ(ExtendCrc32c(seed, all.substr(from, n)),
                ExtendCrc32cByTable(seed, all.substr(from, n)));
    }
  }
}

TEST(Crc32cTest, ExtendsWhatCameBefore) {
  EXPECT_EQ(ExtendCrc32c(Crc32c("12345"), "6789"), Crc32c("123456789"));
}

}  // namespace
}  // namespace fodc
