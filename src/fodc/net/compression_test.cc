// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/compression.h"

#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include <random>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::net {
namespace {

using ::testing::HasSubstr;

// Lines as of an exposition page; numbers from a fixed seed.
std::string Page(std::size_t lines) {
  std::mt19937 random(7);
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) {
    text += StrCat("http_requests_total{code=\"", 200 + i % 5, "\",path=\"/p",
                   i, "\"} ", random() % 100000, "\n");
  }
  return text;
}

// The independent decoder: zlib, exactly one gzip member, nothing after it.
std::string ZlibGunzip(std::string_view bytes) {
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    char buffer[65536];
    z.next_out = reinterpret_cast<Bytef*>(buffer);
    z.avail_out = sizeof buffer;
    result = inflate(&z, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - z.avail_out);
  }
  EXPECT_EQ(result, Z_STREAM_END);
  EXPECT_EQ(z.avail_in, 0u);
  inflateEnd(&z);
  return out;
}

std::string ZstdDecode(std::string_view bytes, std::size_t size) {
  std::string out(size, '\0');
  EXPECT_EQ(ZSTD_decompress(out.data(), size, bytes.data(), bytes.size()),
            size);
  return out;
}

std::string CompressInPieces(ContentCoding coding, std::string_view text,
                             std::size_t piece_bytes, bool flush) {
  const auto c = MakeCompressor(coding);
  std::string out;
  while (text.size() > piece_bytes) {
    c->Add(text.substr(0, piece_bytes), false, &out, flush);
    text.remove_prefix(piece_bytes);
  }
  c->Add(text, true, &out);
  return out;
}

TEST(CompressorTest, GzipInPiecesIsOneMemberThatZlibReads) {
  const std::string text = Page(5000);
  for (const std::size_t piece :
       {std::size_t{100}, std::size_t{65536}, text.size()}) {
    const std::string out =
        CompressInPieces(ContentCoding::kGzip, text, piece, false);
    EXPECT_LT(out.size(), text.size() / 3);
    EXPECT_EQ(ZlibGunzip(out), text) << piece;
  }
  EXPECT_EQ(ZlibGunzip(CompressInPieces(ContentCoding::kGzip, "", 1, false)),
            "");
}

TEST(CompressorTest, ZstdInPiecesIsReadByZstd) {
  const std::string text = Page(5000);
  for (const std::size_t piece :
       {std::size_t{100}, std::size_t{65536}, text.size()}) {
    const std::string out =
        CompressInPieces(ContentCoding::kZstd, text, piece, false);
    EXPECT_LT(out.size(), text.size() / 3);
    EXPECT_EQ(ZstdDecode(out, text.size()), text);
  }
}

TEST(CompressorTest, AFlushMakesWhatWasGivenDecodable) {
  for (const auto coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    const auto c = MakeCompressor(coding);
    const auto d = MakeDecompressor(coding);
    std::string wire;
    std::string text;
    c->Add("first ", false, &wire, true);
    ASSERT_THAT(d->Add(wire, &text, 1000), IsOk());
    EXPECT_EQ(text, "first ");
    wire.clear();
    c->Add("second", true, &wire);
    ASSERT_THAT(d->Add(wire, &text, 1000), IsOk());
    EXPECT_EQ(text, "first second");
    EXPECT_THAT(d->End(), IsOk());
  }
}

class DecompressorTest : public ::testing::TestWithParam<ContentCoding> {
 protected:
  static std::string Encode(std::string_view text) {
    return CompressInPieces(GetParam(), text, text.size() + 1, false);
  }
  const std::string text_ = Page(3000);
  const std::string wire_ = Encode(text_);
};

TEST_P(DecompressorTest, ReadsPiecesOfAnySize) {
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{1000}, wire_.size()}) {
    const auto d = MakeDecompressor(GetParam());
    std::string out;
    for (std::size_t i = 0; i < wire_.size(); i += piece) {
      ASSERT_THAT(
          d->Add(std::string_view(wire_).substr(i, piece), &out, text_.size()),
          IsOk());
    }
    EXPECT_THAT(d->End(), IsOk());
    EXPECT_EQ(out, text_);
  }
}

TEST_P(DecompressorTest, ReadsSeveralStreamsInOneBody) {
  const auto d = MakeDecompressor(GetParam());
  std::string out;
  ASSERT_THAT(d->Add(wire_ + wire_, &out, text_.size() * 2), IsOk());
  EXPECT_THAT(d->End(), IsOk());
  EXPECT_EQ(out, text_ + text_);
}

TEST_P(DecompressorTest, StopsAtTheLimitAndNamesIt) {
  // A bomb: 64 MiB of zeros in some kilobytes.
  const std::string bomb = Encode(std::string(64u << 20, '\0'));
  ASSERT_LT(bomb.size(), 1u << 20);
  const auto d = MakeDecompressor(GetParam());
  std::string out;
  EXPECT_THAT(d->Add(bomb, &out, 100'000),
              StatusIs(Code::kResourceExhausted, HasSubstr("100000 bytes")));
  EXPECT_LE(out.capacity(), 1u << 20);
  // The limit itself is allowed.
  const auto exact = MakeDecompressor(GetParam());
  out.clear();
  EXPECT_THAT(exact->Add(wire_, &out, text_.size()), IsOk());
  const auto under = MakeDecompressor(GetParam());
  out.clear();
  EXPECT_THAT(under->Add(wire_, &out, text_.size() - 1),
              StatusIs(Code::kResourceExhausted, HasSubstr("limit")));
}

TEST_P(DecompressorTest, NoticesACutAtEveryPlace) {
  for (std::size_t n = 0; n < wire_.size(); n += 97) {
    const auto d = MakeDecompressor(GetParam());
    std::string out;
    ASSERT_THAT(d->Add(wire_.substr(0, n), &out, text_.size()), IsOk());
    EXPECT_THAT(d->End(), StatusIs(Code::kDataLoss, HasSubstr("cut short")));
    EXPECT_EQ(out, text_.substr(0, out.size()));
  }
}

TEST_P(DecompressorTest, RefusesGarbage) {
  const auto d = MakeDecompressor(GetParam());
  std::string out;
  EXPECT_THAT(d->Add("this is not compressed at all", &out, 1000),
              StatusIs(Code::kDataLoss, HasSubstr("bad")));
}

TEST_P(DecompressorTest, NoticesAWrongByte) {
  std::string bad = wire_;
  bad[bad.size() - 6] = static_cast<char>(bad[bad.size() - 6] ^ 0x40);
  const auto d = MakeDecompressor(GetParam());
  std::string out;
  const Status s = d->Add(bad, &out, text_.size() * 2);
  EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
}

INSTANTIATE_TEST_SUITE_P(Codings, DecompressorTest,
                         ::testing::Values(ContentCoding::kGzip,
                                           ContentCoding::kZstd),
                         [](const auto& p) {
                           return std::string(ContentCodingName(p.param));
                         });

}  // namespace
}  // namespace fodc::net
