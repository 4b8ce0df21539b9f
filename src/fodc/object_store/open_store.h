// SPDX-License-Identifier: Apache-2.0
// The store that a URL means, with what it needs to be asked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/object_store.h"
#include "fodc/object_store/store_client.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

// What is given beside the URL, as the flags of a program have it; what is
// empty is looked for where each vendor's own tools look.
struct StoreOptions {
  std::string s3_config_file{};
  std::string s3_credential_file{};
  std::string s3_profile{};
  std::string s3_storage_class{};
  std::string s3_checksum_algorithm{};  // empty: SHA256; see ParseS3Checksum
  bool s3_path_style = false;           // the bucket in the path, always
  bool s3_signs_payload = true;
  std::string azure_account_name{};
  std::string azure_account_key{};
  std::string azure_sas_token{};
  std::string azure_endpoint{};
  std::string gcp_service_account_file{};
  // Of an HMAC key: with both Google's XML API is spoken, signed.
  std::string gcp_hmac_access_id{};
  std::string gcp_hmac_secret{};
  // Null: this process's.
  std::function<std::optional<std::string>(const char* name)> environment{};
  // Of everybody together; 0: as much as goes. Requests only of stores behind
  // HTTP.
  std::uint64_t bytes_per_second = 0;
  std::uint64_t requests_per_second = 0;
  // Objects beyond `single_put_bytes` go in parts of `part_bytes` at least; 0:
  // what fits the store. Not of files.
  std::uint64_t single_put_bytes = 0;
  std::uint64_t part_bytes = 0;
  StoreClient::Options client{};
  Transport::Options transport{};
};

// Nothing is asked yet. `clock` must outlive it. For Azure
// AZURE_STORAGE_CONNECTION_STRING goes before all flags; without it, key and
// signature tokens are asked for, see AzureTokens.
// Errors: kInvalidArgument for options that cannot be meant; those of
// S3Credentials::Settings.
Result<std::unique_ptr<ObjectStore>> OpenStore(const Location& location,
                                               StoreOptions options,
                                               const Clock& clock);

}  // namespace fodc::object_store
