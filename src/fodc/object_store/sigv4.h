// SPDX-License-Identifier: Apache-2.0
// Signature Version 4 of AWS, in headers, and what Google made of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/object_store/digests.h"
#include "fodc/object_store/http_request.h"

namespace fodc::object_store {

struct SigV4Key {
  std::string access_key{};  // its id, which is no secret
  std::string secret{};
  std::string session_token{};  // of keys that expire; empty: none
};

// Whose words are used.
enum class SigV4Dialect : std::uint8_t { kAws, kGoogle };

struct SigV4Scope {
  std::string region{};
  std::string service = "s3";
  SigV4Dialect dialect = SigV4Dialect::kAws;
};

// Adds Host, X-Amz-Date (X-Goog-Date), X-Amz-Security-Token and Authorization
// to the headers. All that are there already are signed; of their values, runs
// of blanks are one. `payload` is in X-Amz-Content-Sha256
// (X-Goog-Content-Sha256) as the service wants it: the digest of the body, in
// hexadecimal.
void SignV4(const SigV4Key& key, const SigV4Scope& scope, UnixTime at,
            std::string_view payload, HttpRequest* request);

// HMAC-SHA-256.
Sha256 HmacSha256(std::string_view key, std::string_view text);

}  // namespace fodc::object_store
