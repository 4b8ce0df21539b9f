// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_tokens.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kMaxFileBytes = 64u << 10;
constexpr char kResource[] = "https://storage.azure.com/";
constexpr char kScope[] = "https://storage.azure.com/.default";
constexpr char kAuthority[] = "https://login.microsoftonline.com";
constexpr char kAssertionType[] =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr char kMachinePath[] = "/metadata/identity/oauth2/token";

bool IsLoopback(std::string_view origin) {
  constexpr std::array<std::string_view, 3> kHosts = {
      "http://127.0.0.1", "http://localhost", "http://[::1]"};
  return std::ranges::any_of(kHosts, [origin](std::string_view host) {
    std::string_view rest = origin;
    if (!ConsumePrefix(&rest, host)) return false;
    return rest.empty() || (ConsumePrefix(&rest, ":") && ParseUint(rest));
  });
}

// An id, or a domain's name.
bool IsTenant(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

AzureTokens::AzureTokens(AzureTokenOptions options, Transport& transport,
                         const Clock& clock)
    : options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      token_([this](const std::stop_token& stop) { return Find(stop); },
             clock) {}

std::optional<std::string> AzureTokens::Environment(const char* name) const {
  if (options_.environment) return options_.environment(name);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv by now
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return {};
  return value;
}

Result<std::string> AzureTokens::Get(bool renew, const std::stop_token& stop) {
  return token_.Get(renew, stop);
}

Result<BearerToken> AzureTokens::Find(const std::stop_token& stop) {
  const auto file = Environment("AZURE_FEDERATED_TOKEN_FILE");
  const auto client = Environment("AZURE_CLIENT_ID");
  const auto tenant = Environment("AZURE_TENANT_ID");
  if (file && client && tenant)
    return OfWorkload(*file, *client, *tenant, stop);
  const auto endpoint = Environment("IDENTITY_ENDPOINT");
  const auto secret = Environment("IDENTITY_HEADER");
  if (endpoint && secret) return OfAppService(*endpoint, *secret, stop);
  auto found = OfMachine(stop);
  if (found.ok() || found.status().code() == Code::kCancelled) return found;
  return Unauthenticated(
      StrCat("there are no credentials for Azure: no key, SAS token or "
             "connection string, no AZURE_FEDERATED_TOKEN_FILE with "
             "AZURE_CLIENT_ID and AZURE_TENANT_ID, no IDENTITY_ENDPOINT with "
             "IDENTITY_HEADER, and ",
             found.status().message()));
}

Result<BearerToken> AzureTokens::OfWorkload(const std::string& file,
                                            const std::string& client,
                                            const std::string& tenant,
                                            const std::stop_token& stop) {
  std::string authority =
      Environment("AZURE_AUTHORITY_HOST").value_or(kAuthority);
  while (authority.ends_with('/')) authority.pop_back();
  // Else whoever listens could be somebody to Azure.
  if (!authority.starts_with("https://") && !IsLoopback(authority))
    return InvalidArgument("AZURE_AUTHORITY_HOST is no https URL");
  if (!IsTenant(tenant))
    return InvalidArgument("AZURE_TENANT_ID is no tenant's id or domain");
  // Kubernetes writes another one every hour or so.
  FODC_ASSIGN_OR_RETURN(const std::string assertion,
                        ReadFile(file, kMaxFileBytes));
  const std::string form =
      EncodeQuery({{"grant_type", "client_credentials"},
                   {"client_id", client},
                   {"client_assertion_type", kAssertionType},
                   {"client_assertion", std::string(Trim(assertion))},
                   {"scope", kScope}});
  const MemoryBlob body(form);
  return Ask(
      FormRequest(StrCat(authority, "/", tenant, "/oauth2/v2.0/token"), body),
      "the token service of Azure", stop);
}

Result<BearerToken> AzureTokens::OfAppService(const std::string& endpoint,
                                              const std::string& secret,
                                              const std::stop_token& stop) {
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://"))
    return InvalidArgument("IDENTITY_ENDPOINT is no http or https URL");
  HttpRequest request = RequestOf(endpoint);
  HttpQuery query = {{"api-version", "2019-08-01"}, {"resource", kResource}};
  if (const auto client = Environment("AZURE_CLIENT_ID"))
    query.emplace_back("client_id", *client);
  request.path +=
      StrCat(request.path.find('?') == std::string::npos ? "?" : "&",
             EncodeQuery(query));
  request.headers = {{"X-IDENTITY-HEADER", secret}};
  return Ask(request, "the identity endpoint", stop);
}

Result<BearerToken> AzureTokens::OfMachine(const std::stop_token& stop) {
  HttpRequest request{
      .origin = options_.metadata_origin,
      .path = kMachinePath,
      .query = {{"api-version", "2018-02-01"}, {"resource", kResource}},
      .headers = {{"Metadata", "true"}}};
  if (const auto client = Environment("AZURE_CLIENT_ID"))
    request.query.emplace_back("client_id", *client);
  // 404, too, is what it says while it is renewed.
  return Ask(request, "the machine's metadata service", stop, 404);
}

Result<BearerToken> AzureTokens::Ask(const HttpRequest& request,
                                     std::string_view what,
                                     const std::stop_token& stop,
                                     int also_passing) {
  const auto answer =
      AskPatiently(transport_, clock_, request, stop, also_passing);
  if (!answer.ok()) return answer.status().WithContext(what);
  return TokenOf(*answer, what, clock_.Unix());
}

}  // namespace fodc::object_store
