// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/gcs_token.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

using nlohmann::json;

// A clock may run ahead of ours by that much.
constexpr std::int64_t kMaxAheadSeconds = 300;
constexpr std::int64_t kMaxLifeSeconds = 3600;

bool GoodSignature(std::string_view text, std::string_view signature,
                   const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return false;
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto bytes = [](std::string_view t) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's
    return reinterpret_cast<const unsigned char*>(t.data());
  };
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                              key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(),
                          bytes(text), text.size()) == 1;
}

std::optional<json> Decoded(std::string_view part) {
  const auto text = FromBase64Url(part);
  if (!text) return std::nullopt;
  json value = json::parse(*text, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

std::string TextOf(const json& claims, const char* name) {
  const auto it = claims.find(name);
  return it != claims.end() && it->is_string() ? it->get<std::string>() : "";
}

std::int64_t NumberOf(const json& claims, const char* name) {
  const auto it = claims.find(name);
  return it != claims.end() && it->is_number_integer() ? it->get<std::int64_t>()
                                                       : 0;
}

}  // namespace

Result<json> ReadJwt(std::string_view jwt, const std::string& pem) {
  const auto parts = Split(jwt, '.');
  if (parts.size() != 3) return Unauthenticated("Bad Request: no JWT.");
  const auto header = Decoded(parts[0]);
  const auto claims = Decoded(parts[1]);
  const auto signature = FromBase64Url(parts[2]);
  if (!header || !claims || !signature) {
    return Unauthenticated("Bad Request: the JWT cannot be read.");
  }
  if (TextOf(*header, "alg") != "RS256") {
    return Unauthenticated("The algorithm of the JWT is not RS256.");
  }
  const std::string_view text =
      jwt.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!GoodSignature(text, *signature, pem)) {
    return Unauthenticated("Invalid JWT Signature.");
  }
  return *claims;
}

Status VerifyJwt(std::string_view jwt, const std::string& pem, UnixTime now,
                 std::string_view audience) {
  FODC_ASSIGN_OR_RETURN(const json read, ReadJwt(jwt, pem));
  const json* const claims = &read;
  const std::int64_t seconds = ToUnixMillis(now) / 1000;
  const std::int64_t issued = NumberOf(*claims, "iat");
  const std::int64_t expires = NumberOf(*claims, "exp");
  if (issued > seconds + kMaxAheadSeconds || expires <= seconds ||
      expires - issued > kMaxLifeSeconds || expires <= issued) {
    return Unauthenticated(
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
        "reasonable timeframe. Check your iat and exp values in the JWT "
        "claim.");
  }
  if (TextOf(*claims, "iss").empty()) {
    return Unauthenticated("Invalid JWT: no issuer.");
  }
  if (!audience.empty() && TextOf(*claims, "aud") != audience) {
    return Unauthenticated("Invalid JWT: the audience is another one.");
  }
  // Of a token that is itself the bearer the audience says for what.
  if (TextOf(*claims, "scope").empty() &&
      !TextOf(*claims, "aud").starts_with("https://storage.googleapis.com")) {
    return Unauthenticated(
        "Invalid OAuth scope or ID token audience provided.");
  }
  return Status();
}

std::string Tokens::Issue(UnixTime now, std::chrono::seconds lifetime) {
  std::string token = StrCat("ya29.", FreshId());
  expiry_[token] = now + lifetime;
  return token;
}

bool Tokens::Valid(std::string_view token, UnixTime now) const {
  const auto it = expiry_.find(token);
  return it != expiry_.end() && now < it->second;
}

}  // namespace fodc::object_server
