// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/gcs_service.h"

#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "tests/support/object_server/json_fields.h"
#include "tests/support/object_server/mixed.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

using nlohmann::json;

constexpr std::string_view kTokenPath = "/token";
constexpr std::string_view kMetadataPath =
    "/computeMetadata/v1/instance/service-accounts/default/token";
constexpr std::string_view kBatchPath = "/batch/storage/v1";
constexpr std::size_t kBatchMax = 100;
constexpr std::string_view kJsonPath = "/storage/v1/b";
constexpr std::string_view kUploadPath = "/upload/storage/v1/b/";
constexpr std::uint64_t kTextMax = 72u << 20;  // multipart/related is one
constexpr std::uint64_t kObjectMax = 5ull << 40;

bool IsToken(std::string_view path) {
  return path == kTokenPath || path == kMetadataPath;
}

json ErrorDocument(int status, std::string_view reason,
                   std::string_view message) {
  const json error = {
      {"domain", "global"}, {"reason", reason}, {"message", message}};
  return {{"error",
           {{"code", status},
            {"message", message},
            {"errors", json::array({error})}}}};
}

}  // namespace

std::unique_ptr<Service> MakeGcsService(World* world) {
  return std::make_unique<GcsService>(world);
}

void GcsService::Reset() {
  sessions_.clear();
  tokens_.Clear();
}

bool GcsService::IsXml(const Call& call) {
  const std::string_view path = call.request.path;
  return !IsToken(path) && path != kBatchPath &&
         !path.starts_with("/storage/v1/") &&
         !path.starts_with("/upload/storage/v1/") &&
         !path.starts_with("/download/storage/v1/");
}

// Names of objects are one segment there, their slashes escaped.
void GcsService::RouteJson(Call* call) {
  const Request& r = call->request;
  std::string_view path = r.path;
  ConsumePrefix(&path, "/download");
  if (!ConsumePrefix(&path, kJsonPath)) return;
  Operation& o = call->operation;
  if (path.empty()) {
    if (r.method == "POST") o = Operation::kCreateContainer;
    return;
  }
  const auto parts = Split(path, '/');  // "", bucket, "o", object, …
  call->bucket = PercentDecode(parts[1], false);
  if (parts.size() == 2) {
    if (r.method == "GET") o = Operation::kHead;
    return;
  }
  if (parts[2] != "o") return;
  if (parts.size() == 3) {
    if (r.method == "GET") o = Operation::kList;
    return;
  }
  call->key = PercentDecode(parts[3], false);
  if (parts.size() == 4) {
    if (r.method == "DELETE") o = Operation::kDelete;
    if (r.method == "GET") {
      o = r.Value("alt") == "media" ? Operation::kGet : Operation::kHead;
    }
    return;
  }
  if (r.method == "POST" && parts.size() == 9 && parts[5] == "b" &&
      parts[7] == "o" && (parts[4] == "rewriteTo" || parts[4] == "copyTo")) {
    o = Operation::kCopy;
  }
}

void GcsService::RouteUpload(Call* call) {
  const Request& r = call->request;
  std::string_view path = r.path;
  ConsumePrefix(&path, kUploadPath);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos || path.substr(slash) != "/o") return;
  call->bucket = PercentDecode(path.substr(0, slash), false);
  call->key = r.Value("name");
  Operation& o = call->operation;
  if (r.Find("upload_id") != nullptr) {
    if (const Session* s = FindSession(*call)) call->key = s->wanted.name;
    if (r.method == "DELETE") o = Operation::kAbortUpload;
    if (r.method != "PUT" && r.method != "POST") return;
    const auto range = RangeOf(r);
    o = !range          ? Operation::kCompleteUpload
        : !range->first ? (range->total == 0 ? Operation::kCompleteUpload
                                             : Operation::kListParts)
        : range->total == range->last + 1 ? Operation::kCompleteUpload
                                          : Operation::kPutPart;
    return;
  }
  if (r.method != "POST") return;
  const std::string_view type = r.Value("uploadType");
  if (type == "resumable") o = Operation::kCreateUpload;
  if (type == "media" || type == "multipart") o = Operation::kPut;
}

