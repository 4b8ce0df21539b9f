// SPDX-License-Identifier: Apache-2.0
// The bearer tokens of Google Cloud Storage, and who gives them.
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

struct GcsTokenOptions {
  // A service account's key, in JSON; empty: looked for.
  std::string service_account_file{};
  // Null: this process's.
  std::function<std::optional<std::string>(const char* name)> environment{};
  // Of the machine's metadata service; empty: GCE_METADATA_HOST, or Google's.
  std::string metadata_origin{};
};

// Looks, in this order, at: the file that was named, that of
// GOOGLE_APPLICATION_CREDENTIALS, gcloud's own (a service account's or a
// user's), the machine's metadata service. Thread-safe.
class GcsTokens {
 public:
  // `transport` and `clock` must outlive it.
  GcsTokens(GcsTokenOptions options, Transport& transport, const Clock& clock);

  // A new one is asked for some minutes before the last expires; `renew`: now,
  // and files are read anew.
  // Errors: kUnauthenticated saying where was looked, or what a service
  // answers; kPermissionDenied for a key that others than user and group may
  // read; kInvalidArgument for a file that is no such key. No message has a
  // secret.
  Result<std::string> Get(bool renew, const std::stop_token& stop = {});

 private:
  std::optional<std::string> Environment(const char* name) const;
  Result<BearerToken> Find(const std::stop_token& stop);
  Result<BearerToken> OfFile(const std::string& path,
                             const std::stop_token& stop);
  // A service account's, signed as of now.
  Result<BearerToken> OfAccount(const std::string& email,
                                const std::string& key_id,
                                const std::string& key,
                                const std::string& token_uri,
                                const std::stop_token& stop);
  Result<BearerToken> OfMachine(const std::stop_token& stop);
  Result<BearerToken> Ask(const HttpRequest& request, std::string_view what,
                          const std::stop_token& stop);
  Result<BearerToken> AskWith(const std::string& form,
                              const std::string& token_uri,
                              const std::stop_token& stop);

  const GcsTokenOptions options_;
  Transport& transport_;
  const Clock& clock_;
  // The service's clock less ours, since it has taken no token for that. Of
  // whoever finds.
  std::chrono::nanoseconds skew_{};
  Renewed<std::string> token_;
};

// A JSON Web Token signed with RSA-SHA256; `key` in PEM.
// Errors: kInvalidArgument for a key that is none.
Result<std::string> SignJwt(std::string_view claims, std::string_view key_id,
                            std::string_view key);

}  // namespace fodc::object_store
