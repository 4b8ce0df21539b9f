// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using object_store::Digester;
using object_store::MemoryBlob;
using ::testing::_;
using ::testing::HasSubstr;

const SealKey& Key() {
  static const SealKey* const kKey = [] {
    std::array<unsigned char, SealKey::kBytes> key{};
    key.fill(3);
    return new SealKey(key);
  }();
  return *kKey;
}

std::string Noise(std::size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Result<std::string> Encode(const PieceForm& form, std::string_view text,
                           std::uint64_t offset = 0,
                           std::optional<std::uint64_t> bytes = {}) {
  PieceEncoder encoder(form);
  Digester digester;
  std::string piece;
  FODC_ASSIGN_OR_RETURN(
      const std::uint64_t stored,
      encoder.Encode(MemoryBlob(text), offset, bytes.value_or(text.size()),
                     &digester, [&](std::string_view some) {
                       piece += some;
                       return OkStatus();
                     }));
  EXPECT_EQ(stored, piece.size());
  Digester again;
  again.Update(text.substr(offset, bytes.value_or(text.size())));
  EXPECT_EQ(digester.Finish().sha256, again.Finish().sha256);
  return piece;
}

Result<std::string> Decode(std::string_view piece, const SealKey* key,
                           std::size_t at_once = 1u << 16,
                           std::optional<std::uint64_t> stored = {}) {
  PieceDecoder decoder(stored.value_or(piece.size()), key);
  std::string text;
  for (std::size_t at = 0; at < piece.size(); at += at_once) {
    FODC_RETURN_IF_ERROR(decoder.Write(
        piece.substr(at, at_once), [&](std::string_view some) -> Status {
          if (text.size() + some.size() > (16u << 20))
            return ResourceExhausted("too much");
          text += some;
          return OkStatus();
        }));
  }
  FODC_RETURN_IF_ERROR(decoder.Finish());
  return text;
}

std::vector<PieceForm> Forms() {
  return {{},
          {.zstd_level = 3},
          {.key = &Key()},
          {.zstd_level = 19, .key = &Key()}};
}

TEST(PieceTest, GivesBackWhatItWasGiven) {
  for (const PieceForm& form : Forms()) {
    for (const std::size_t bytes :
         {0U, 1U, 65'535U, 65'536U, 65'537U, 131'072U, 131'073U, 400'000U}) {
      for (const std::string& text : {Noise(bytes), std::string(bytes, 'x')}) {
        const auto piece = Encode(form, text);
        ASSERT_THAT(piece, IsOk());
        for (const std::size_t at_once : {std::size_t{7}, piece->size() + 1}) {
          const auto back = Decode(*piece, &Key(), at_once);
          ASSERT_THAT(back, IsOk()) << bytes << " by " << at_once;
          EXPECT_TRUE(*back == text) << bytes << " by " << at_once;
        }
      }
    }
  }
}

TEST(PieceTest, IsSmallerWhereItCanBe) {
  const std::string text(1u << 20, 'x');
  EXPECT_EQ(Encode({}, text)->size(), text.size() + 1);
  EXPECT_LT(Encode({.zstd_level = 3}, text)->size(), 1000U);
  EXPECT_LT(Encode({.zstd_level = 3}, Noise(1u << 20))->size(),
            (1u << 20) + 100U);
  EXPECT_EQ(Encode({.key = &Key()}, text)->size(),
            1 + kSaltBytes + text.size() + 16 * kTagBytes);
}

// The largest window there is, and what a reader holds.
TEST(PieceTest, TheBestCompressionIsReadBack) {
  const std::string half = Noise(10u << 20);
  const std::string text = half.substr(0, 6u << 20) + half.substr(0, 6u << 20);
  const auto piece = Encode({.zstd_level = 19}, text);
  ASSERT_THAT(piece, IsOk());
  EXPECT_LT(piece->size(), 7u << 20);
  EXPECT_TRUE(Decode(*piece, nullptr).value_or("") == text);
}

TEST(PieceTest, APartOfABlobIsAPiece) {
  const auto piece = Encode({.zstd_level = 1}, "0123456789", 3, 4);
  ASSERT_THAT(piece, IsOk());
  EXPECT_EQ(*Decode(*piece, nullptr), "3456");
  EXPECT_THAT(Encode({}, "0123456789", 3, 8),
              StatusIs(Code::kFailedPrecondition, HasSubstr("shorter")));
}

TEST(PieceTest, WhatIsCutOrLongerIsDamaged) {
  const std::string text = "some text, some text, some text, some text";
  for (const PieceForm& form : Forms()) {
    const std::string piece = *Encode(form, text);
    for (std::size_t n = 0; n < piece.size(); ++n) {
      // The manifest says that it is as long as it was.
      EXPECT_THAT(Decode(piece.substr(0, n), &Key(), 5, piece.size()),
                  StatusIs(Code::kDataLoss, _))
          << n;
      // The manifest believes that it is shorter. Of a plain one its digest
      // tells.
      if (form.zstd_level == 0 && form.key == nullptr) continue;
      EXPECT_THAT(Decode(piece.substr(0, n), &Key()),
                  StatusIs(Code::kDataLoss, _))
          << n;
    }
    if (form.zstd_level == 0 && form.key == nullptr) continue;
    EXPECT_THAT(Decode(piece + "x", &Key()), StatusIs(Code::kDataLoss, _));
    EXPECT_THAT(Decode(piece + "x", &Key(), 5, piece.size()),
                StatusIs(Code::kDataLoss, _));
  }
}

TEST(PieceTest, ASealedOneIsNotChangedUnseen) {
  const std::string piece = *Encode({.key = &Key()}, "some text");
  for (std::size_t i = 0; i < piece.size(); ++i) {
    std::string changed = piece;
    changed[i] ^= 4;
    EXPECT_THAT(Decode(changed, &Key()), StatusIs(Code::kDataLoss, _)) << i;
  }
  EXPECT_THAT(
      Decode(piece, nullptr),
      StatusIs(Code::kFailedPrecondition, HasSubstr("--encryption-key-file")));
  std::array<unsigned char, SealKey::kBytes> other{};
  const SealKey key(other);
  EXPECT_THAT(Decode(piece, &key), StatusIs(Code::kDataLoss, _));
}

TEST(PieceTest, FormsThatAreNotKnownAreNotGuessed) {
  EXPECT_THAT(Decode("\x04text", &Key()),
              StatusIs(Code::kDataLoss, HasSubstr("form 4")));
  EXPECT_THAT(Decode("\xff", &Key()), StatusIs(Code::kDataLoss, _));
}

// A few bytes that would fill any disk.
TEST(PieceTest, WhoTakesItBoundsWhatItGives) {
  const std::string piece =
      *Encode({.zstd_level = 3}, std::string(64u << 20, '\0'));
  EXPECT_LT(piece.size(), 10'000U);
  EXPECT_THAT(Decode(piece, nullptr), StatusIs(Code::kResourceExhausted, _));
}

}  // namespace
}  // namespace fodc::backup
