// SPDX-License-Identifier: Apache-2.0
// The S3 personality. For this directory.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/object_server/s3_auth.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

class S3Service final : public Service {
 public:
  explicit S3Service(World* world) : world_(*world) {}

  void Route(Call* call) override;
  std::optional<Response> Check(Call* call) override;
  Response Finish(Call* call) override;
  Response Refuse(const Call& call, int status, std::string_view code,
                  std::string_view message) override;
  Response ExpiredToken(const Call& call) override;
  Response Full(const Call& call) override;
  Response OtherRegion(const Call& call, std::string_view region) override;
  void Decorate(const Call& call, Response* response) override;
  std::string_view CodeOf(int status) override;
  void Reset() override { uploads_.clear(); }

 private:
  struct Part {
    Content content;
    std::string etag;
    std::string md5;       // 16 bytes, of which the upload's ETag is made
    std::string checksum;  // in base64, if the upload has an algorithm
    UnixTime modified;
  };
  struct Upload {
    std::string bucket;
    std::string key;
    std::shared_ptr<Object> object;  // its headers and metadata
    std::string checksum_header;     // "x-amz-checksum-…"; empty: none
    std::map<std::uint64_t, Part> parts;
    UnixTime begun;
  };

  Response RefuseWith(const Call& call, const S3Refusal& refusal);
  Response Xml(std::string text);
  std::string EtagOf(const Sums& sums) const;
  std::string HashedBytes(const Sums& sums) const;

  std::optional<Response> CheckQuery(const Call& call);
  std::optional<Response> CheckUpload(Call* call);
  std::optional<Response> PlanDigests(Call* call);
  std::optional<Response> VerifyBody(const Call& call);
  // Of what is put: If-None-Match and If-Match.
  std::optional<Response> CheckConditions(const Call& call);

  std::shared_ptr<Object> NewObject(const Call& call) const;
  Response Put(Call* call);
  Response Get(const Call& call, bool head);
  Response CreateBucket(const Call& call);
  Response Delete(const Call& call);
  Response DeleteBatch(const Call& call);
  Response Copy(const Call& call);
  Response List(const Call& call);
  Response Other(const Call& call);

  Upload* FindUpload(const Call& call);
  Response NoSuchUpload(const Call& call);
  Response CreateUpload(const Call& call);
  Response PutPart(Call* call);
  Response CopyPart(const Call& call, Upload* upload, std::uint64_t number);
  Response CompleteUpload(const Call& call);
  Response AbortUpload(const Call& call);
  Response ListParts(const Call& call);
  Response ListUploads(const Call& call);
  // What x-amz-copy-source names; or why not.
  std::optional<Response> FindSource(const Call& call, ObjectPtr* source);
  std::string WholeChecksum(const Upload& upload, const Content& content);

  World& world_;
  S3Verifier verifier_;
  std::map<std::string, Upload> uploads_;
};

// The names of S3's checksum headers and the digest each stands for.
struct S3Checksum {
  std::string_view header;
  std::string_view algorithm;
  std::string_view element;
  unsigned bit;
  std::size_t size;
};
inline constexpr S3Checksum kS3Checksums[] = {
    {"x-amz-checksum-crc32", "CRC32", "ChecksumCRC32", kCrc32, 4},
    {"x-amz-checksum-crc32c", "CRC32C", "ChecksumCRC32C", kCrc32c, 4},
    {"x-amz-checksum-sha1", "SHA1", "ChecksumSHA1", kSha1, 20},
    {"x-amz-checksum-sha256", "SHA256", "ChecksumSHA256", kSha256, 32},
};
const std::string& SumOf(const Sums& sums, unsigned bit);
std::string Quoted(std::string_view etag);
std::string_view Unquoted(std::string_view etag);

}  // namespace fodc::object_server
