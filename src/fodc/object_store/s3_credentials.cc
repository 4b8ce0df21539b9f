// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_credentials.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/token_service.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileBytes = 1u << 20;
constexpr char kContainerOrigin[] = "http://169.254.170.2";

std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<std::string> At(const AwsProfile& profile, const char* name) {
  const auto it = profile.find(name);
  if (it == profile.end() || it->second.empty()) return {};
  return it->second;
}

}  // namespace

S3Credentials::S3Credentials(S3CredentialOptions options, Transport& transport,
                             const Clock& clock)
    : options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      key_([this](const std::stop_token& stop) { return Find(stop); }, clock) {}

std::optional<std::string> S3Credentials::Environment(const char* name) const {
  if (options_.environment) return options_.environment(name);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv by now
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return {};
  return value;
}

Result<AwsProfile> S3Credentials::Profile() const {
  const std::string home = Environment("HOME").value_or("");
  const std::string wanted =
      !options_.profile.empty()
          ? options_.profile
          : Environment("AWS_PROFILE").value_or("default");
  AwsProfile profile;
  bool is_known = false;
  const auto add = [&](const std::string& flag, const char* variable,
                       const char* usual) {
    const auto named =
        flag.empty() ? Environment(variable) : std::optional(flag);
    const std::string path = named.value_or(home + usual);
    auto text = ReadFile(path, kMaxFileBytes);
    // Only what somebody named has to be there.
    if (!text.ok() && !named) return OkStatus();
    if (!text.ok()) return text.status();
    FODC_ASSIGN_OR_RETURN(const AwsProfiles all, ReadAwsProfiles(*text, path));
    if (const auto it = all.find(wanted); it != all.end()) {
      is_known = true;
      for (const auto& [name, value] : it->second) profile[name] = value;
    }
    return OkStatus();
  };
  FODC_RETURN_IF_ERROR(
      add(options_.config_file, "AWS_CONFIG_FILE", "/.aws/config"));
  // Its keys count more.
  FODC_RETURN_IF_ERROR(add(options_.credentials_file,
                           "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"));
  if (!is_known && wanted != "default") {
    return InvalidArgument(
        StrCat("the shared files of AWS have no profile ", wanted));
  }
  return profile;
}

