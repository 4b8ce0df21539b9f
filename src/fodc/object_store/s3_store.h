// SPDX-License-Identifier: Apache-2.0
// S3 and what speaks like it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/object_store/key_space.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/s3_checksum.h"
#include "fodc/object_store/s3_xml.h"
#include "fodc/object_store/sigv4.h"
#include "fodc/object_store/store_client.h"

namespace fodc::object_store {

struct S3Options {
  Location location{};  // of kind kS3, or of kGcs in Google's dialect
  // Google's XML API is S3's with headers of its own, and with HMAC keys.
  SigV4Dialect dialect = SigV4Dialect::kAws;
  // Where the location says none.
  std::string region = "us-east-1";
  std::string endpoint{};
  // The key of the moment; `renew`: the one before is not taken any more.
  std::function<Result<SigV4Key>(bool renew, const std::stop_token& stop)>
      credentials{};
  std::string storage_class{};
  // Of AWS's dialect; in Google's it is CRC-32C.
  S3Checksum checksum = S3Checksum::kSha256;
  // Else bodies are not part of what is signed: over TLS alone.
  bool signs_payload = true;
  // Larger objects go in parts, of which there are 10,000 at most.
  std::uint64_t single_put_bytes = 100u << 20;
  std::uint64_t part_bytes = 16u << 20;
  StoreClient::Options client{};
};

// SHA-256 goes with each object, checked by the service as it comes and kept as
// metadata, by which Get checks what it reads.
class S3Store final : public ObjectStore {
 public:
  // `transport` and `clock` must outlive it.
  S3Store(S3Options options, Transport& transport, const Clock& clock);

  const std::string& name() const override { return name_; }
  std::uint64_t single_put_bytes() const override {
    return options_.single_put_bytes;
  }
  DigestKinds digest_kinds() const override { return kinds_; }

  // Buckets are made by their owners.
  Status Prepare(std::stop_token /*stop*/) override { return OkStatus(); }
  Result<ListPage> List(const ListRequest& request,
                        std::stop_token stop) override;
  Result<ObjectInfo> Head(std::string_view key, std::stop_token stop) override;
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override;
  Status Sync(std::stop_token /*stop*/) override { return OkStatus(); }
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override;
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token stop) override;
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token stop) override;

  // Of an object of so many bytes: no more than 9,000 parts, whole MiB.
  static std::uint64_t PartBytes(std::uint64_t least, std::uint64_t bytes);

 private:
  // An upload in parts that is under way.
  struct Upload;

  // "x-amz-…" or "x-goog-…".
  std::string Header(std::string_view name) const;
  // For a body of those digests, kept as an object or a part of one.
  void AddDigests(const Digests& digests, bool is_object,
                  HttpHeaders* headers) const;
  std::pair<std::string, std::string> OnlyIfAbsent() const;
  std::string PayloadOf(const Digests& digests) const;
  // Where the region is, unless an endpoint is given.
  std::string Origin() const;
  // To the object of that full key; to the bucket if it is empty.
  HttpRequest RequestTo(std::string_view method,
                        std::string_view full_key) const;
  // As StoreClient::Do; where the bucket is elsewhere, once more there.
  Result<HttpAnswer> Do(StoreClient::Call call);
  Status Sign(UnixTime now, const std::stop_token& stop, HttpRequest* request);
  ServiceError ReadError(const HttpAnswer& answer);
  ObjectInfo InfoOf(std::string_view key, const HttpAnswer& answer) const;
  Status DeleteOne(std::string_view full_key, const std::stop_token& stop);
  Status DeleteSome(const std::vector<std::string>& keys,
                    const std::stop_token& stop);
  Status PutWhole(std::string_view key, const Blob& blob,
                  const Digests& digests, const PutOptions& options);
  Status PutInParts(std::string_view key, const Blob& blob,
                    const Digests& digests, const PutOptions& options);
  Status BeginUpload(Upload* upload);
  Status PutParts(Upload* upload);
  Status CompleteUpload(Upload* upload);
  void AbortUpload(const Upload& upload);

  const S3Options options_;
  const std::string name_;
  const KeySpace keys_;
  const DigestKinds kinds_;
  const std::string path_;  // before each key: "/" or "/bucket/"
  mutable Mutex mutex_;
  std::string region_ FODC_GUARDED_BY(mutex_);
  StoreClient client_;
};

}  // namespace fodc::object_store