void GcsService::Route(Call* call) {
  const Request& r = call->request;
  if (IsToken(r.path)) {
    call->operation = Operation::kToken;
    return;
  }
  if (r.path == kBatchPath) {
    if (r.method == "POST") call->operation = Operation::kBatch;
    return;
  }
  if (r.path.starts_with(kUploadPath)) return RouteUpload(call);
  if (!IsXml(*call)) return RouteJson(call);
  const std::string path = PercentDecode(r.path, false);
  const std::string host =
      ToLower(r.Get("host").substr(0, r.Get("host").rfind(':')));
  const std::string suffix = StrCat(".", world_.options.host_base);
  if (host.size() > suffix.size() && host.ends_with(suffix)) {
    call->bucket = host.substr(0, host.size() - suffix.size());
    call->key = path.substr(1);
  } else {
    const std::size_t slash = path.find('/', 1);
    call->bucket =
        path.substr(1, slash == std::string::npos ? slash : slash - 1);
    if (slash != std::string::npos) call->key = path.substr(slash + 1);
  }
  if (call->key.empty() || !r.query.empty()) return;
  call->operation =
      r.method == "PUT"
          ? (r.Has("x-goog-copy-source") ? Operation::kCopy : Operation::kPut)
      : r.method == "GET"    ? Operation::kGet
      : r.method == "HEAD"   ? Operation::kHead
      : r.method == "DELETE" ? Operation::kDelete
                             : Operation::kOther;
}

std::optional<Response> GcsService::CheckBearer(const Call& call) {
  std::string_view token = call.request.Get("authorization");
  std::string problem = "Anonymous caller does not have storage access.";
  if (ConsumePrefix(&token, "Bearer ")) {
    if (tokens_.Valid(token, call.now)) return std::nullopt;
    problem = "Invalid Credentials";
    // A JWT may be its own token.
    if (Split(token, '.').size() == 3 &&
        !world_.options.gcs_public_key.empty()) {
      const Status status =
          VerifyJwt(token, world_.options.gcs_public_key, call.now, "");
      if (status.ok()) return std::nullopt;
      problem = status.message();
    }
  }
  Response r = Fail(call, 401, "authError", "AuthenticationRequired", problem);
  r.Add("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\"");
  return r;
}

unsigned GcsService::Digested() const {
  return world_.options.fast_etag ? kCrc32c : kCrc32c | kMd5;
}

std::optional<Response> GcsService::CheckObject(Call* call) {
  const Request& r = call->request;
  if (!r.content_length) {
    return Fail(*call, 411, "required", "MissingContentLength",
                "POST requests require a Content-length header.");
  }
  const std::uint64_t most = world_.options.single_put_max_bytes != 0
                                 ? world_.options.single_put_max_bytes
                                 : kObjectMax;
  if (*r.content_length > most) {
    return Fail(*call, IsXml(*call) ? 400 : 413, "uploadTooLarge",
                "EntityTooLarge", "Your proposed upload is too large.");
  }
  if (r.Value("uploadType") == "multipart") {
    if (*r.content_length > kTextMax) {
      return Fail(*call, 413, "uploadTooLarge", "EntityTooLarge",
                  "Use a resumable upload for objects of this size.");
    }
    return std::nullopt;
  }
  call->keep_body = true;
  call->digests = Digested();
  if (r.Has("content-md5") ||
      r.Get("x-goog-hash").find("md5=") != std::string_view::npos) {
    call->digests |= kMd5;
  }
  return std::nullopt;
}

