// SPDX-License-Identifier: Apache-2.0
// Azure Blobs.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/object_store/azure_auth.h"
#include "fodc/object_store/batch_delete.h"
#include "fodc/object_store/key_space.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/store_client.h"

namespace fodc::object_store {

struct AzureOptions {
  Location
      location{};  // of kind kAzure; its endpoint goes before the account's
  AzureAccount account{};
  // The bearer token of the moment, of an account without key and signature;
  // `renew`: the one before is not taken any more.
  std::function<Result<std::string>(bool renew, const std::stop_token& stop)>
      token{};
  std::string access_tier{};  // "Cool"; empty: the account's
  // Larger objects go in blocks, of which there are 50,000 at most.
  std::uint64_t single_put_bytes = 256u << 20;
  std::uint64_t block_bytes = 16u << 20;
  StoreClient::Options client{};
};

// MD5 goes with each object and is checked by the service as it comes; SHA-256
// is kept as metadata, which listings tell, and by which Get checks what it
// reads.
class AzureStore final : public ObjectStore {
 public:
  // `transport` and `clock` must outlive it.
  AzureStore(AzureOptions options, Transport& transport, const Clock& clock);

  const std::string& name() const override { return name_; }
  std::uint64_t single_put_bytes() const override {
    return options_.single_put_bytes;
  }
  DigestKinds digest_kinds() const override { return {.md5 = true}; }

  // Makes the container if it is not there.
  Status Prepare(std::stop_token stop) override;
  bool prepares() const override { return true; }
  Result<ListPage> List(const ListRequest& request,
                        std::stop_token stop) override;
  Result<ObjectInfo> Head(std::string_view key, std::stop_token stop) override;
  // Without an MD5 in `digests` it is computed here.
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override;
  Status Sync(std::stop_token /*stop*/) override { return OkStatus(); }
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override;
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token stop) override;
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token stop) override;

  // Of an object of so many bytes: no more than 45,000 blocks, whole MiB.
  static std::uint64_t BlockBytes(std::uint64_t least, std::uint64_t bytes);

 private:
  // An upload in blocks that is under way.
  struct Upload;

  // To the blob of that full key; to the container if it is empty.
  HttpRequest RequestTo(std::string_view method,
                        std::string_view full_key) const;
  Status PutWhole(std::string_view key, const Blob& blob,
                  const Digests& digests, const PutOptions& options);
  Status PutInBlocks(std::string_view key, const Blob& blob,
                     const Digests& digests, const PutOptions& options);
  Status PutBlocks(Upload* upload);
  Status CommitBlocks(Upload* upload);
  bool HasToken() const {
    return options_.account.key.empty() && options_.account.sas.empty();
  }
  Status Sign(UnixTime now, const std::stop_token& stop,
              HttpRequest* request) const;
  Status SignPart(UnixTime now, const std::stop_token& stop,
                  HttpRequest* part) const;
  Status DeleteOne(std::string_view key, const std::stop_token& stop);
  Result<std::vector<BatchAnswer>> DeleteSome(
      const std::vector<std::string>& keys, const std::stop_token& stop);

  const AzureOptions options_;
  const std::string name_;
  const KeySpace keys_;
  std::string origin_;
  std::string path_;  // "/container", behind that of the endpoint
  StoreClient client_;
  BatchDelete deletes_;
};

}  // namespace fodc::object_store
