// SPDX-License-Identifier: Apache-2.0
// The bearer tokens of Google Cloud Storage, and who gives them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
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
  Result<std::string> Get(bool renew);

 private:
  struct Found {
    std::string token;
    UnixTime expires{};
  };

  std::optional<std::string> Environment(const char* name) const;
  Result<Found> Find() FODC_REQUIRES(mutex_);
  Result<Found> OfFile(const std::string& path) FODC_REQUIRES(mutex_);
  // A service account's, signed as of now.
  Result<Found> OfAccount(const std::string& email, const std::string& key_id,
                          const std::string& key, const std::string& token_uri)
      FODC_REQUIRES(mutex_);
  Result<Found> OfMachine() FODC_REQUIRES(mutex_);
  Result<Found> Ask(HttpRequest request, std::string_view what)
      FODC_REQUIRES(mutex_);
  Result<Found> AskWith(const std::string& form, const std::string& token_uri)
      FODC_REQUIRES(mutex_);

  const GcsTokenOptions options_;
  Transport& transport_;
  const Clock& clock_;
  Mutex mutex_;  // held while it asks: one at a time does
  // The service's clock less ours, since it has taken no token for that.
  std::chrono::nanoseconds skew_ FODC_GUARDED_BY(mutex_){};
  std::optional<Found> found_ FODC_GUARDED_BY(mutex_);
};

// A JSON Web Token signed with RSA-SHA256; `key` in PEM.
// Errors: kInvalidArgument for a key that is none.
Result<std::string> SignJwt(std::string_view claims, std::string_view key_id,
                            std::string_view key);

}  // namespace fodc::object_store
