// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/s3_auth.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "tests/support/object_server/digest.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr auto kMaxSkew = std::chrono::minutes(15);

struct Authorization {
  std::string_view access_key;
  std::string_view scope;  // date/region/s3/aws4_request
  std::string_view date;
  std::string_view region;
  std::string_view signed_headers;
  std::string_view signature;
};

std::optional<Authorization> ParseAuthorization(std::string_view text) {
  if (!ConsumePrefix(&text, kAlgorithm) || !ConsumePrefix(&text, " ")) {
    return std::nullopt;
  }
  const auto credential = FieldOf(text, "Credential", ',');
  const auto headers = FieldOf(text, "SignedHeaders", ',');
  const auto signature = FieldOf(text, "Signature", ',');
  if (!credential || !headers || !signature) return std::nullopt;
  const auto parts = Split(*credential, '/');
  if (parts.size() != 5 || parts[3] != "s3" || parts[4] != "aws4_request" ||
      parts[1].size() != 8 || signature->size() != 64) {
    return std::nullopt;
  }
  Authorization a;
  a.access_key = parts[0];
  a.scope = credential->substr(parts[0].size() + 1);
  a.date = parts[1];
  a.region = parts[2];
  a.signed_headers = *headers;
  a.signature = *signature;
  return a;
}

// Values of one name, joined, with blanks inside folded.
void AppendHeaderValue(std::string* out, const Request& request,
                       std::string_view name) {
  bool first = true;
  for (const Header& h : request.headers) {
    if (!EqualsIgnoreCase(h.name, name)) continue;
    if (!first) out->push_back(',');
    first = false;
    bool blank = false;
    for (const char c : h.value) {
      if (c == ' ' && blank) continue;
      blank = c == ' ';
      out->push_back(c);
    }
  }
}

void AppendCanonicalQuery(std::string* out, const Request& request) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(request.parameters.size());
  for (const Parameter& p : request.parameters) {
    encoded.emplace_back(PercentEncode(p.name, false),
                         PercentEncode(p.value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  bool first = true;
  for (const auto& [name, value] : encoded) {
    if (!first) out->push_back('&');
    first = false;
    out->append(name).append("=").append(value);
  }
}

// The first header that must be signed and is not; empty if all are.
std::string Unsigned(const Request& request,
                     const std::vector<std::string_view>& names) {
  const auto is_signed = [&](std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view n) {
      return EqualsIgnoreCase(n, name);
    });
  };
  if (!is_signed("host")) return "host";
  for (const Header& h : request.headers) {
    if (h.name.size() > 6 && EqualsIgnoreCase(h.name.substr(0, 6), "x-amz-") &&
        !is_signed(h.name)) {
      return ToLower(h.name);
    }
  }
  return {};
}

bool IsDigest(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::optional<S3Refusal> CheckPayloadHash(std::string_view hash,
                                          bool allow_unsigned) {
  if (hash.empty()) {
    return S3Refusal{400, "InvalidRequest",
                     "Missing required header for this request: "
                     "x-amz-content-sha256",
                     ""};
  }
  if (IsDigest(hash)) return std::nullopt;
  if (hash.starts_with("STREAMING-")) {
    return S3Refusal{501, "NotImplemented",
                     "aws-chunked bodies are not taken here", ""};
  }
  if (hash == "UNSIGNED-PAYLOAD") {
    if (allow_unsigned) return std::nullopt;
    return S3Refusal{400, "InvalidRequest", "UNSIGNED-PAYLOAD is for TLS only",
                     ""};
  }
  return S3Refusal{400, "InvalidArgument",
                   "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid "
                   "sha256 value.",
                   ""};
}

std::optional<S3Refusal> CheckDate(std::string_view text, UnixTime now,
                                   const Authorization& a) {
  const auto date = ParseCompactDate(text);
  if (!date) {
    return S3Refusal{403, "AccessDenied",
                     "AWS authentication requires a valid Date or x-amz-date "
                     "header",
                     ""};
  }
  if (a.date != text.substr(0, 8)) {
    return S3Refusal{400, "AuthorizationHeaderMalformed",
                     "The authorization header is malformed; the credential's "
                     "date is not that of x-amz-date.",
                     ""};
  }
  const auto skew = now > *date ? now - *date : *date - now;
  if (skew <= kMaxSkew) return std::nullopt;
  S3Refusal r{403, "RequestTimeTooSkewed",
              "The difference between the request time and the current time "
              "is too large.",
              ""};
  AppendElement(&r.extra, "RequestTime", text);
  AppendElement(&r.extra, "ServerTime", FormatRfc3339(now, 0));
  AppendElement(&r.extra, "MaxAllowedSkewMilliseconds", "900000");
  return r;
}

std::optional<S3Refusal> CheckToken(std::string_view token,
                                    const Credentials& credentials) {
  if (token == credentials.session_token) return std::nullopt;
  if (token.empty()) {
    return S3Refusal{403, "InvalidAccessKeyId",
                     "The AWS Access Key Id you provided does not exist in our "
                     "records.",
                     ""};
  }
  return S3Refusal{400, "InvalidToken",
                   "The provided token is malformed or otherwise invalid.", ""};
}

}  // namespace

