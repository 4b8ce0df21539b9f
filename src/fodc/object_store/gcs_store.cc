// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/gcs_store.h"

#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/gcs_json.h"
#include "fodc/object_store/resumed_get.h"
#include "fodc/object_store/xml_text.h"

namespace fodc::object_store {
namespace {

constexpr char kOrigin[] = "https://storage.googleapis.com";
constexpr char kNoBucket[] = "bucket does not exist";
constexpr std::size_t kMostDeleted = 100;  // by a batch
constexpr char kFields[] =
    "name,size,etag,crc32c,md5Hash,metadata,updated,storageClass";

std::string OriginOf(const Location& location) {
  std::string origin = location.endpoint.value_or(kOrigin);
  while (origin.ends_with('/')) origin.pop_back();
  return origin;
}

StoreClient::Options ClientOptions(StoreClient::Options o) {
  o.store = "GCS";
  return o;
}

ServiceError ReadError(const HttpAnswer& answer) {
  GcsError error = ReadGcsError(answer.body);
  std::string_view id = answer.Header("x-guploader-uploadid");
  if (id.empty()) id = answer.Header("x-goog-request-id");
  return {.code = std::move(error.code),
          .message = std::move(error.message),
          .request_id = std::string(id)};
}

ObjectInfo InfoOf(std::string_view key, const HttpAnswer& answer) {
  ObjectInfo info{.key = std::string(key)};
  info.bytes = BytesOfAnswer(answer);
  info.etag = Unquoted(std::string(answer.Header("ETag")));
  info.storage_class = answer.Header("x-goog-storage-class");
  info.sha256 = ParseSha256(answer.Header("x-goog-meta-checksum_sha256"));
  info.crc32c = Crc32cInHash(answer.Header("x-goog-hash"));
  return info;
}

}  // namespace

GcsStore::GcsStore(GcsOptions options, Transport& transport, const Clock& clock)
    : options_(std::move(options)),
      name_(LocationText(options_.location)),
      keys_("GCS", options_.location.base),
      origin_(OriginOf(options_.location)),
      client_(ClientOptions(options_.client),
              {.sign = [this](UnixTime, const std::stop_token& stop,
                              HttpRequest* request) -> Status {
                 FODC_ASSIGN_OR_RETURN(const std::string token,
                                       options_.token(false, stop));
                 request->headers.emplace_back("Authorization",
                                               "Bearer " + token);
                 return OkStatus();
               },
               .read_error = ReadError,
               .refresh =
                   [this](const std::stop_token& stop) {
                     return options_.token(true, stop).status();
                   }},
              transport, clock),
      deletes_(
          {.store = "GCS",
           .most = kMostDeleted,
           .one =
               [this](const std::string& key, const std::stop_token& stop) {
                 return DeleteOne(key, stop);
               },
           .some =
               [this](const std::vector<std::string>& keys,
                      const std::stop_token& stop) {
                 return DeleteSome(keys, stop);
               },
           .read_error = ReadError,
           .is_of_bucket =
               [](const ServiceError& error) {
                 return error.message.find(kNoBucket) != std::string::npos;
               }}) {}

HttpRequest GcsStore::XmlRequest(std::string_view method,
                                 std::string_view full_key) const {
  return {.method = std::string(method),
          .origin = origin_,
          .path = StrCat("/", EncodeKey(options_.location.bucket), "/",
                         EncodeKey(full_key))};
}

HttpRequest GcsStore::JsonRequest(std::string_view method,
                                  std::string_view full_key) const {
  HttpRequest http{.method = std::string(method), .origin = origin_};
  http.path = StrCat("/storage/v1/b/",
                     net::PercentEncode(options_.location.bucket), "/o");
  // A slash in a name is no part of the path.
  if (!full_key.empty()) http.path += "/" + net::PercentEncode(full_key);
  return http;
}

Result<ListPage> GcsStore::List(const ListRequest& request,
                                std::stop_token stop) {
  HttpRequest http = JsonRequest("GET", "");
  http.query = {
      {"prefix", keys_.prefix() + request.prefix},
      {"fields", StrCat("items(", kFields, "),prefixes,nextPageToken")}};
  if (!request.delimiter.empty())
    http.query.emplace_back("delimiter", request.delimiter);
  if (!request.token.empty())
    http.query.emplace_back("pageToken", request.token);
  if (request.max_keys > 0)
    http.query.emplace_back("maxResults", StrCat(request.max_keys));
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "list",
                                    .key = request.prefix,
                                    .request = std::move(http),
                                    .transfer = {.stop = std::move(stop)}}));
  FODC_ASSIGN_OR_RETURN(ListPage page,
                        ReadGcsList(answer.body).WithContext("GCS: list"));
  FODC_RETURN_IF_ERROR(keys_.Strip(&page));
  return page;
}

Result<ObjectInfo> GcsStore::Head(std::string_view key, std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  HttpRequest http = JsonRequest("GET", full);
  http.query = {{"fields", kFields}};
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "head",
                                    .key = key,
                                    .request = std::move(http),
                                    .transfer = {.stop = std::move(stop)}}));
  FODC_ASSIGN_OR_RETURN(ObjectInfo info,
                        ReadGcsObject(answer.body).WithContext("GCS: head"));
  info.key = key;
  return info;
}

Result<ObjectInfo> GcsStore::Get(std::string_view key,
                                 const GetOptions& options,
                                 const ByteSink& sink) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  const auto ask = [&](HttpHeaders headers, const TransferOptions& transfer) {
    HttpRequest http = XmlRequest("GET", full);
    http.headers = std::move(headers);
    return client_.Do({.operation = "get",
                       .key = key,
                       .request = std::move(http),
                       .transfer = transfer});
  };
  return GetResumed(
      key, options, sink,
      {.store = "GCS",
       .ask = ask,
       .info_of = [&](const HttpAnswer& answer) { return InfoOf(key, answer); },
       .head = [&]() -> Result<ObjectInfo> {
         // The JSON API has other ETags.
         FODC_ASSIGN_OR_RETURN(
             const HttpAnswer answer,
             client_.Do({.operation = "head",
                         .key = key,
                         .request = XmlRequest("HEAD", full),
                         .transfer = {.stop = options.stop}}));
         return InfoOf(key, answer);
       }});
}

Status GcsStore::Copy(std::string_view from, std::string_view to,
                      std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string source, keys_.Full(from));
  FODC_ASSIGN_OR_RETURN(const std::string target, keys_.Full(to));
  std::string token;
  do {
    HttpRequest http = JsonRequest("POST", source);
    http.path +=
        StrCat("/rewriteTo/b/", net::PercentEncode(options_.location.bucket),
               "/o/", net::PercentEncode(target));
    if (!token.empty()) http.query = {{"rewriteToken", token}};
    FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                          client_.Do({.operation = "copy",
                                      .key = from,
                                      .request = std::move(http),
                                      .transfer = {.stop = stop}}));
    FODC_ASSIGN_OR_RETURN(token,
                          ReadGcsRewrite(answer.body).WithContext("GCS: copy"));
  } while (!token.empty());
  return OkStatus();
}

}  // namespace fodc::object_store
