// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace fodc::evidence {
namespace {

// FIPS 180-4's examples, as NIST publishes them.
TEST(Sha256Test, GivesTheStandardsDigests) {
  EXPECT_EQ(Sha256().Hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.Update("a");
  abc.Update("bc");
  EXPECT_EQ(abc.Hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, KnowsADigest) {
  EXPECT_TRUE(IsSha256Hex(Sha256().Hex()));
  EXPECT_FALSE(IsSha256Hex(""));
  EXPECT_FALSE(IsSha256Hex(std::string(63, 'a')));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'A')));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'g')));
}

}  // namespace
}  // namespace fodc::evidence
