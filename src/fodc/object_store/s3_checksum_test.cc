// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_checksum.h"

#include <gtest/gtest.h>

#include "fodc/object_store/crc64_nvme.h"

namespace fodc::object_store {
namespace {

// The check values of the catalogue of CRCs are of this text.
constexpr std::string_view kCheck = "123456789";

std::string Of(S3Checksum checksum, std::string_view text) {
  return S3ChecksumText(checksum,
                        *DigestsOf(MemoryBlob(text), KindsFor(checksum)));
}

TEST(S3Checksum, IsWhatIsPublished) {
  // 0xcbf43926, 0xe3069283, 0xae8b14860a799888.
  EXPECT_EQ(Of(S3Checksum::kCrc32, kCheck), "y/Q5Jg==");
  EXPECT_EQ(Of(S3Checksum::kCrc32c, kCheck), "4waSgw==");
  EXPECT_EQ(Of(S3Checksum::kCrc64Nvme, kCheck), "rosUhgp5mIg=");
  // FIPS 180: of "abc".
  EXPECT_EQ(Of(S3Checksum::kSha1, "abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
  EXPECT_EQ(Of(S3Checksum::kSha256, "abc"),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  EXPECT_EQ(Of(S3Checksum::kNone, "abc"), "");
}

TEST(S3Checksum, OfPiecesIsThatOfTheWhole) {
  const std::string text(1000, 'x');
  for (std::size_t cut = 0; cut <= 40; ++cut) {
    const std::uint64_t first =
        ExtendCrc64Nvme(0, std::string_view(text).substr(0, cut));
    EXPECT_EQ(ExtendCrc64Nvme(first, std::string_view(text).substr(cut)),
              ExtendCrc64Nvme(0, text));
  }
}

TEST(S3Checksum, HasNames) {
  EXPECT_EQ(*ParseS3Checksum(""), S3Checksum::kSha256);
  EXPECT_EQ(*ParseS3Checksum("crc32c"), S3Checksum::kCrc32c);
  EXPECT_EQ(*ParseS3Checksum("CRC64NVME"), S3Checksum::kCrc64Nvme);
  EXPECT_EQ(*ParseS3Checksum("None"), S3Checksum::kNone);
  EXPECT_EQ(S3ChecksumName(S3Checksum::kSha1), "SHA1");
  EXPECT_EQ(ParseS3Checksum("MD5").status().message(),
            "\"MD5\" is none of SHA256, SHA1, CRC32, CRC32C, CRC64NVME, none");
}

}  // namespace
}  // namespace fodc::object_store
