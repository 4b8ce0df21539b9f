// SPDX-License-Identifier: Apache-2.0
// The bearer tokens of Azure Storage, and who gives them.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/token_service.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

struct AzureTokenOptions {
  // Null: this process's.
  std::function<std::optional<std::string>(const char* name)> environment{};
  // Of the machine's metadata service.
  std::string metadata_origin = "http://169.254.169.254";
};

// Asks, in this order: AZURE_AUTHORITY_HOST with the federated token of
// AZURE_FEDERATED_TOKEN_FILE, for AZURE_CLIENT_ID of AZURE_TENANT_ID (a
// workload's identity, if all three are set); IDENTITY_ENDPOINT with
// IDENTITY_HEADER (App Service); the machine's metadata service. Of the latter
// two AZURE_CLIENT_ID chooses an identity. Thread-safe.
class AzureTokens {
 public:
  // `transport` and `clock` must outlive it.
  AzureTokens(AzureTokenOptions options, Transport& transport,
              const Clock& clock);

  // A new one is asked for some minutes before the last expires; `renew`: now.
  // The file is read anew for each.
  // Errors: kUnauthenticated saying where was looked, or what a service
  // answers; kInvalidArgument for variables that cannot be meant; those of
  // reading the file; kCancelled. No message has a secret.
  Result<std::string> Get(bool renew, const std::stop_token& stop = {});

 private:
  std::optional<std::string> Environment(const char* name) const;
  Result<BearerToken> Find(const std::stop_token& stop);
  Result<BearerToken> OfWorkload(const std::string& file,
                                 const std::string& client,
                                 const std::string& tenant,
                                 const std::stop_token& stop);
  Result<BearerToken> OfAppService(const std::string& endpoint,
                                   const std::string& secret,
                                   const std::stop_token& stop);
  Result<BearerToken> OfMachine(const std::stop_token& stop);
  Result<BearerToken> Ask(const HttpRequest& request, std::string_view what,
                          const std::stop_token& stop, int also_passing = 0);

  const AzureTokenOptions options_;
  Transport& transport_;
  const Clock& clock_;
  Renewed<std::string> token_;
};

}  // namespace fodc::object_store
