// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

SealKey KeyOf(unsigned char byte) {
  std::array<unsigned char, SealKey::kBytes> key{};
  key.fill(byte);
  return SealKey(key);
}

TEST(SealTest, OpensWhatWasSealedInItsOrder) {
  const SealKey key = KeyOf(7);
  const std::string salt = NewSalt();
  Sealer sealer(key, salt, "bound");
  const std::vector<std::string> chunks = {"first", "", "the last one"};
  std::vector<std::string> sealed;
  for (std::size_t i = 0; i < chunks.size(); ++i)
    sealed.push_back(sealer.Seal(chunks[i], i + 1 == chunks.size()));
  EXPECT_EQ(sealed[0].size(), chunks[0].size() + kTagBytes);
  EXPECT_THAT(sealed[0], Not(HasSubstr("first")));
  Unsealer unsealer(key, salt, "bound");
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const auto opened = unsealer.Open(sealed[i], i + 1 == chunks.size());
    ASSERT_THAT(opened, IsOk()) << i;
    EXPECT_EQ(*opened, chunks[i]);
  }
  EXPECT_THAT(unsealer.Open(sealed[2], true), StatusIs(Code::kDataLoss, _));
}

TEST(SealTest, NothingElseOpens) {
  const SealKey key = KeyOf(7);
  const std::string salt = NewSalt();
  Sealer sealer(key, salt, "bound");
  const std::string first = sealer.Seal("one", false);
  const std::string second = sealer.Seal("two", true);
  const auto open = [&](const std::string& text, bool is_last, const SealKey& k,
                        const std::string& s, const std::string& bound) {
    return Unsealer(k, s, bound).Open(text, is_last).status();
  };
  ASSERT_THAT(open(first, false, key, salt, "bound"), IsOk());
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::string changed = first;
    changed[i] ^= 1;
    EXPECT_THAT(open(changed, false, key, salt, "bound"),
                StatusIs(Code::kDataLoss, _))
        << i;
  }
  EXPECT_THAT(open(first.substr(1), false, key, salt, "bound"),
              StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(open("", false, key, salt, "bound"),
              StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(open(first, true, key, salt, "bound"),
              StatusIs(Code::kDataLoss, _))
      << "it is not the last";
  EXPECT_THAT(open(second, true, key, salt, "bound"),
              StatusIs(Code::kDataLoss, _))
      << "it is not the first";
  EXPECT_THAT(open(first, false, KeyOf(8), salt, "bound"),
              StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(open(first, false, key, NewSalt(), "bound"),
              StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(open(first, false, key, salt, "another"),
              StatusIs(Code::kDataLoss, _));
}

TEST(SealTest, TheSameIsSealedAnotherWayEachTime) {
  const SealKey key = KeyOf(7);
  EXPECT_NE(Sealer(key, NewSalt()).Seal("text", true),
            Sealer(key, NewSalt()).Seal("text", true));
}

// HKDF and GCM of another implementation: that of Python's `cryptography`.
TEST(SealTest, IsWhatTheFormatSays) {
  std::array<unsigned char, SealKey::kBytes> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(i);
  const SealKey key(bytes);
  Sealer sealer(key, "0123456789abcdef", "bound");
  std::string sealed = sealer.Seal("first", false);
  sealed += sealer.Seal("second", true);
  std::string hex;
  for (const char c : sealed) {
    char text[3];
    (void)std::snprintf(text, sizeof text, "%02x",
                        static_cast<unsigned char>(c));
    hex += text;
  }
  EXPECT_EQ(hex,
            "231eff4ac529c3e45236f2bc424bd0e929c7b0b4e4ec910b77f9f51439586f7849"
            "b77dc3dfc94548ddf4f3");
  EXPECT_EQ(key.id(), "9bd8a6df94b85c5a");
}

TEST(SealTest, AKeyComesFromAFile) {
  const TempDirectory dir;
  const std::string file = dir.File("key");
  const std::string digits =
      "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
  ASSERT_THAT(WriteFileAtomically(file, digits + "\n"), IsOk());
  const auto key = SealKey::Load(file);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->id().size(), 16U);
  EXPECT_NE(key->id(), KeyOf(7).id());
  for (const std::string& bad :
       {std::string(), digits.substr(1), digits + "0", "x" + digits.substr(1),
        std::string(32, '\x01')}) {
    ASSERT_THAT(WriteFileAtomically(file, bad), IsOk());
    EXPECT_THAT(
        SealKey::Load(file),
        StatusIs(Code::kInvalidArgument,
                 AllOf(HasSubstr(file), HasSubstr("64 hexadecimal digits"),
                       Not(HasSubstr("2233445566")))));
  }
  EXPECT_THAT(SealKey::Load(dir.File("none")), StatusIs(Code::kNotFound, _));
}

}  // namespace
}  // namespace fodc::backup