std::string CanonicalRequest(const Request& request,
                             std::string_view signed_headers,
                             std::string_view payload_hash) {
  std::string out;
  out.reserve(1024);
  out.append(request.method).append("\n");
  // The path is encoded once, whatever the client encoded of it.
  AppendPercentEncoded(&out, PercentDecode(request.path, false), true);
  out.push_back('\n');
  AppendCanonicalQuery(&out, request);
  out.push_back('\n');
  for (const std::string_view name : Split(signed_headers, ';')) {
    out.append(name).append(":");
    AppendHeaderValue(&out, request, name);
    out.push_back('\n');
  }
  out.append("\n").append(signed_headers).append("\n").append(payload_hash);
  return out;
}

const std::string& S3Verifier::SigningKey(const std::string& secret,
                                          std::string_view scope) {
  std::string wanted = StrCat(secret, "\n", scope);
  if (wanted == cached_for_) return key_;
  std::string key = "AWS4" + secret;
  for (const std::string_view part : Split(scope, '/')) {
    key = HmacSha256(key, part);
  }
  cached_for_ = std::move(wanted);
  key_ = std::move(key);
  return key_;
}

std::optional<S3Refusal> S3Verifier::Verify(const Request& request,
                                            UnixTime now,
                                            const Credentials& credentials,
                                            const S3AuthRules& rules) {
  const std::string_view header = request.Get("authorization");
  if (header.empty())
    return S3Refusal{403, "AccessDenied", "Access Denied", ""};
  const auto a = ParseAuthorization(header);
  if (!a) {
    return S3Refusal{400, "AuthorizationHeaderMalformed",
                     "The authorization header is malformed.", ""};
  }
  if (a->access_key != credentials.access_key) {
    return S3Refusal{403, "InvalidAccessKeyId",
                     "The AWS Access Key Id you provided does not exist in our "
                     "records.",
                     ""};
  }
  if (a->region != rules.region) {
    S3Refusal r{400, "AuthorizationHeaderMalformed",
                StrCat("The authorization header is malformed; the region '",
                       a->region, "' is wrong; expecting '", rules.region, "'"),
                ""};
    AppendElement(&r.extra, "Region", rules.region);
    return r;
  }
  if (auto r = CheckToken(request.Get("x-amz-security-token"), credentials)) {
    return r;
  }
  const std::string_view date = request.Get("x-amz-date");
  if (auto r = CheckDate(date, now, *a)) return r;
  const std::string_view hash = request.Get("x-amz-content-sha256");
  if (auto r = CheckPayloadHash(hash, rules.allow_unsigned)) return r;
  const auto names = Split(a->signed_headers, ';');
  if (const std::string name = Unsigned(request, names); !name.empty()) {
    S3Refusal r{403, "AccessDenied",
                "There were headers present in the request which were not "
                "signed",
                ""};
    AppendElement(&r.extra, "HeadersNotSigned", name);
    return r;
  }
  const bool sorted = std::is_sorted(names.begin(), names.end());
  const std::string canonical =
      CanonicalRequest(request, a->signed_headers, hash);
  const std::string to_sign = StrCat(kAlgorithm, "\n", date, "\n", a->scope,
                                     "\n", Hex(Sha256(canonical)));
  const std::string expected =
      Hex(HmacSha256(SigningKey(credentials.secret_key, a->scope), to_sign));
  if (sorted && SameText(expected, a->signature)) return std::nullopt;
  S3Refusal r{403, "SignatureDoesNotMatch",
              "The request signature we calculated does not match the "
              "signature you provided. Check your key and signing method.",
              ""};
  AppendElement(&r.extra, "AWSAccessKeyId", a->access_key);
  AppendElement(&r.extra, "StringToSign", to_sign);
  AppendElement(&r.extra, "SignatureProvided", a->signature);
  AppendElement(&r.extra, "CanonicalRequest", canonical);
  return r;
}

}  // namespace fodc::object_server
