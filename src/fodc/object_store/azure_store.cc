// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_store.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_xml.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/resumed_get.h"
#include "fodc/object_store/xml_text.h"

namespace fodc::object_store {
namespace {

// A copy within an account is done at once, but for large blobs.
constexpr std::chrono::milliseconds kCopyLook{500};
constexpr int kCopyLooks = 600;
constexpr std::size_t kMostDeleted = 256;  // by a batch

AzureOptions WithEndpoint(AzureOptions o) {
  if (o.location.endpoint) {
    std::string endpoint = *o.location.endpoint;
    while (endpoint.ends_with('/')) endpoint.pop_back();
    o.account.endpoint = std::move(endpoint);
  }
  return o;
}

StoreClient::Options ClientOptions(StoreClient::Options o) {
  o.store = "Azure";
  return o;
}

ServiceError ReadError(const HttpAnswer& answer) {
  AzureError error = ReadAzureError(answer.body);
  if (error.code.empty()) error.code = answer.Header("x-ms-error-code");
  // The first line; the others repeat the request's id and the time.
  error.message = error.message.substr(0, error.message.find('\n'));
  return {.code = std::move(error.code),
          .message = std::move(error.message),
          .request_id = std::string(answer.Header("x-ms-request-id"))};
}

ObjectInfo InfoOf(std::string_view key, const HttpAnswer& answer) {
  ObjectInfo info{.key = std::string(key)};
  info.bytes = BytesOfAnswer(answer);
  info.etag = answer.Header("ETag");  // as If-Match takes it
  info.storage_class = answer.Header("x-ms-access-tier");
  info.sha256 = ParseSha256(answer.Header("x-ms-meta-checksum_sha256"));
  // Of a part the first is the part's.
  std::string_view md5 = answer.Header("x-ms-blob-content-md5");
  if (md5.empty() && answer.Header("Content-Range").empty())
    md5 = answer.Header("Content-MD5");
  const auto bytes = ParseBase64(md5);
  if (bytes && bytes->size() == sizeof(Md5))
    std::memcpy(info.md5.emplace().data(), bytes->data(), sizeof(Md5));
  return info;
}

}  // namespace

AzureStore::AzureStore(AzureOptions options, Transport& transport,
                       const Clock& clock)
    : options_(WithEndpoint(std::move(options))),
      name_(LocationText(options_.location)),
      keys_("Azure", options_.location.base),
      client_(ClientOptions(options_.client),
              {.sign =
                   [this](UnixTime now, const std::stop_token& stop,
                          HttpRequest* request) {
                     return Sign(now, stop, request);
                   },
               .read_error = ReadError,
               .refresh =
                   [this](const std::stop_token& stop) {
                     // A key does not expire.
                     return HasToken() ? options_.token(true, stop).status()
                                       : Unauthenticated("refused");
                   }},
              transport, clock),
      deletes_(
          {.store = "Azure",
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
                 return error.code == "ContainerNotFound";
               }}) {
  const std::string& endpoint = options_.account.endpoint;
  const std::size_t path = endpoint.find('/', endpoint.find("://") + 3);
  origin_ = endpoint.substr(0, path);
  path_ = StrCat(path == endpoint.npos ? "" : endpoint.substr(path), "/",
                 EncodeKey(options_.location.bucket));
}

Status AzureStore::Sign(UnixTime now, const std::stop_token& stop,
                        HttpRequest* request) const {
  if (!HasToken()) {
    SignAzure(options_.account, now, request);
    return OkStatus();
  }
  FODC_ASSIGN_OR_RETURN(const std::string token, options_.token(false, stop));
  SignAzureWith(token, now, request);
  return OkStatus();
}

std::uint64_t AzureStore::BlockBytes(std::uint64_t least, std::uint64_t bytes) {
  constexpr std::uint64_t kBlocks = 45'000;
  constexpr std::uint64_t kMib = 1u << 20;
  const std::uint64_t needed = (bytes + kBlocks - 1) / kBlocks;
  return std::max(least, (needed + kMib - 1) / kMib * kMib);
}

HttpRequest AzureStore::RequestTo(std::string_view method,
                                  std::string_view full_key) const {
  HttpRequest http{.method = std::string(method), .origin = origin_};
  if (full_key.empty()) {
    http.path = path_;
    http.query = {{"restype", "container"}};
  } else {
    http.path = StrCat(path_, "/", EncodeKey(full_key));
  }
  return http;
}

