// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/open_store.h"

#include <cstdlib>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_store.h"
#include "fodc/object_store/file_store.h"
#include "fodc/object_store/gcs_store.h"
#include "fodc/object_store/gcs_tokens.h"
#include "fodc/object_store/s3_credentials.h"
#include "fodc/object_store/s3_store.h"

namespace fodc::object_store {
namespace {

// A store behind HTTP with what it stands on; the members go in the reverse
// order.
template <typename Credentials>
class Owned final : public ObjectStore {
 public:
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

Result<std::unique_ptr<ObjectStore>> OpenS3(const Location& location,
                                            const StoreOptions& o,
                                            const Clock& clock) {
  auto owned = std::make_unique<Owned<S3Credentials>>();
  owned->transport = std::make_unique<Transport>(o.transport);
  owned->credentials = std::make_unique<S3Credentials>(
      S3CredentialOptions{.config_file = o.s3_config_file,
                          .credentials_file = o.s3_credential_file,
                          .profile = o.s3_profile,
                          .environment = o.environment},
      *owned->transport, clock);
  FODC_ASSIGN_OR_RETURN(const S3Settings settings,
                        owned->credentials->Settings());
  S3Options s3{
      .location = location,
      .credentials = [credentials = owned->credentials.get()](
                         bool renew) { return credentials->Get(renew); },
      .storage_class = o.s3_storage_class,
      .client = o.client};
  if (settings.region) s3.region = *settings.region;
  if (settings.endpoint) s3.endpoint = *settings.endpoint;
  if (settings.max_attempts) s3.client.retry.attempts = *settings.max_attempts;
  owned->store =
      std::make_unique<S3Store>(std::move(s3), *owned->transport, clock);
  return owned;
}

Result<std::unique_ptr<ObjectStore>> OpenGcs(const Location& location,
                                             const StoreOptions& o,
                                             const Clock& clock) {
  auto owned = std::make_unique<Owned<GcsTokens>>();
  owned->transport = std::make_unique<Transport>(o.transport);
  owned->credentials = std::make_unique<GcsTokens>(
      GcsTokenOptions{.service_account_file = o.gcp_service_account_file,
                      .environment = o.environment},
      *owned->transport, clock);
  owned->store = std::make_unique<GcsStore>(
      GcsOptions{.location = location,
                 .token = [tokens = owned->credentials.get()](
                              bool renew) { return tokens->Get(renew); },
                 .client = o.client},
      *owned->transport, clock);
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
  AzureOptions azure{.location = location, .client = o.client};
  if (!connection.empty()) {
    FODC_ASSIGN_OR_RETURN(azure.account,
                          ParseAzureConnectionString(connection));
  } else {
    FODC_ASSIGN_OR_RETURN(
        azure.account,
        AzureAccountOf({.account_name = o.azure_account_name,
                        .account_key = o.azure_account_key,
                        .sas_token = o.azure_sas_token,
                        .endpoint = o.azure_endpoint.empty()
                                        ? location.endpoint.value_or("")
                                        : o.azure_endpoint}));
  }
  auto owned = std::make_unique<Owned<Nothing>>();
  owned->transport = std::make_unique<Transport>(o.transport);
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
      return std::make_unique<FileStore>(location.base, clock);
    case StoreKind::kS3:
      return OpenS3(location, options, clock);
    case StoreKind::kGcs:
      return OpenGcs(location, options, clock);
    case StoreKind::kAzure:
      return OpenAzure(location, options, clock);
  }
  return InvalidArgument("no such kind of store");
}

}  // namespace fodc::object_store
