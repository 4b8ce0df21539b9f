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
  std::string azure_account_name{};
  std::string azure_account_key{};
  std::string azure_sas_token{};
  std::string azure_endpoint{};
  std::string gcp_service_account_file{};
  // Null: this process's.
  std::function<std::optional<std::string>(const char* name)> environment{};
  StoreClient::Options client{};
  Transport::Options transport{};
};

// Nothing is asked yet. `clock` must outlive it. For Azure
// AZURE_STORAGE_CONNECTION_STRING goes before all flags.
// Errors: kInvalidArgument for options that cannot be meant; those of
// S3Credentials::Settings.
Result<std::unique_ptr<ObjectStore>> OpenStore(const Location& location,
                                               StoreOptions options,
                                               const Clock& clock);

}  // namespace fodc::object_store
