// SPDX-License-Identifier: Apache-2.0
// Google Cloud Storage, with bearer tokens. (With HMAC keys it is spoken to as
// S3.)
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/object_store/batch_delete.h"
#include "fodc/object_store/key_space.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/store_client.h"
#include "fodc/object_store/upload_session.h"

namespace fodc::object_store {

struct GcsOptions {
  Location location{};  // of kind kGcs
  // The bearer token of the moment; `renew`: the one before is not taken any
  // more.
  std::function<Result<std::string>(bool renew, const std::stop_token& stop)>
      token{};
  std::string storage_class{};
  // Objects of so many bytes and more go in chunks, which are whole multiples
  // of 256 KiB.
  std::uint64_t single_put_bytes = 16u << 20;
  std::uint64_t chunk_bytes = 16u << 20;
  StoreClient::Options client{};
};

// CRC-32C goes with each object and is checked by the service as it comes;
// SHA-256 is kept as metadata, which listings tell, and by which Get checks
// what it reads. The JSON API, and the XML API for bodies in one request.
class GcsStore final : public ObjectStore {
 public:
  // `transport` and `clock` must outlive it.
  GcsStore(GcsOptions options, Transport& transport, const Clock& clock);

  const std::string& name() const override { return name_; }
  std::uint64_t single_put_bytes() const override {
    return options_.single_put_bytes;
  }
  DigestKinds digest_kinds() const override { return {.crc32c = true}; }

  // Buckets are made by their owners.
  Status Prepare(std::stop_token /*stop*/) override { return OkStatus(); }
  Result<ListPage> List(const ListRequest& request,
                        std::stop_token stop) override;
  Result<ObjectInfo> Head(std::string_view key, std::stop_token stop) override;
  // Without a CRC-32C in `digests` it is computed here.
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override;
  Status Sync(std::stop_token /*stop*/) override { return OkStatus(); }
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override;
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token stop) override;
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token stop) override;

 private:
  // An upload in chunks that is under way.
  struct Upload;

  // To the object of that full key by the XML API.
  HttpRequest XmlRequest(std::string_view method,
                         std::string_view full_key) const;
  // By the JSON API; to the bucket's objects if the key is empty.
  HttpRequest JsonRequest(std::string_view method,
                          std::string_view full_key) const;
  Status PutWhole(std::string_view key, const Blob& blob,
                  const Digests& digests, const PutOptions& options);
  Status PutInChunks(std::string_view key, const Blob& blob,
                     const Digests& digests, const PutOptions& options);
  Status BeginUpload(Upload* upload);
  // How many bytes the service has; all of them: the object is there.
  Result<std::uint64_t> AskHowFar(const Upload& upload);
  Result<std::uint64_t> PutChunk(const Upload& upload, std::uint64_t offset);
  Status PutChunks(Upload* upload, std::uint64_t from);
  Status DeleteOne(std::string_view key, const std::stop_token& stop);
  Result<std::vector<BatchAnswer>> DeleteSome(
      const std::vector<std::string>& keys, const std::stop_token& stop);

  const GcsOptions options_;
  const std::string name_;
  const KeySpace keys_;
  const std::string origin_;
  StoreClient client_;
  BatchDelete deletes_;
};

}  // namespace fodc::object_store