std::optional<Response> GcsService::Check(Call* call) {
  const Request& r = call->request;
  if (call->operation == Operation::kToken) {
    if (r.content_length.value_or(0) <= 65536) return std::nullopt;
    return Refuse(*call, 413, "invalid_request", "too large");
  }
  if (r.Find("upload_id") != nullptr) {
    // Who knows the session's address may use it.
    return CheckChunk(call);
  }
  if (auto refusal = CheckBearer(*call)) return refusal;
  if (call->operation != Operation::kCreateContainer &&
      call->operation != Operation::kBatch &&
      world_.store.Find(call->bucket) == nullptr) {
    return Fail(*call, 404, "notFound", "NoSuchBucket",
                "The specified bucket does not exist.");
  }
  if (call->key.size() > 1024) {
    return Fail(*call, 400, "invalid", "KeyTooLong",
                "The name of the object is too long.");
  }
  if (call->operation == Operation::kPut) return CheckObject(call);
  if (r.content_length.value_or(0) > kTextMax) {
    return Fail(*call, 413, "uploadTooLarge", "EntityTooLarge", "Too large.");
  }
  return std::nullopt;
}

Response GcsService::Finish(Call* call) {
  const bool xml = IsXml(*call);
  switch (call->operation) {
    case Operation::kToken:
      return call->request.path == kTokenPath ? GiveToken(*call)
                                              : MetadataToken(*call);
    case Operation::kPut:
      return xml ? PutXml(call)
             : call->request.Value("uploadType") == "media"
                 ? PutMedia(call)
                 : PutMultipart(call);
    case Operation::kGet:
      return Get(*call);
    case Operation::kHead:
      return xml ? Get(*call) : Describe(*call);
    case Operation::kList:
      return List(*call);
    case Operation::kDelete:
      return Delete(*call);
    case Operation::kCopy:
      return Copy(*call);
    case Operation::kCreateContainer:
      return CreateBucket(*call);
    case Operation::kBatch:
      return Batch(*call);
    case Operation::kCreateUpload:
      return CreateSession(*call);
    case Operation::kPutPart:
    case Operation::kCompleteUpload:
      return PutChunk(call);
    case Operation::kListParts:
      return SessionState(*call);
    case Operation::kAbortUpload:
      return CancelSession(*call);
    default:
      if (!xml && call->request.method == "PATCH" && !call->key.empty()) {
        return Patch(*call);
      }
      return Fail(*call, 501, "notImplemented", "NotImplemented",
                  "It is not known here.");
  }
}

// Of the JSON API's calls those that delete. Each is the batch's bearer, unless
// it says otherwise.
Response GcsService::Batch(const Call& call) {
  const auto parts =
      ReadMixed(call.request.Get("content-type"), call.body->text(), kBatchMax);
  if (!parts.ok()) {
    return Fail(call, 400, "badRequest", "InvalidArgument",
                parts.status().message());
  }
  return AnswerMixed(
      call, this, *parts, /*is_google=*/true, [&](Call* part) -> Response {
        Route(part);
        if (part->operation != Operation::kDelete || IsXml(*part)) {
          return Fail(*part, 501, "notImplemented", "NotImplemented",
                      "Only deletes by the JSON interface are known here.");
        }
        if (part->request.Has("authorization")) {
          if (auto refusal = CheckBearer(*part)) return *std::move(refusal);
        }
        if (world_.store.Find(part->bucket) == nullptr) {
          return Fail(*part, 404, "notFound", "NoSuchBucket",
                      "The specified bucket does not exist.");
        }
        return Delete(*part);
      });
}

