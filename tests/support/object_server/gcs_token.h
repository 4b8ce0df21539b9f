// SPDX-License-Identifier: Apache-2.0
// Who may use the Google personality: OAuth 2.0 bearer tokens, given for a
// signed JWT ("Using OAuth 2.0 for Server to Server Applications") or as the
// metadata server of a machine gives them.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::object_server {

// The claims of a JWT signed with RS256; `pem`: a public key. Errors:
// kUnauthenticated.
Result<nlohmann::json> ReadJwt(std::string_view jwt, const std::string& pem);

// `pem`: a public key. Errors: kUnauthenticated with what is wrong, in
// Google's words where it has some.
Status VerifyJwt(std::string_view jwt, const std::string& pem, UnixTime now,
                 std::string_view audience);

// Not thread-safe.
class Tokens {
 public:
  std::string Issue(UnixTime now, std::chrono::seconds lifetime);
  bool Valid(std::string_view token, UnixTime now) const;
  void Clear() { expiry_.clear(); }

 private:
  std::map<std::string, UnixTime, std::less<>> expiry_;
};

}  // namespace fodc::object_server
