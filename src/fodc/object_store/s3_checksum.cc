// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_checksum.h"

#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"

namespace fodc::object_store {
namespace {

struct Named {
  std::string_view name;
  S3Checksum checksum;
};
constexpr Named kAll[] = {
    {"", S3Checksum::kNone},         {"SHA256", S3Checksum::kSha256},
    {"SHA1", S3Checksum::kSha1},     {"CRC32", S3Checksum::kCrc32},
    {"CRC32C", S3Checksum::kCrc32c}, {"CRC64NVME", S3Checksum::kCrc64Nvme}};

// The most significant byte first.
template <typename Number>
std::string BigEndian(Number number) {
  std::string bytes(sizeof number, '\0');
  for (std::size_t i = bytes.size(); i-- > 0; number >>= 8)
    bytes[i] = static_cast<char>(number & 255);
  return bytes;
}

}  // namespace

Result<S3Checksum> ParseS3Checksum(std::string_view word) {
  if (word.empty()) return S3Checksum::kSha256;
  if (EqualsIgnoreCase(word, "none")) return S3Checksum::kNone;
  for (const Named& named : kAll) {
    if (EqualsIgnoreCase(word, named.name)) return named.checksum;
  }
  return InvalidArgument(
      StrCat("\"", ToValidUtf8(word),
             "\" is none of SHA256, SHA1, CRC32, CRC32C, CRC64NVME, none"));
}

std::string_view S3ChecksumName(S3Checksum checksum) {
  return kAll[static_cast<std::size_t>(checksum)].name;
}

DigestKinds KindsFor(S3Checksum checksum) {
  return {.crc32c = checksum == S3Checksum::kCrc32c,
          .crc32 = checksum == S3Checksum::kCrc32,
          .crc64_nvme = checksum == S3Checksum::kCrc64Nvme,
          .sha1 = checksum == S3Checksum::kSha1};
}

std::string S3ChecksumText(S3Checksum checksum, const Digests& digests) {
  switch (checksum) {
    case S3Checksum::kNone:
      return "";
    case S3Checksum::kSha256:
      return Base64Of(digests.sha256);
    case S3Checksum::kSha1:
      return Base64Of(digests.sha1.value());
    case S3Checksum::kCrc32:
      return Base64(BigEndian(digests.crc32.value()));
    case S3Checksum::kCrc32c:
      return Base64(BigEndian(digests.crc32c.value()));
    case S3Checksum::kCrc64Nvme:
      return Base64(BigEndian(digests.crc64_nvme.value()));
  }
  return "";
}

}  // namespace fodc::object_store
