// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/open_store.h"

#include <cstdlib>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_store.h"
#include "fodc/object_store/azure_tokens.h"
#include "fodc/object_store/file_store.h"
#include "fodc/object_store/gcs_store.h"
#include "fodc/object_store/gcs_tokens.h"
#include "fodc/object_store/s3_credentials.h"
#include "fodc/object_store/s3_store.h"

namespace fodc::object_store {
namespace {

struct Paces {
  std::unique_ptr<Pace> bandwidth = nullptr;
  std::unique_ptr<Pace> requests = nullptr;
};

// A store with what it stands on; the members go in the reverse order.
template <typename Credentials>
class Owned final : public ObjectStore {
 public:
  Paces paces;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Credentials> credentials;
  std::unique_ptr<ObjectStore> store;

  const std::string& name() const override { return store->name(); }
  bool lists_in_order() const override { return store->lists_in_order(); }
  std::uint64_t single_put_bytes() const override {
    return store->single_put_bytes();
  }
  DigestKinds digest_kinds() const override { return store->digest_kinds(); }
  Status Prepare(std::stop_token stop) override {
    return store->Prepare(std::move(stop));
  }
  bool prepares() const override { return store->prepares(); }
  Result<ListPage> List(const ListRequest& request,
                        std::stop_token stop) override {
    return store->List(request, std::move(stop));
  }
  Result<ObjectInfo> Head(std::string_view key, std::stop_token stop) override {
    return store->Head(key, std::move(stop));
  }
  Status Put(std::string_view key, const Blob& blob, const Digests& digests,
             const PutOptions& options) override {
    return store->Put(key, blob, digests, options);
  }
  Status Sync(std::stop_token stop) override {
    return store->Sync(std::move(stop));
  }
  Result<ObjectInfo> Get(std::string_view key, const GetOptions& options,
                         const ByteSink& sink) override {
    return store->Get(key, options, sink);
  }
  Status Delete(const std::vector<std::string>& keys,
                std::stop_token stop) override {
    return store->Delete(keys, std::move(stop));
  }
  Status Copy(std::string_view from, std::string_view to,
              std::stop_token stop) override {
    return store->Copy(from, to, std::move(stop));
  }
};

struct Nothing {};

// With the transport and the client's options over them.
template <typename Credentials>
std::unique_ptr<Owned<Credentials>> NewOwned(const StoreOptions& o,
                                             const Clock& clock,
                                             StoreClient::Options* client) {
  auto owned = std::make_unique<Owned<Credentials>>();
  if (o.bytes_per_second > 0)
    owned->paces.bandwidth = std::make_unique<Pace>(o.bytes_per_second, clock);
  if (o.requests_per_second > 0)
    owned->paces.requests =
        std::make_unique<Pace>(o.requests_per_second, clock);
  Transport::Options transport = o.transport;
  transport.bandwidth = owned->paces.bandwidth.get();
  owned->transport = std::make_unique<Transport>(transport);
  *client = o.client;
  client->requests = owned->paces.requests.get();
  return owned;
}

Result<std::unique_ptr<ObjectStore>> OpenFile(const Location& location,
                                              const StoreOptions& o,
                                              const Clock& clock) {
  auto owned = std::make_unique<Owned<Nothing>>();
  if (o.bytes_per_second > 0)
    owned->paces.bandwidth = std::make_unique<Pace>(o.bytes_per_second, clock);
  owned->store = std::make_unique<FileStore>(location.base, clock,
                                             owned->paces.bandwidth.get());
  return owned;
}

template <typename Options>
void SetSizes(const StoreOptions& o, Options* to, std::uint64_t* part_bytes) {
  if (o.single_put_bytes > 0) to->single_put_bytes = o.single_put_bytes;
  if (o.part_bytes > 0) *part_bytes = o.part_bytes;
}

Result<std::unique_ptr<ObjectStore>> OpenS3(const Location& location,
                                            const StoreOptions& o,
                                            const Clock& clock) {
  StoreClient::Options client;
  auto owned = NewOwned<S3Credentials>(o, clock, &client);
  owned->credentials = std::make_unique<S3Credentials>(
      S3CredentialOptions{.config_file = o.s3_config_file,
                          .credentials_file = o.s3_credential_file,
                          .profile = o.s3_profile,
                          .environment = o.environment},
      *owned->transport, clock);
  FODC_ASSIGN_OR_RETURN(const S3Settings settings,
                        owned->credentials->Settings());
  FODC_ASSIGN_OR_RETURN(
      const S3Checksum checksum,
      ParseS3Checksum(o.s3_checksum_algorithm).WithContext("checksum"));
  S3Options s3{.location = location,
               .credentials =
                   [credentials = owned->credentials.get()](
                       bool renew, const std::stop_token& stop) {
                     return credentials->Get(renew, stop);
                   },
               .storage_class = o.s3_storage_class,
               .checksum = checksum,
               .signs_payload = o.s3_signs_payload,
               .client = std::move(client)};
  if (o.s3_path_style) s3.location.path_style = true;
  SetSizes(o, &s3, &s3.part_bytes);
  if (settings.region) s3.region = *settings.region;
  if (settings.endpoint) s3.endpoint = *settings.endpoint;
  if (settings.max_attempts) s3.client.retry.attempts = *settings.max_attempts;
  const std::string endpoint = location.endpoint.value_or(s3.endpoint);
  // Else whoever listens could send other bytes.
  if (!o.s3_signs_payload && endpoint.starts_with("http://")) {
    return InvalidArgument(StrCat(
        "bodies that are not signed need TLS, and the endpoint is ", endpoint));
  }
  owned->store =
      std::make_unique<S3Store>(std::move(s3), *owned->transport, clock);
  return owned;
}

Result<std::unique_ptr<ObjectStore>> OpenGcs(const Location& location,
                                             const StoreOptions& o,
                                             const Clock& clock) {
  StoreClient::Options client;
  auto owned = NewOwned<GcsTokens>(o, clock, &client);
  owned->credentials = std::make_unique<GcsTokens>(
      GcsTokenOptions{.service_account_file = o.gcp_service_account_file,
                      .environment = o.environment},
      *owned->transport, clock);
  GcsOptions gcs{.location = location,
                 .token =
                     [tokens = owned->credentials.get()](
                         bool renew, const std::stop_token& stop) {
                       return tokens->Get(renew, stop);
                     },
                 .client = std::move(client)};
  SetSizes(o, &gcs, &gcs.chunk_bytes);
  owned->store =
      std::make_unique<GcsStore>(std::move(gcs), *owned->transport, clock);
  return owned;
}

// Google's XML API with an HMAC key.
Result<std::unique_ptr<ObjectStore>> OpenGcsByHmac(const Location& location,
                                                   const StoreOptions& o,
                                                   const Clock& clock) {
  S3Options s3{
      .location = location,
      .dialect = SigV4Dialect::kGoogle,
      .credentials = [key = SigV4Key{.access_key = o.gcp_hmac_access_id,
                                     .secret = o.gcp_hmac_secret}](
                         bool renew,
                         const std::stop_token& /*stop*/) -> Result<SigV4Key> {
        if (renew) return Unauthenticated("the HMAC key is refused");
        return key;
      }};
  auto owned = NewOwned<Nothing>(o, clock, &s3.client);
  SetSizes(o, &s3, &s3.part_bytes);
  owned->store =
      std::make_unique<S3Store>(std::move(s3), *owned->transport, clock);
  return owned;
}

Result<std::unique_ptr<ObjectStore>> OpenAzure(const Location& location,
                                               const StoreOptions& o,
                                               const Clock& clock) {
  constexpr char kVariable[] = "AZURE_STORAGE_CONNECTION_STRING";
  std::string connection;
  if (o.environment) {
    connection = o.environment(kVariable).value_or("");
  } else if (const char* const value = std::getenv(kVariable)) {
    connection = value;
  }
  AzureOptions azure{.location = location};
  bool needs_token = false;
  if (!connection.empty()) {
    FODC_ASSIGN_OR_RETURN(azure.account,
                          ParseAzureConnectionString(connection));
  } else {
    needs_token = o.azure_account_key.empty() && o.azure_sas_token.empty();
    FODC_ASSIGN_OR_RETURN(
        azure.account,
        AzureAccountOf({.account_name = o.azure_account_name,
                        .account_key = o.azure_account_key,
                        .sas_token = o.azure_sas_token,
                        .endpoint = o.azure_endpoint.empty()
                                        ? location.endpoint.value_or("")
                                        : o.azure_endpoint,
                        .has_tokens = needs_token}));
  }
  auto owned = NewOwned<AzureTokens>(o, clock, &azure.client);
  if (needs_token) {
    owned->credentials = std::make_unique<AzureTokens>(
        AzureTokenOptions{.environment = o.environment}, *owned->transport,
        clock);
    azure.token = [tokens = owned->credentials.get()](
                      bool renew, const std::stop_token& stop) {
      return tokens->Get(renew, stop);
    };
  }
  SetSizes(o, &azure, &azure.block_bytes);
  owned->store =
      std::make_unique<AzureStore>(std::move(azure), *owned->transport, clock);
  return owned;
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> OpenStore(const Location& location,
                                               StoreOptions options,
                                               const Clock& clock) {
  switch (location.kind) {
    case StoreKind::kFile:
      return OpenFile(location, options, clock);
    case StoreKind::kS3:
      return OpenS3(location, options, clock);
    case StoreKind::kGcs:
      if (options.gcp_hmac_access_id.empty() !=
          options.gcp_hmac_secret.empty()) {
        return InvalidArgument(
            "an HMAC key of Google is an access id and a secret; one of them "
            "is missing");
      }
      return options.gcp_hmac_access_id.empty()
                 ? OpenGcs(location, options, clock)
                 : OpenGcsByHmac(location, options, clock);
    case StoreKind::kAzure:
      return OpenAzure(location, options, clock);
  }
  return InvalidArgument("no such kind of store");
}

}  // namespace fodc::object_store
