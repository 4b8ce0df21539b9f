// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/azure_identity.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::object_server {
namespace {

using nlohmann::json;

constexpr std::string_view kMachinePath = "/metadata/identity/oauth2/token";
constexpr std::string_view kAppPath = "/msi/token";
constexpr char kAudience[] = "api://AzureADTokenExchange";
constexpr char kResource[] = "https://storage.azure.com";

Response Refusal(int status, std::string_view error, std::string_view why) {
  Response r;
  r.status = status;
  r.content_type = "application/json; charset=utf-8";
  r.body =
      json{{"error", error},
           {"error_description",
            StrCat(why, "\r\nTrace ID: 1\r\nTimestamp: 2026-01-01 00:00:00Z")}}
          .dump();
  return r;
}

}  // namespace

std::string AzureIdentity::EntraPath() const {
  return StrCat("/", options_.azure_tenant, "/oauth2/v2.0/token");
}

bool AzureIdentity::IsToken(std::string_view path) const {
  return path == kMachinePath || path == kAppPath || path == EntraPath();
}

Response AzureIdentity::Give(const Call& call) {
  if (call.request.path == EntraPath()) return OfAssertion(call);
  return OfIdentity(call, call.request.path == kMachinePath);
}

Response AzureIdentity::OfAssertion(const Call& call) {
  std::vector<Parameter> parameters;
  ParseQuery(call.body->text(), &parameters);
  std::map<std::string, std::string> form;
  for (const Parameter& p : parameters) {
    if (!form.emplace(p.name, p.value).second) {
      return Refusal(400, "invalid_request",
                     StrCat("AADSTS90014: ", p.name, " is there twice."));
    }
  }
  if (call.request.method != "POST" ||
      call.request.Get("content-type") != "application/x-www-form-urlencoded") {
    return Refusal(400, "invalid_request", "AADSTS900144: it is no form.");
  }
  if (form["grant_type"] != "client_credentials") {
    return Refusal(400, "unsupported_grant_type",
                   "AADSTS70003: The app requested an unsupported grant type.");
  }
  if (form["client_id"] != options_.azure_client) {
    return Refusal(401, "unauthorized_client",
                   "AADSTS700016: Application was not found in the directory.");
  }
  if (form["scope"] != StrCat(kResource, "/.default")) {
    return Refusal(400, "invalid_scope",
                   "AADSTS70011: The provided value for the input parameter "
                   "'scope' is not valid.");
  }
  if (form["client_assertion_type"] !=
      "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
    return Refusal(400, "invalid_request",
                   "AADSTS900144: client_assertion_type is not valid.");
  }
  const auto claims =
      options_.azure_federated_key.empty()
          ? Unauthenticated("no key is known")
          : ReadJwt(form["client_assertion"], options_.azure_federated_key);
  if (!claims.ok()) {
    return Refusal(401, "invalid_client",
                   StrCat("AADSTS700027: ", claims.status().message()));
  }
  const json audience = claims->value("aud", json());
  if (audience != json(kAudience) && audience != json::array({kAudience})) {
    return Refusal(401, "invalid_client",
                   "AADSTS700212: No matching federated identity record found "
                   "for presented assertion audience.");
  }
  const json issuer = claims->value("iss", json());
  const json subject = claims->value("sub", json());
  if (!issuer.is_string() || !subject.is_string()) {
    return Refusal(400, "invalid_request",
                   "AADSTS70021: No matching federated identity record found "
                   "for presented assertion.");
  }
  const json expires = claims->value("exp", json());
  if (!expires.is_number_integer() ||
      expires.get<std::int64_t>() * 1000 <= ToUnixMillis(call.now)) {
    return Refusal(401, "invalid_client",
                   "AADSTS700024: Client assertion is not within its valid "
                   "time range.");
  }
  return Token(call, /*has_texts=*/false);
}

Response AzureIdentity::OfIdentity(const Call& call, bool is_machine) {
  const Request& r = call.request;
  if (r.method != "GET") {
    return Refusal(405, "invalid_request", "It takes GET.");
  }
  if (is_machine && (r.Get("metadata") != "true" || r.Has("x-forwarded-for"))) {
    return Refusal(400, "bad_request_102",
                   "Required metadata header not specified");
  }
  if (!is_machine &&
      r.Get("x-identity-header") != options_.azure_identity_header) {
    return Refusal(401, "unauthorized", "X-IDENTITY-HEADER is another one.");
  }
  if (r.Value("api-version") != (is_machine ? "2018-02-01" : "2019-08-01")) {
    return Refusal(400, "invalid_request", "Another api-version.");
  }
  std::string_view resource = r.Value("resource");
  if (resource.ends_with('/')) resource.remove_suffix(1);
  if (resource != kResource) {
    return Refusal(400, "invalid_resource",
                   "AADSTS50001: The application was not found.");
  }
  if (r.Find("client_id") != nullptr &&
      r.Value("client_id") != options_.azure_client) {
    return Refusal(400, "invalid_request", "Identity not found");
  }
  return Token(call, /*has_texts=*/true);
}

// Entra has a number, the others have texts, App Service the end alone.
Response AzureIdentity::Token(const Call& call, bool has_texts) {
  const auto life = options_.token_lifetime;
  const std::string end = std::to_string(ToUnixMillis(call.now + life) / 1000);
  json answer = {{"token_type", "Bearer"},
                 {"access_token", tokens_.Issue(call.now, life)}};
  if (!has_texts) {
    answer["expires_in"] = life.count();
    answer["ext_expires_in"] = life.count();
  } else {
    answer["resource"] = StrCat(kResource, "/");
    answer["client_id"] = options_.azure_client;
    answer["expires_on"] = end;
    if (call.request.path == kMachinePath)
      answer["expires_in"] = std::to_string(life.count());
  }
  Response r;
  r.content_type = "application/json; charset=utf-8";
  r.body = answer.dump();
  return r;
}

}  // namespace fodc::object_server
