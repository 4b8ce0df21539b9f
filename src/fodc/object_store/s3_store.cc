// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_store.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/resumed_get.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kMostDeleted = 1000;
constexpr char kNothingSha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

bool UsesPath(const Location& location) {
  // A dot in the bucket's name fits no certificate.
  return location.path_style.value_or(location.endpoint.has_value() ||
                                      location.bucket.find('.') !=
                                          location.bucket.npos);
}

std::string OriginOf(const S3Options& o) {
  std::string endpoint = o.location.endpoint.value_or(o.endpoint);
  if (endpoint.empty()) {
    endpoint = StrCat("https://s3.", o.location.region.value_or(o.region),
                      ".amazonaws.com");
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (UsesPath(o.location)) return endpoint;
  const std::size_t host = endpoint.find("://") + 3;
  return endpoint.insert(host, o.location.bucket + ".");
}

Location WithEndpoint(Location location, const std::string& endpoint) {
  if (!location.endpoint && !endpoint.empty()) location.endpoint = endpoint;
  return location;
}
S3Options WithEndpoint(S3Options o) {
  o.location = WithEndpoint(std::move(o.location), o.endpoint);
  return o;
}

StoreClient::Options ClientOptions(StoreClient::Options o) {
  o.store = "S3";
  return o;
}

}  // namespace

S3Store::S3Store(S3Options options, Transport& transport, const Clock& clock)
    : options_(WithEndpoint(std::move(options))),
      name_(LocationText(options_.location)),
      keys_("S3", options_.location.base),
      origin_(OriginOf(options_)),
      path_(UsesPath(options_.location)
                ? StrCat("/", EncodeKey(options_.location.bucket), "/")
                : "/"),
      region_(options_.location.region.value_or(options_.region)),
      client_(
          ClientOptions(options_.client),
          {.sign = [this](UnixTime now,
                          HttpRequest* r) { return Sign(now, r); },
           .read_error = [this](const HttpAnswer& a) { return ReadError(a); },
           .refresh = [this] { return options_.credentials(true).status(); },
           .find_late_error =
               [](const HttpAnswer& a) {
                 S3Error e = ReadS3Error(a.body);
                 return ServiceError{.code = std::move(e.code),
                                     .message = std::move(e.message),
                                     .request_id = std::move(e.request_id)};
               }},
          transport, clock) {}

std::uint64_t S3Store::PartBytes(std::uint64_t least, std::uint64_t bytes) {
  constexpr std::uint64_t kParts = 9000;
  constexpr std::uint64_t kMib = 1u << 20;
  const std::uint64_t needed = (bytes + kParts - 1) / kParts;
  return std::max(least, (needed + kMib - 1) / kMib * kMib);
}

HttpRequest S3Store::RequestTo(std::string_view method,
                               std::string_view full_key) const {
  return {.method = std::string(method),
          .origin = origin_,
          .path = path_ + EncodeKey(full_key)};
}

Status S3Store::Sign(UnixTime now, HttpRequest* request) {
  std::string region;
  {
    const MutexLock lock(mutex_);
    region = region_;
  }
  // The source keeps them for as long as they hold.
  FODC_ASSIGN_OR_RETURN(const SigV4Key key, options_.credentials(false));
  const auto known = std::ranges::find_if(
      request->headers,
      [](const auto& header) { return header.first == kPayloadHeader; });
  const std::string payload =
      known == request->headers.end() ? kNothingSha256 : known->second;
  if (known == request->headers.end())
    request->headers.emplace_back(kPayloadHeader, payload);
  SignV4(key, {.region = region}, now, payload, request);
  return OkStatus();
}

ServiceError S3Store::ReadError(const HttpAnswer& answer) {
  S3Error error = ReadS3Error(answer.body);
  if (error.request_id.empty())
    error.request_id = answer.Header("x-amz-request-id");
  std::string region(answer.Header("x-amz-bucket-region"));
  if (region.empty()) region = std::move(error.region);
  if (!region.empty()) {
    const MutexLock lock(mutex_);
    region_ = std::move(region);
  }
  // An answer to HEAD has no body.
  if (error.code.empty() && answer.status == 404) error.code = "NotFound";
  return {.code = std::move(error.code),
          .message = std::move(error.message),
          .request_id = std::move(error.request_id)};
}

Result<HttpAnswer> S3Store::Do(StoreClient::Call call) {
  std::string before;
  {
    const MutexLock lock(mutex_);
    before = region_;
  }
  auto answer = client_.Do(call);
  if (answer.ok()) return answer;
  {
    const MutexLock lock(mutex_);
    if (region_ == before) return answer;
  }
  return client_.Do(std::move(call));
}

