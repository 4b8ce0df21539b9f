// SPDX-License-Identifier: Apache-2.0
// The checksums by which S3 checks what comes, one of which goes with each
// object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/object_store/digests.h"

namespace fodc::object_store {

enum class S3Checksum : std::uint8_t {
  kNone,  // for servers that take none; the signature is of the body's SHA-256
  kSha256,
  kSha1,
  kCrc32,
  kCrc32c,
  kCrc64Nvme,
};

// "sha256", "CRC32C", "none" in any case; empty is SHA-256.
// Errors: kInvalidArgument naming those that there are.
Result<S3Checksum> ParseS3Checksum(std::string_view word);
// "CRC32C"; empty for kNone.
std::string_view S3ChecksumName(S3Checksum checksum);
DigestKinds KindsFor(S3Checksum checksum);
// As headers and bodies have it, in Base64; of digests with those kinds.
std::string S3ChecksumText(S3Checksum checksum, const Digests& digests);

}  // namespace fodc::object_store