Response GcsService::GiveToken(const Call& call) {
  std::vector<Parameter> form;
  ParseQuery(call.body->text(), &form);
  std::string grant;
  std::string assertion;
  for (const Parameter& p : form) {
    if (p.name == "grant_type") grant = p.value;
    if (p.name == "assertion") assertion = p.value;
  }
  Response r;
  r.content_type = "application/json; charset=utf-8";
  if (call.request.method != "POST" ||
      grant != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    r.status = 400;
    r.body = R"({"error":"unsupported_grant_type",)"
             R"("error_description":"Invalid grant_type"})";
    return r;
  }
  const Status status = VerifyJwt(assertion, world_.options.gcs_public_key,
                                  call.now, world_.options.gcs_audience);
  if (!status.ok()) {
    r.status = 400;
    r.body = json{{"error", "invalid_grant"},
                  {"error_description", status.message()}}
                 .dump();
    return r;
  }
  const auto lifetime = world_.options.token_lifetime;
  r.body = json{{"access_token", tokens_.Issue(call.now, lifetime)},
                {"expires_in", lifetime.count()},
                {"token_type", "Bearer"}}
               .dump();
  return r;
}

Response GcsService::MetadataToken(const Call& call) {
  Response r;
  if (call.request.Get("metadata-flavor") != "Google") {
    r.status = 403;
    r.content_type = "text/html";
    r.body = "Missing Metadata-Flavor:Google header.";
    return r;
  }
  const auto lifetime = world_.options.token_lifetime;
  r.content_type = "application/json";
  r.Add("Metadata-Flavor", "Google");
  r.body = json{{"access_token", tokens_.Issue(call.now, lifetime)},
                {"expires_in", lifetime.count()},
                {"token_type", "Bearer"}}
               .dump();
  return r;
}

Response GcsService::Fail(const Call& call, int status, std::string_view reason,
                          std::string_view xml_code, std::string_view message) {
  Response r;
  r.status = status;
  if (!IsXml(call)) {
    r.content_type = "application/json; charset=UTF-8";
    r.body = ErrorDocument(status, reason, message)
                 .dump(-1, ' ', false, json::error_handler_t::replace);
    return r;
  }
  r.content_type = "application/xml; charset=UTF-8";
  r.body = "<?xml version='1.0' encoding='UTF-8'?><Error>";
  AppendElement(&r.body, "Code", xml_code);
  AppendElement(&r.body, "Message", message);
  r.body.append("</Error>");
  return r;
}

Response GcsService::Refuse(const Call& call, int status, std::string_view code,
                            std::string_view message) {
  return Fail(call, status, code, code, message);
}

Response GcsService::NotFound(const Call& call) {
  return Fail(call, 404, "notFound", "NoSuchKey",
              StrCat("No such object: ", call.bucket, "/", call.key));
}

Response GcsService::ExpiredToken(const Call& call) {
  return Fail(call, 401, "authError", "AuthenticationRequired",
              "Invalid Credentials");
}

Response GcsService::Full(const Call& call) {
  return Fail(call, 403, "quotaExceeded", "QuotaExceeded",
              "The quota of the project is used up.");
}

Response GcsService::OtherRegion(const Call& call, std::string_view region) {
  Response r =
      Fail(call, 301, "movedPermanently", "PermanentRedirect", "Elsewhere.");
  r.Add("Location", StrCat("https://storage.", region,
                           ".rep.googleapis.example", call.request.target));
  return r;
}

void GcsService::Decorate(const Call& call, Response* response) {
  response->Add("X-GUploader-UploadID", call.request_id);
  response->Add("Server", "UploadServer");
}

std::string_view GcsService::CodeOf(int status) {
  switch (status) {
    case 401:
      return "authError";
    case 403:
      return "forbidden";
    case 404:
      return "notFound";
    case 408:
      return "requestTimeout";
    case 411:
      return "required";
    case 412:
      return "conditionNotMet";
    case 429:
      return "rateLimitExceeded";
    default:
      return "backendError";
  }
}

Response GcsService::Json(const Call& call, const json& value) {
  const auto fields = ParseFields(call.request.Value("fields"));
  if (!fields) {
    return Fail(call, 400, "invalidParameter", "InvalidArgument",
                "Invalid field selection");
  }
  Response r;
  r.content_type = "application/json; charset=UTF-8";
  r.body = Select(value, *fields)
               .dump(-1, ' ', false, json::error_handler_t::replace);
  return r;
}

}  // namespace fodc::object_server