Result<S3Settings> S3Credentials::Settings() {
  FODC_ASSIGN_OR_RETURN(const AwsProfile profile, Profile());
  S3Settings settings;
  const auto first = [this, &profile](std::initializer_list<const char*> names,
                                      const char* setting) {
    for (const char* name : names) {
      if (auto value = Environment(name)) return value;
    }
    return At(profile, setting);
  };
  settings.region = first({"AWS_REGION", "AWS_DEFAULT_REGION"}, "region");
  settings.endpoint =
      first({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, "endpoint_url");
  if (const auto text = first({"AWS_MAX_ATTEMPTS"}, "max_attempts")) {
    const auto number = ParseUint(*text);
    if (!number || *number == 0 || *number > 100) {
      return InvalidArgument(
          StrCat("max_attempts is ", *text, "; 1 to 100 are allowed"));
    }
    settings.max_attempts = static_cast<int>(*number);
  }
  return settings;
}

Result<SigV4Key> S3Credentials::Get(bool renew, const std::stop_token& stop) {
  return key_.Get(renew, stop);
}

Result<S3Credentials::Found> S3Credentials::Find(const std::stop_token& stop) {
  FODC_ASSIGN_OR_RETURN(auto found, Look(stop));
  if (found) return *std::move(found);
  return Unauthenticated(
      "there are no keys for S3: not in AWS_ACCESS_KEY_ID and "
      "AWS_SECRET_ACCESS_KEY, not by AWS_WEB_IDENTITY_TOKEN_FILE, not in the "
      "shared files, not from a container's URI, not from the machine");
}

Result<std::optional<S3Credentials::Found>> S3Credentials::Look(
    const std::stop_token& stop) {
  const auto id = Environment("AWS_ACCESS_KEY_ID");
  const auto secret = Environment("AWS_SECRET_ACCESS_KEY");
  // A profile that is named counts more than the environment.
  if (id && secret && options_.profile.empty()) {
    return std::optional(
        Found{.value = {.access_key = *id,
                        .secret = *secret,
                        .session_token =
                            Environment("AWS_SESSION_TOKEN").value_or("")}});
  }
  FODC_ASSIGN_OR_RETURN(auto found, OfWebIdentity(stop));
  if (found) return found;
  FODC_ASSIGN_OR_RETURN(const AwsProfile profile, Profile());
  const auto file_id = At(profile, "aws_access_key_id");
  const auto file_secret = At(profile, "aws_secret_access_key");
  if (file_id && file_secret) {
    return std::optional(
        Found{.value = {.access_key = *file_id,
                        .secret = *file_secret,
                        .session_token =
                            At(profile, "aws_session_token").value_or("")}});
  }
  for (const char* name : {"role_arn", "credential_process", "sso_session"}) {
    if (At(profile, name)) {
      return InvalidArgument(
          StrCat("the profile's ", name,
                 " is not supported; give keys, a web "
                 "identity, or the container's or machine's own role"));
    }
  }
  FODC_ASSIGN_OR_RETURN(found, OfContainer(stop));
  if (found) return found;
  return OfMachine(stop);
}

Result<std::string> S3Credentials::Ask(const HttpRequest& request,
                                       std::string_view what,
                                       const std::stop_token& stop) {
  auto answer = AskPatiently(transport_, clock_, request, stop);
  if (!answer.ok()) return answer.status().WithContext(what);
  if (answer->status == 200) return std::move(answer->body);
  return Unauthenticated(StrCat(what, " answers HTTP ", answer->status));
}

Result<std::optional<S3Credentials::Found>> S3Credentials::OfWebIdentity(
    const std::stop_token& stop) {
  const auto file = Environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = Environment("AWS_ROLE_ARN");
  if (!file || !role) return std::optional<Found>();
  FODC_ASSIGN_OR_RETURN(const std::string token,
                        ReadFile(*file, kMaxFileBytes));
  std::string origin = options_.sts_origin;
  if (origin.empty()) {
    const auto region = Environment("AWS_REGION");
    origin = region ? StrCat("https://sts.", *region, ".amazonaws.com")
                    : "https://sts.amazonaws.com";
  }
  // In the body: queries end up in logs.
  const std::string body = EncodeQuery(
      {{"Action", "AssumeRoleWithWebIdentity"},
       {"Version", "2011-06-15"},
       {"RoleArn", *role},
       {"RoleSessionName",
        Environment("AWS_ROLE_SESSION_NAME").value_or("fodc-backup")},
       {"WebIdentityToken", std::string(Trim(token))}});
  const MemoryBlob blob(body);
  FODC_ASSIGN_OR_RETURN(
      const std::string answer,
      Ask(FormRequest(origin, blob), "the security token service", stop));
  pugi::xml_document document;
  if (!document.load_buffer(answer.data(), answer.size()))
    return Unauthenticated("the security token service gives no XML");
  const pugi::xml_node keys =
      document.child("AssumeRoleWithWebIdentityResponse")
          .child("AssumeRoleWithWebIdentityResult")
          .child("Credentials");
  Found found{.value = {.access_key = keys.child_value("AccessKeyId"),
                        .secret = keys.child_value("SecretAccessKey"),
                        .session_token = keys.child_value("SessionToken")}};
  if (found.value.access_key.empty() || found.value.secret.empty())
    return Unauthenticated("the security token service gives no keys");
  if (const auto at = ParseRfc3339(keys.child_value("Expiration")); at.ok())
    found.expires = *at;
  return std::optional(std::move(found));
}

Result<std::optional<S3Credentials::Found>> S3Credentials::FoundIn(
    const std::string& text, std::string_view what) {
  const json answer = json::parse(text, nullptr, false);
  Found found;
  if (answer.is_object()) {
    found.value = {.access_key = TextAt(answer, "AccessKeyId"),
                   .secret = TextAt(answer, "SecretAccessKey"),
                   .session_token = TextAt(answer, "Token")};
    if (const auto at = ParseRfc3339(TextAt(answer, "Expiration")); at.ok())
      found.expires = *at;
  }
  if (found.value.access_key.empty() || found.value.secret.empty())
    return Unauthenticated(StrCat(what, " gives no keys"));
  return std::optional(std::move(found));
}

Result<std::optional<S3Credentials::Found>> S3Credentials::OfContainer(
    const std::stop_token& stop) {
  std::string url;
  if (const auto full = Environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    url = *full;
  } else if (const auto relative =
                 Environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    url = kContainerOrigin + *relative;
  } else {
    return std::optional<Found>();
  }
  HttpRequest request = RequestOf(url);
  std::string token =
      Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto file = Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    FODC_ASSIGN_OR_RETURN(token, ReadFile(*file, kMaxFileBytes));
  }
  if (!token.empty())
    request.headers = {{"Authorization", std::string(Trim(token))}};
  constexpr std::string_view kWhat = "the container's URI of credentials";
  FODC_ASSIGN_OR_RETURN(const std::string text, Ask(request, kWhat, stop));
  return FoundIn(text, kWhat);
}

Result<std::optional<S3Credentials::Found>> S3Credentials::OfMachine(
    const std::stop_token& stop) {
  if (Environment("AWS_EC2_METADATA_DISABLED").value_or("") == "true")
    return std::optional<Found>();
  constexpr std::string_view kWhat = "the machine's metadata service";
  constexpr char kPath[] = "/latest/meta-data/iam/security-credentials/";
  const auto request = [this](std::string method, std::string path,
                              HttpHeaders headers) {
    return HttpRequest{.method = std::move(method),
                       .origin = options_.metadata_origin,
                       .path = std::move(path),
                       .headers = std::move(headers)};
  };
  const auto token =
      AskPatiently(transport_, clock_,
                   request("PUT", "/latest/api/token",
                           {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}}),
                   stop);
  if (token.status().code() == Code::kCancelled) return token.status();
  // Elsewhere there is none; one that is there and weak is another thing.
  const bool is_there =
      token.ok() && (token->status == 200 || IsPassing(token));
  if (!is_there) return std::optional<Found>();
  if (token->status != 200)
    return Unauthenticated(StrCat(kWhat, " answers HTTP ", token->status));
  const HttpHeaders headers = {{"X-aws-ec2-metadata-token", token->body}};
  FODC_ASSIGN_OR_RETURN(const std::string roles,
                        Ask(request("GET", kPath, headers), kWhat, stop));
  const std::string role(Trim(Split(roles, '\n')[0]));
  FODC_ASSIGN_OR_RETURN(
      const std::string text,
      Ask(request("GET", kPath + EncodeKey(role), headers), kWhat, stop));
  return FoundIn(text, kWhat);
}

}  // namespace fodc::object_store
