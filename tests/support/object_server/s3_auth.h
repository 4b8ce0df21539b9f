// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 in the Authorization header, verified as the
// documentation of S3 says ("Authenticating Requests: Using the Authorization
// Header"). Query ("presigned") and streaming signatures are not taken.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "tests/support/object_server/http.h"
#include "tests/support/object_server/options.h"

namespace fodc::object_server {

struct S3Refusal {
  int status = 403;
  std::string code;
  std::string message;
  std::string extra;  // XML inside the error document
};

struct S3AuthRules {
  std::string_view region;
  bool allow_unsigned = false;
};

// Verifies signatures; keeps the key of the day. Not thread-safe.
class S3Verifier {
 public:
  std::optional<S3Refusal> Verify(const Request& request, UnixTime now,
                                  const Credentials& credentials,
                                  const S3AuthRules& rules);

 private:
  const std::string& SigningKey(const std::string& secret,
                                std::string_view scope);

  std::string cached_for_;
  std::string key_;
};

// For tests of the verifier: what is hashed into the string to sign.
std::string CanonicalRequest(const Request& request,
                             std::string_view signed_headers,
                             std::string_view payload_hash);

}  // namespace fodc::object_server
