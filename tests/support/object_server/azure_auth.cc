// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/azure_auth.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "tests/support/object_server/digest.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr auto kMaxSkew = std::chrono::minutes(15);

AzureRefusal Failed(std::string_view detail) {
  return {403, "AuthenticationFailed",
          StrCat("Server failed to authenticate the request. Make sure the "
                 "value of Authorization header is formed correctly including "
                 "the signature. ",
                 detail)};
}

std::string Folded(std::string_view value) {
  std::string out;
  bool blank = false;
  for (const char c : value) {
    const bool now = c == ' ' || c == '\t';
    if (!now) {
      if (blank) out.push_back(' ');
      out.push_back(c);
    }
    blank = now;
  }
  return out;
}

// The standard headers in the order in which they are signed.
constexpr std::array<std::string_view, 11> kSigned = {"content-encoding",
                                                      "content-language",
                                                      "content-length",
                                                      "content-md5",
                                                      "content-type",
                                                      "date",
                                                      "if-modified-since",
                                                      "if-match",
                                                      "if-none-match",
                                                      "if-unmodified-since",
                                                      "range"};

std::string SharedKeyText(const Request& request, const std::string& account) {
  std::string out = StrCat(request.method, "\n");
  for (const std::string_view name : kSigned) {
    std::string_view value = request.Get(name);
    if (name == "content-length" && value == "0") value = {};
    if (name == "date" && request.Has("x-ms-date")) value = {};
    out.append(value).append("\n");
  }
  std::map<std::string, std::string> vendor;
  for (const Header& h : request.headers) {
    std::string name = ToLower(h.name);
    if (name.starts_with("x-ms-")) vendor[std::move(name)] = Folded(h.value);
  }
  for (const auto& [name, value] : vendor) {
    out.append(name).append(":").append(value).append("\n");
  }
  out.append("/").append(account).append(request.path);
  std::map<std::string, std::vector<std::string>> query;
  for (const Parameter& p : request.parameters) {
    query[ToLower(p.name)].push_back(p.value);
  }
  for (auto& [name, values] : query) {
    std::sort(values.begin(), values.end());
    out.append("\n").append(name).append(":");
    for (std::size_t i = 0; i < values.size(); ++i) {
      out.append(i == 0 ? "" : ",").append(values[i]);
    }
  }
  return out;
}

std::optional<AzureRefusal> VerifySharedKey(const Request& request,
                                            UnixTime now,
                                            const Credentials& credentials,
                                            const AzureAccess& access,
                                            std::string_view authorization) {
  if (!request.Has("x-ms-version") && !access.is_part) {
    return AzureRefusal{400, "MissingRequiredHeader",
                        "x-ms-version is not there."};
  }
  const std::string_view date =
      request.Has("x-ms-date") ? request.Get("x-ms-date") : request.Get("date");
  const auto time = ParseHttpDate(date);
  if (!time) return Failed("x-ms-date and Date are no date.");
  const auto skew = now > *time ? now - *time : *time - now;
  if (skew > kMaxSkew) {
    return Failed(StrCat("Request date header too old: '", date, "'"));
  }
  const std::size_t colon = authorization.find(':');
  if (authorization.substr(0, colon) != credentials.azure_account ||
      colon == std::string_view::npos) {
    return Failed("Another account.");
  }
  const std::string text = SharedKeyText(request, credentials.azure_account);
  const std::string key = FromBase64(credentials.azure_key).value_or("");
  if (SameText(Base64(HmacSha256(key, text)),
               authorization.substr(colon + 1))) {
    return std::nullopt;
  }
  return Failed(
      StrCat("The MAC signature is not the same as any computed "
             "signature. Server used following string to sign: '",
             text, "'."));
}

// A date, or a date with a time of minutes or seconds; UTC.
std::optional<UnixTime> SasTime(std::string_view text) {
  std::string whole(text);
  if (whole.size() == 10) whole += "T00:00:00Z";
  if (whole.size() == 17) whole.insert(16, ":00");
  const auto time = ParseRfc3339(whole);
  if (!time.ok()) return std::nullopt;
  return *time;
}

// "Authorize with Microsoft Entra ID": which version at least, and the date.
std::optional<AzureRefusal> VerifyBearer(const Request& request, UnixTime now,
                                         const Tokens& tokens,
                                         const AzureAccess& access,
                                         std::string_view token) {
  if (!access.is_part && request.Get("x-ms-version") < "2017-11-09") {
    return AzureRefusal{403, "AuthenticationFailed",
                        "x-ms-version is not there, or knows no tokens."};
  }
  const auto time = ParseHttpDate(request.Get("x-ms-date"));
  if (!access.is_part &&
      (!time || (now > *time ? now - *time : *time - now) > kMaxSkew)) {
    return Failed("x-ms-date is not there, or of another time.");
  }
  if (request.Find("sig") != nullptr) {
    return Failed("A token and a signature are one too many.");
  }
  if (tokens.Valid(token, now)) return std::nullopt;
  return AzureRefusal{401, "InvalidAuthenticationInfo",
                      "Server failed to authenticate the request. Please refer "
                      "to the information in the www-authenticate header."};
}