Status AzureStore::Prepare(std::stop_token stop) {
  const std::string& container = options_.location.bucket;
  const auto there = client_.Do({.operation = "find container",
                                 .key = container,
                                 .request = RequestTo("HEAD", ""),
                                 .transfer = {.stop = stop}});
  // The signature of one container never lets look at it as a whole, whatever
  // it lets do in it.
  if (there.status().code() == Code::kPermissionDenied &&
      !options_.account.sas.empty()) {
    return List({.max_keys = 1}, std::move(stop)).status();
  }
  if (there.status().code() != Code::kNotFound) return there.status();
  const auto made = client_.Do({.operation = "create container",
                                .key = container,
                                .request = RequestTo("PUT", ""),
                                .transfer = {.stop = std::move(stop)}});
  // Somebody else was faster.
  return made.status().code() == Code::kAlreadyExists &&
                 made.status().message().find("ContainerAlreadyExists") !=
                     std::string::npos
             ? OkStatus()
             : made.status();
}

Result<ListPage> AzureStore::List(const ListRequest& request,
                                  std::stop_token stop) {
  HttpRequest http = RequestTo("GET", "");
  http.query.insert(http.query.end(),
                    {{"comp", "list"},
                     {"include", "metadata"},
                     {"prefix", keys_.prefix() + request.prefix}});
  if (!request.delimiter.empty())
    http.query.emplace_back("delimiter", request.delimiter);
  if (!request.token.empty()) http.query.emplace_back("marker", request.token);
  if (request.max_keys > 0)
    http.query.emplace_back("maxresults", StrCat(request.max_keys));
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "list",
                                    .key = request.prefix,
                                    .request = std::move(http),
                                    .transfer = {.stop = std::move(stop)}}));
  FODC_ASSIGN_OR_RETURN(ListPage page,
                        ReadAzureList(answer.body).WithContext("Azure: list"));
  FODC_RETURN_IF_ERROR(keys_.Strip(&page));
  return page;
}

Result<ObjectInfo> AzureStore::Head(std::string_view key,
                                    std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "head",
                                    .key = key,
                                    .request = RequestTo("HEAD", full),
                                    .transfer = {.stop = std::move(stop)}}));
  return InfoOf(key, answer);
}

Result<ObjectInfo> AzureStore::Get(std::string_view key,
                                   const GetOptions& options,
                                   const ByteSink& sink) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  const auto ask = [&](HttpHeaders headers, const TransferOptions& transfer) {
    HttpRequest http = RequestTo("GET", full);
    http.headers = std::move(headers);
    return client_.Do({.operation = "get",
                       .key = key,
                       .request = std::move(http),
                       .transfer = transfer});
  };
  return GetResumed(
      key, options, sink,
      {.store = "Azure",
       .ask = ask,
       .info_of = [&](const HttpAnswer& answer) { return InfoOf(key, answer); },
       .head = [&] { return Head(key, options.stop); }});
}

Status AzureStore::Copy(std::string_view from, std::string_view to,
                        std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string source, keys_.Full(from));
  FODC_ASSIGN_OR_RETURN(const std::string target, keys_.Full(to));
  const HttpRequest read = RequestTo("GET", source);
  std::string url = StrCat(read.origin, read.path);
  if (!options_.account.sas.empty())
    url += StrCat("?", EncodeQuery(options_.account.sas));
  HttpRequest http = RequestTo("PUT", target);
  http.headers = {{"x-ms-copy-source", std::move(url)}};
  auto answer = client_.Do({.operation = "copy",
                            .key = from,
                            .request = std::move(http),
                            .transfer = {.stop = stop}});
  std::mutex mutex;
  std::condition_variable_any never;
  for (int looks = 0; answer.ok(); ++looks) {
    const std::string_view status = answer->Header("x-ms-copy-status");
    if (status == "success") return OkStatus();
    if (status != "pending" || looks == kCopyLooks)
      return Unavailable(StrCat("Azure: copy ", from, ": it is ", status));
    std::unique_lock lock(mutex);
    (void)never.wait_for(lock, stop, kCopyLook, [] { return false; });
    if (stop.stop_requested()) return Cancelled("stopped");
    answer = client_.Do({.operation = "copy",
                         .key = to,
                         .request = RequestTo("HEAD", target),
                         .transfer = {.stop = stop}});
  }
  return answer.status();
}

}  // namespace fodc::object_store
