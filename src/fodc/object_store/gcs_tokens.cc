// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/gcs_tokens.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/http_date.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileBytes = 1u << 20;
constexpr std::chrono::seconds kLife{3600};
// Of another time than the service's, beyond what it bears.
constexpr std::chrono::minutes kSkewed{5};
constexpr char kTokenUri[] = "https://oauth2.googleapis.com/token";
constexpr char kScope[] =
    "https://www.googleapis.com/auth/devstorage.read_write";
constexpr char kMetadataOrigin[] = "http://metadata.google.internal";
constexpr char kMetadataPath[] =
    "/computeMetadata/v1/instance/service-accounts/default/token";

std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// RFC 4648, section 5, without padding.
std::string Base64Url(std::string_view bytes) {
  std::string text = Base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

Result<std::string> SignRs256(std::string_view text, std::string_view pem) {
  const std::unique_ptr<BIO, FreeBio> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)
          : nullptr);
  if (!key) return InvalidArgument("its private key is not readable");
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  std::size_t bytes = 0;
  const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr,
                         key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &bytes, data, text.size()) != 1) {
    return InvalidArgument("its private key does not sign");
  }
  std::vector<unsigned char> signature(bytes);
  if (EVP_DigestSign(context.get(), signature.data(), &bytes, data,
                     text.size()) != 1) {
    return InvalidArgument("its private key does not sign");
  }
  return std::string(reinterpret_cast<const char*>(signature.data()), bytes);
}

// A key that anybody may read is no secret.
Status CheckMode(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return ErrnoStatus(errno, "stat " + path);
  if ((s.st_mode & 07) != 0) {
    return PermissionDenied(
        StrCat(path, ": everybody may read or write it; chmod it to 0600"));
  }
  if ((s.st_mode & 070) != 0)
    LogWarn("a key can be read by its file's group", {{"file", path}});
  return OkStatus();
}

}  // namespace

Result<std::string> SignJwt(std::string_view claims, std::string_view key_id,
                            std::string_view key) {
  const json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id}};
  const std::string text =
      StrCat(Base64Url(header.dump()), ".", Base64Url(claims));
  FODC_ASSIGN_OR_RETURN(const std::string signature, SignRs256(text, key));
  return StrCat(text, ".", Base64Url(signature));
}

GcsTokens::GcsTokens(GcsTokenOptions options, Transport& transport,
                     const Clock& clock)
    : options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      token_([this](const std::stop_token& stop) { return Find(stop); },
             clock) {}

std::optional<std::string> GcsTokens::Environment(const char* name) const {
  if (options_.environment) return options_.environment(name);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv by now
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return {};
  return value;
}

Result<std::string> GcsTokens::Get(bool renew, const std::stop_token& stop) {
  return token_.Get(renew, stop);
}

Result<BearerToken> GcsTokens::Find(const std::stop_token& stop) {
  if (!options_.service_account_file.empty())
    return OfFile(options_.service_account_file, stop);
  if (const auto file = Environment("GOOGLE_APPLICATION_CREDENTIALS"))
    return OfFile(*file, stop);
  const std::string usual = StrCat(
      Environment("CLOUDSDK_CONFIG")
          .value_or(Environment("HOME").value_or("") + "/.config/gcloud"),
      "/application_default_credentials.json");
  if (ReadFile(usual, kMaxFileBytes).ok()) return OfFile(usual, stop);
  auto found = OfMachine(stop);
  if (found.ok() || found.status().code() == Code::kCancelled) return found;
  return Unauthenticated(
      StrCat("there are no credentials for GCS: no "
             "--gcp-service-account-file, no GOOGLE_APPLICATION_CREDENTIALS, "
             "none of gcloud, and ",
             found.status().message()));
}

Result<BearerToken> GcsTokens::OfFile(const std::string& path,
                                      const std::stop_token& stop) {
  FODC_RETURN_IF_ERROR(CheckMode(path));
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object())
    return InvalidArgument(path + ": it is no JSON object");
  const std::string type = TextAt(file, "type");
  if (type == "authorized_user") {
    return AskWith(
        EncodeQuery({{"grant_type", "refresh_token"},
                     {"client_id", TextAt(file, "client_id")},
                     {"client_secret", TextAt(file, "client_secret")},
                     {"refresh_token", TextAt(file, "refresh_token")}}),
        kTokenUri, stop);
  }
  if (type != "service_account") {
    return InvalidArgument(
        StrCat(path, ": it is no key of a service account: its type is \"",
               ToValidUtf8(std::string_view(type).substr(0, 40)), "\""));
  }
  const std::string email = TextAt(file, "client_email");
  std::string token_uri = TextAt(file, "token_uri");
  if (token_uri.empty()) token_uri = kTokenUri;
  if (email.empty()) return InvalidArgument(path + ": it has no client_email");
  const std::string key_id = TextAt(file, "private_key_id");
  const std::string key = TextAt(file, "private_key");
  const std::chrono::nanoseconds before = skew_;
  auto found = OfAccount(email, key_id, key, token_uri, stop).WithContext(path);
  if (found.ok() || skew_ == before) return found;
  return OfAccount(email, key_id, key, token_uri, stop).WithContext(path);
}

Result<BearerToken> GcsTokens::OfAccount(const std::string& email,
                                         const std::string& key_id,
                                         const std::string& key,
                                         const std::string& token_uri,
                                         const std::stop_token& stop) {
  const auto now =
      std::chrono::floor<std::chrono::seconds>(clock_.Unix() + skew_)
          .time_since_epoch();
  const json claims = {{"iss", email},
                       {"scope", kScope},
                       {"aud", token_uri},
                       {"iat", now.count()},
                       {"exp", (now + kLife).count()}};
  FODC_ASSIGN_OR_RETURN(const std::string assertion,
                        SignJwt(claims.dump(), key_id, key));
  return AskWith(EncodeQuery({{"grant_type",
                               "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                              {"assertion", assertion}}),
                 token_uri, stop);
}

Result<BearerToken> GcsTokens::AskWith(const std::string& form,
                                       const std::string& token_uri,
                                       const std::stop_token& stop) {
  if (!token_uri.starts_with("https://") && !token_uri.starts_with("http://"))
    return InvalidArgument("its token_uri is no http or https URL");
  const MemoryBlob body(form);
  return Ask(FormRequest(token_uri, body), "the token service", stop);
}

Result<BearerToken> GcsTokens::OfMachine(const std::stop_token& stop) {
  std::string origin = options_.metadata_origin;
  if (origin.empty()) {
    const auto host = Environment("GCE_METADATA_HOST");
    origin = host ? "http://" + *host : kMetadataOrigin;
  }
  return Ask({.origin = origin,
              .path = kMetadataPath,
              .headers = {{"Metadata-Flavor", "Google"}}},
             "the machine's metadata service", stop);
}

Result<BearerToken> GcsTokens::Ask(const HttpRequest& request,
                                   std::string_view what,
                                   const std::stop_token& stop) {
  const auto answer = AskPatiently(transport_, clock_, request, stop);
  if (!answer.ok()) return answer.status().WithContext(what);
  if (answer->status != 200) {
    if (const auto theirs = ParseHttpDate(answer->Header("Date"));
        theirs && std::chrono::abs(*theirs - clock_.Unix()) > kSkewed) {
      skew_ = *theirs - clock_.Unix();
    }
  }
  return TokenOf(*answer, what, clock_.Unix());
}

}  // namespace fodc::object_store
