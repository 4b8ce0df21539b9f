// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_auth.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/http_date.h"
#include "fodc/object_store/sigv4.h"

namespace fodc::object_store {
namespace {

constexpr char kVersion[] = "2021-12-02";
constexpr std::string_view kSuffix = "core.windows.net";
// Of the emulator, in Microsoft's documentation: no secret.
constexpr char kEmulator[] = "devstoreaccount1";
constexpr char kEmulatorKey[] =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==";

bool IsAccountName(std::string_view name) {
  return name.size() >= 3 && name.size() <= 24 &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

std::string ValueOf(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [n, value] : headers) {
    if (EqualsIgnoreCase(n, name)) return value;
  }
  return {};
}

// The parameters of a query, by name in lower case; those of one name sorted
// and joined.
std::string QueryLines(const HttpQuery& query) {
  std::map<std::string, std::vector<std::string>> values;
  for (const auto& [name, value] : query)
    values[ToLower(name)].push_back(value);
  std::string lines;
  for (auto& [name, all] : values) {
    std::ranges::sort(all);
    lines += StrCat("\n", name, ":");
    for (std::size_t i = 0; i < all.size(); ++i)
      lines += StrCat(i == 0 ? "" : ",", all[i]);
  }
  return lines;
}

std::string StringToSign(const AzureAccount& account,
                         const HttpRequest& request) {
  std::string text = request.method;
  const auto add = [&text](std::string_view line) {
    text += StrCat("\n", line);
  };
  add(ValueOf(request.headers, "Content-Encoding"));
  add(ValueOf(request.headers, "Content-Language"));
  add(request.body_bytes == 0 ? "" : StrCat(request.body_bytes));
  add(ValueOf(request.headers, "Content-MD5"));
  add(ValueOf(request.headers, "Content-Type"));
  add("");  // Date: X-Ms-Date is there
  for (const char* name : {"If-Modified-Since", "If-Match", "If-None-Match",
                           "If-Unmodified-Since", "Range"}) {
    add(ValueOf(request.headers, name));
  }
  std::map<std::string, std::string> ours;
  for (const auto& [name, value] : request.headers) {
    std::string lower = ToLower(name);
    if (lower.starts_with("x-ms-")) ours[std::move(lower)] = Trim(value);
  }
  for (const auto& [name, value] : ours) add(StrCat(name, ":", value));
  return StrCat(text, "\n/", account.name, request.path,
                QueryLines(request.query));
}

Result<HttpQuery> ParseSas(std::string_view text) {
  text = Trim(text);
  (void)ConsumePrefix(&text, "?");
  HttpQuery query;
  for (const std::string_view pair : Split(text, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = net::PercentDecode(pair.substr(0, equals));
    auto value = net::PercentDecode(
        equals == pair.npos ? std::string_view() : pair.substr(equals + 1));
    if (!name.ok() || !value.ok())
      return InvalidArgument("the SAS token is not percent-encoded");
    query.emplace_back(*std::move(name), *std::move(value));
  }
  const bool is_signed = std::ranges::any_of(query, [](const auto& p) {
    return p.first == "sig" && !p.second.empty();
  });
  if (!is_signed) return InvalidArgument("the SAS token has no signature");
  return query;
}

Result<std::string> CleanEndpoint(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  std::string_view host = endpoint;
  if (!ConsumePrefix(&host, "https://") && !ConsumePrefix(&host, "http://"))
    return InvalidArgument("the blob endpoint is no http or https URL");
  // A signature in it is a secret; other bytes would end the request's line.
  const bool is_clean = std::ranges::all_of(host, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > ' ' && byte != 0x7f && c != '@' && c != '?' && c != '#';
  });
  if (host.empty() || host.front() == '/' || !is_clean)
    return InvalidArgument(
        "the blob endpoint is not a host with a port or a path");
  return std::string(endpoint);
}

}  // namespace

Result<AzureAccount> AzureAccountOf(const AzureFlags& flags) {
  AzureAccount account{.name = flags.account_name};
  if (!account.name.empty() && !IsAccountName(account.name))
    return InvalidArgument(
        "the Azure account's name is not 3 to 24 letters (a to z) or digits");
  if (!flags.sas_token.empty()) {
    FODC_ASSIGN_OR_RETURN(account.sas, ParseSas(flags.sas_token));
  } else if (flags.account_key.empty() && flags.has_tokens) {
    // Nothing more to be known.
  } else if (flags.account_name.empty()) {
    return InvalidArgument(
        "Azure needs an account's name and key, a SAS token, or "
        "AZURE_STORAGE_CONNECTION_STRING");
  } else {
    auto key = ParseBase64(Trim(flags.account_key));
    if (!key || key->empty())
      return InvalidArgument("the key of the Azure account is no Base64");
    account.key = *std::move(key);
  }
  if (flags.endpoint.empty() && account.name.empty())
    return InvalidArgument("Azure needs the account's name, or its endpoint");
  FODC_ASSIGN_OR_RETURN(
      account.endpoint,
      CleanEndpoint(flags.endpoint.empty()
                        ? StrCat("https://", account.name, ".blob.", kSuffix)
                        : flags.endpoint));
  return account;
}

Result<AzureAccount> ParseAzureConnectionString(std::string_view text) {
  AzureFlags flags;
  std::string protocol = "https";
  std::string suffix(kSuffix);
  for (const std::string_view field : Split(text, ';')) {
    if (Trim(field).empty()) continue;
    const std::size_t equals = field.find('=');
    if (equals == field.npos)
      return InvalidArgument(
          "the Azure connection string has a field without \"=\"");
    const std::string_view name = Trim(field.substr(0, equals));
    const std::string value(Trim(field.substr(equals + 1)));
    if (EqualsIgnoreCase(name, "AccountName")) {
      flags.account_name = value;
    } else if (EqualsIgnoreCase(name, "AccountKey")) {
      flags.account_key = value;
    } else if (EqualsIgnoreCase(name, "SharedAccessSignature")) {
      flags.sas_token = value;
    } else if (EqualsIgnoreCase(name, "BlobEndpoint")) {
      flags.endpoint = value;
    } else if (EqualsIgnoreCase(name, "EndpointSuffix")) {
      suffix = value;
    } else if (EqualsIgnoreCase(name, "DefaultEndpointsProtocol")) {
      protocol = value;
    } else if (EqualsIgnoreCase(name, "UseDevelopmentStorage") &&
               EqualsIgnoreCase(value, "true")) {
      flags.account_name = kEmulator;
      flags.account_key = kEmulatorKey;
      flags.endpoint = StrCat("http://127.0.0.1:10000/", kEmulator);
    }
  }
  if (flags.endpoint.empty() && !flags.account_name.empty())
    flags.endpoint =
        StrCat(protocol, "://", flags.account_name, ".blob.", suffix);
  return AzureAccountOf(flags);
}

void SignAzureWith(std::string_view token, UnixTime now, HttpRequest* request) {
  request->headers.emplace_back("x-ms-version", kVersion);
  request->headers.emplace_back("x-ms-date", FormatHttpDate(now));
  request->headers.emplace_back("Authorization", StrCat("Bearer ", token));
}

void SignAzure(const AzureAccount& account, UnixTime now,
               HttpRequest* request) {
  request->headers.emplace_back("x-ms-version", kVersion);
  SignAzurePart(account, now, request);
}

void SignAzurePart(const AzureAccount& account, UnixTime now,
                   HttpRequest* request) {
  request->headers.emplace_back("x-ms-date", FormatHttpDate(now));
  if (!account.sas.empty()) {
    request->query.insert(request->query.end(), account.sas.begin(),
                          account.sas.end());
    return;
  }
  const Sha256 signature =
      HmacSha256(account.key, StringToSign(account, *request));
  request->headers.emplace_back(
      "Authorization",
      StrCat("SharedKey ", account.name, ":", Base64Of(signature)));
}

}  // namespace fodc::object_store
