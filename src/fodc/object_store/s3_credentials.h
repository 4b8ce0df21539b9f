// SPDX-License-Identifier: Apache-2.0
// Where the keys of S3 come from: the chain that AWS's own tools look through.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/object_store/aws_files.h"
#include "fodc/object_store/renewed.h"
#include "fodc/object_store/sigv4.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

struct S3CredentialOptions {
  // Empty: those of the environment, or below ~/.aws, if they are there.
  std::string config_file{};
  std::string credentials_file{};
  std::string profile{};
  // Null: this process's.
  std::function<std::optional<std::string>(const char* name)> environment{};
  // Of the machine's metadata service.
  std::string metadata_origin = "http://169.254.169.254";
  std::string sts_origin{};  // empty: that of the region
};

// What the files and the environment say beside keys.
struct S3Settings {
  std::optional<std::string> region{};
  std::optional<std::string> endpoint{};
  std::optional<int> max_attempts{};
};

// Looks, in this order, at: keys in the environment, a web identity
// (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN), the shared files, a
// container's URI, the machine's metadata service. Thread-safe.
class S3Credentials {
 public:
  // `transport` and `clock` must outlive it.
  S3Credentials(S3CredentialOptions options, Transport& transport,
                const Clock& clock);

  // Of keys that expire new ones are asked for some minutes before; `renew`:
  // now, and files are read anew.
  // Errors: kUnauthenticated saying where was looked; kInvalidArgument for
  // files that cannot be read; kCancelled. No message has a secret.
  Result<SigV4Key> Get(bool renew, const std::stop_token& stop = {});

  // Errors: as Get.
  Result<S3Settings> Settings();

 private:
  using Found = Expiring<SigV4Key>;

  std::optional<std::string> Environment(const char* name) const;
  Result<AwsProfile> Profile() const;
  Result<Found> Find(const std::stop_token& stop);
  Result<std::optional<Found>> Look(const std::stop_token& stop);
  Result<std::optional<Found>> OfWebIdentity(const std::stop_token& stop);
  Result<std::optional<Found>> OfContainer(const std::stop_token& stop);
  Result<std::optional<Found>> OfMachine(const std::stop_token& stop);
  // In an answer of JSON.
  static Result<std::optional<Found>> FoundIn(const std::string& text,
                                              std::string_view what);
  Result<std::string> Ask(const HttpRequest& request, std::string_view what,
                          const std::stop_token& stop);

  const S3CredentialOptions options_;
  Transport& transport_;
  const Clock& clock_;
  Renewed<SigV4Key> key_;
};

}  // namespace fodc::object_store