Result<ListPage> S3Store::List(const ListRequest& request,
                               std::stop_token stop) {
  HttpRequest http = RequestTo("GET", "");
  http.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"prefix", keys_.prefix() + request.prefix}};
  if (!request.delimiter.empty())
    http.query.emplace_back("delimiter", request.delimiter);
  if (!request.token.empty())
    http.query.emplace_back("continuation-token", request.token);
  if (request.max_keys > 0)
    http.query.emplace_back("max-keys", StrCat(request.max_keys));
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        Do({.operation = "list",
                            .key = request.prefix,
                            .request = std::move(http),
                            .transfer = {.stop = std::move(stop)}}));
  FODC_ASSIGN_OR_RETURN(ListPage page,
                        ReadS3List(answer.body).WithContext("S3: list"));
  FODC_RETURN_IF_ERROR(keys_.Strip(&page));
  return page;
}

ObjectInfo S3Store::InfoOf(std::string_view key,
                           const HttpAnswer& answer) const {
  ObjectInfo info{.key = std::string(key)};
  info.bytes = BytesOfAnswer(answer);
  info.etag = answer.Header("ETag");
  info.storage_class = answer.Header("x-amz-storage-class");
  for (const char* name :
       {"x-amz-meta-checksum-sha256", "x-amz-meta-checksum_sha256"}) {
    if (!info.sha256) info.sha256 = ParseSha256(answer.Header(name));
  }
  // Of objects in parts it ends in "-" and their number, and is another thing.
  const auto stored = ParseBase64(answer.Header("x-amz-checksum-sha256"));
  if (!info.sha256 && stored && stored->size() == sizeof(Sha256)) {
    Sha256& digest = info.sha256.emplace();
    std::ranges::copy(*stored, digest.begin());
  }
  return info;
}

Result<ObjectInfo> S3Store::Head(std::string_view key, std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  HttpRequest http = RequestTo("HEAD", full);
  http.headers = {{"x-amz-checksum-mode", "ENABLED"}};
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        Do({.operation = "head",
                            .key = key,
                            .request = std::move(http),
                            .transfer = {.stop = std::move(stop)}}));
  return InfoOf(key, answer);
}

Result<ObjectInfo> S3Store::Get(std::string_view key, const GetOptions& options,
                                const ByteSink& sink) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  const auto ask = [&](HttpHeaders headers, const TransferOptions& transfer) {
    HttpRequest http = RequestTo("GET", full);
    http.headers = std::move(headers);
    http.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
    return Do({.operation = "get",
               .key = key,
               .request = std::move(http),
               .transfer = transfer});
  };
  return GetResumed(
      key, options, sink,
      {.store = "S3",
       .ask = ask,
       .info_of = [&](const HttpAnswer& answer) { return InfoOf(key, answer); },
       .head = [&] { return Head(key, options.stop); }});
}

Status S3Store::DeleteSome(const std::vector<std::string>& keys,
                           const std::stop_token& stop) {
  const std::string body = WriteS3Delete(keys);
  const MemoryBlob blob(body);
  FODC_ASSIGN_OR_RETURN(const Digests digests, DigestsOf(blob, {.md5 = true}));
  HttpRequest http = RequestTo("POST", "");
  http.query = {{"delete", ""}};
  http.headers = {{"Content-MD5", Base64Of(*digests.md5)},
                  {kPayloadHeader, Sha256Text(digests.sha256)}};
  http.body = &blob;
  http.body_bytes = blob.bytes();
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        Do({.operation = "delete",
                            .key = keys.front(),
                            .request = std::move(http),
                            .transfer = {.stop = stop}}));
  FODC_ASSIGN_OR_RETURN(const std::vector<KeyError> errors,
                        ReadS3DeleteErrors(answer.body));
  for (const KeyError& e : errors) {
    if (e.error.code == "NoSuchKey") continue;
    return {CodeOfAnswer(403, e.error.code),
            StrCat("S3: delete ", e.key, ": ", e.error.code, ": ",
                   e.error.message)};
  }
  return OkStatus();
}

Status S3Store::Delete(const std::vector<std::string>& keys,
                       std::stop_token stop) {
  Status first;
  std::vector<std::string> some;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto full = keys_.Full(keys[i]);
    if (full.ok()) {
      some.push_back(*std::move(full));
    } else if (first.ok()) {
      first = std::move(full).status();
    }
    if (some.size() < kMostDeleted && i + 1 < keys.size()) continue;
    if (some.empty()) continue;
    const Status s = DeleteSome(std::exchange(some, {}), stop);
    if (s.code() == Code::kCancelled) return s;
    if (first.ok()) first = s;
  }
  return first;
}

Status S3Store::Copy(std::string_view from, std::string_view to,
                     std::stop_token stop) {
  FODC_ASSIGN_OR_RETURN(const std::string source, keys_.Full(from));
  FODC_ASSIGN_OR_RETURN(const std::string target, keys_.Full(to));
  HttpRequest http = RequestTo("PUT", target);
  http.headers = {
      {"x-amz-copy-source", StrCat("/", EncodeKey(options_.location.bucket),
                                   "/", EncodeKey(source))}};
  return Do({.operation = "copy",
             .key = from,
             .request = std::move(http),
             .transfer = {.stop = std::move(stop)}})
      .status();
}

}  // namespace fodc::object_store