bool HasAny(std::string_view granted, std::string_view wanted) {
  return granted.find_first_of(wanted) != std::string_view::npos;
}

// What a service SAS signs, by the version that it names.
std::string ServiceSasText(const Request& r, const std::string& account,
                           const AzureAccess& access) {
  const std::string_view version = r.Value("sv");
  std::string resource = StrCat("/blob/", account, "/", access.container);
  if (r.Value("sr") == "b") resource += StrCat("/", access.blob);
  std::string out =
      StrCat(r.Value("sp"), "\n", r.Value("st"), "\n", r.Value("se"), "\n",
             resource, "\n", r.Value("si"), "\n", r.Value("sip"), "\n",
             r.Value("spr"), "\n", version, "\n");
  if (version >= "2018-11-09") {
    out += StrCat(r.Value("sr"), "\n", r.Value("snapshot"), "\n");
  }
  if (version >= "2020-12-06") out += StrCat(r.Value("ses"), "\n");
  return StrCat(out, r.Value("rscc"), "\n", r.Value("rscd"), "\n",
                r.Value("rsce"), "\n", r.Value("rscl"), "\n", r.Value("rsct"));
}

std::string AccountSasText(const Request& r, const std::string& account) {
  std::string out =
      StrCat(account, "\n", r.Value("sp"), "\n", r.Value("ss"), "\n",
             r.Value("srt"), "\n", r.Value("st"), "\n", r.Value("se"), "\n",
             r.Value("sip"), "\n", r.Value("spr"), "\n", r.Value("sv"), "\n");
  if (r.Value("sv") >= "2020-12-06") out += StrCat(r.Value("ses"), "\n");
  return out;
}

std::optional<AzureRefusal> VerifySas(const Request& r, UnixTime now,
                                      const Credentials& credentials,
                                      const AzureAccess& access) {
  const bool of_account = r.Find("ss") != nullptr;
  const std::string text =
      of_account ? AccountSasText(r, credentials.azure_account)
                 : ServiceSasText(r, credentials.azure_account, access);
  const std::string key = FromBase64(credentials.azure_key).value_or("");
  if (!SameText(Base64(HmacSha256(key, text)), r.Value("sig"))) {
    return Failed(
        StrCat("Signature did not match. String to sign used was ", text));
  }
  const auto expiry = SasTime(r.Value("se"));
  const auto start = SasTime(r.Value("st"));
  if (!expiry || *expiry < now || (r.Find("st") != nullptr && !start) ||
      (start && *start > now)) {
    return Failed("Signature not valid in the specified time frame.");
  }
  // "https" alone; this server speaks http.
  if (r.Value("spr") == "https") {
    return AzureRefusal{403, "AuthorizationProtocolMismatch",
                        "This request is not authorized to be performed using "
                        "this protocol."};
  }
  const AzureRefusal mismatch{
      403, "AuthorizationPermissionMismatch",
      "This request is not authorized to perform this operation using this "
      "permission."};
  if (!HasAny(r.Value("sp"), access.letters)) return mismatch;
  if (of_account) {
    if (!HasAny(r.Value("ss"), "b") ||
        !HasAny(r.Value("srt"), access.blob.empty() ? "c" : "o")) {
      return AzureRefusal{403, "AuthorizationResourceTypeMismatch",
                          "This request is not authorized to perform this "
                          "operation using this resource type."};
    }
    return std::nullopt;
  }
  // A service SAS lists a container at most, or deletes in it; it does not make
  // one.
  if (access.blob.empty() && access.letters != "l" && access.letters != "d")
    return mismatch;
  if (access.blob.empty() && r.Value("sr") != "c") return mismatch;
  return std::nullopt;
}

}  // namespace

std::optional<AzureRefusal> VerifyAzure(const Request& request, UnixTime now,
                                        const Credentials& credentials,
                                        const Tokens& tokens,
                                        const AzureAccess& access) {
  std::string_view authorization = request.Get("authorization");
  if (authorization.empty()) {
    if (request.Find("sig") != nullptr) {
      return VerifySas(request, now, credentials, access);
    }
    return AzureRefusal{401, "NoAuthenticationInformation",
                        "Server failed to authenticate the request."};
  }
  if (ConsumePrefix(&authorization, "Bearer ")) {
    return VerifyBearer(request, now, tokens, access, authorization);
  }
  if (!ConsumePrefix(&authorization, "SharedKey ")) {
    return AzureRefusal{400, "InvalidAuthenticationInfo",
                        "Authentication information is not given in the "
                        "correct format."};
  }
  return VerifySharedKey(request, now, credentials, access, authorization);
}

}  // namespace fodc::object_server
