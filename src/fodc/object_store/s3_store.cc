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
constexpr char kUnsignedPayload[] = "UNSIGNED-PAYLOAD";
constexpr std::string_view kPayload = "content-sha256";
constexpr char kGoogleEndpoint[] = "https://storage.googleapis.com";
constexpr char kNothingSha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

bool UsesPath(const Location& location) {
  // A dot in the bucket's name fits no certificate.
  return location.path_style.value_or(location.endpoint.has_value() ||
                                      location.bucket.find('.') !=
                                          location.bucket.npos);
}

std::string OriginOf(const S3Options& o, const std::string& region) {
  std::string endpoint = o.location.endpoint.value_or(o.endpoint);
  if (endpoint.empty())
    endpoint = StrCat("https://s3.", region, ".amazonaws.com");
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
  if (o.dialect == SigV4Dialect::kGoogle) {
    o.location.path_style = true;
    o.location.region = "auto";
    if (o.endpoint.empty()) o.endpoint = kGoogleEndpoint;
  }
  o.location = WithEndpoint(std::move(o.location), o.endpoint);
  return o;
}

StoreClient::Options ClientOptions(const S3Options& all) {
  StoreClient::Options o = all.client;
  o.store = StoreKindName(all.location.kind);
  return o;
}

}  // namespace

S3Store::S3Store(S3Options options, Transport& transport, const Clock& clock)
    : options_(WithEndpoint(std::move(options))),
      name_(LocationText(options_.location)),
      keys_(std::string(StoreKindName(options_.location.kind)),
            options_.location.base),
      kinds_(options_.dialect == SigV4Dialect::kGoogle
                 ? DigestKinds{.crc32c = true}
                 : KindsFor(options_.checksum)),
      path_(UsesPath(options_.location)
                ? StrCat("/", EncodeKey(options_.location.bucket), "/")
                : "/"),
      region_(options_.location.region.value_or(options_.region)),
      client_(
          ClientOptions(options_),
          {.sign = [this](UnixTime now, const std::stop_token& stop,
                          HttpRequest* r) { return Sign(now, stop, r); },
           .read_error = [this](const HttpAnswer& a) { return ReadError(a); },
           .refresh =
               [this](const std::stop_token& stop) {
                 return options_.credentials(true, stop).status();
               },
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

std::string S3Store::Header(std::string_view name) const {
  return StrCat(
      options_.dialect == SigV4Dialect::kGoogle ? "x-goog-" : "x-amz-", name);
}

std::string S3Store::Origin() const {
  const MutexLock lock(mutex_);
  return OriginOf(options_, region_);
}

std::string S3Store::PayloadOf(const Digests& digests) const {
  return options_.signs_payload ? Sha256Text(digests.sha256) : kUnsignedPayload;
}

void S3Store::AddDigests(const Digests& digests, bool is_object,
                         HttpHeaders* headers) const {
  headers->emplace_back(Header(kPayload), PayloadOf(digests));
  if (options_.dialect == SigV4Dialect::kGoogle) {
    headers->emplace_back(
        "x-goog-hash",
        "crc32c=" + S3ChecksumText(S3Checksum::kCrc32c, digests));
    if (is_object) {
      headers->emplace_back("x-goog-meta-checksum_sha256",
                            Sha256Text(digests.sha256));
    }
    return;
  }
  const std::string_view name = S3ChecksumName(options_.checksum);
  if (!name.empty()) {
    headers->emplace_back("x-amz-sdk-checksum-algorithm", name);
    headers->emplace_back(StrCat("x-amz-checksum-", ToLower(name)),
                          S3ChecksumText(options_.checksum, digests));
  }
  if (is_object) {
    headers->emplace_back("x-amz-meta-checksum-sha256",
                          Sha256Text(digests.sha256));
  }
}

std::pair<std::string, std::string> S3Store::OnlyIfAbsent() const {
  if (options_.dialect == SigV4Dialect::kGoogle)
    return {"x-goog-if-generation-match", "0"};
  return {"If-None-Match", "*"};
}

HttpRequest S3Store::RequestTo(std::string_view method,
                               std::string_view full_key) const {
  return {.method = std::string(method),
          .origin = Origin(),
          .path = path_ + EncodeKey(full_key)};
}

Status S3Store::Sign(UnixTime now, const std::stop_token& stop,
                     HttpRequest* request) {
  std::string region;
  {
    const MutexLock lock(mutex_);
    region = region_;
  }
  // The source keeps them for as long as they hold.
  FODC_ASSIGN_OR_RETURN(const SigV4Key key, options_.credentials(false, stop));
  const std::string name = Header(kPayload);
  const auto known = std::ranges::find_if(
      request->headers,
      [&name](const auto& header) { return header.first == name; });
  const std::string payload =
      known == request->headers.end() ? kNothingSha256 : known->second;
  if (known == request->headers.end())
    request->headers.emplace_back(name, payload);
  const bool is_google = options_.dialect == SigV4Dialect::kGoogle;
  SignV4(key,
         {.region = std::move(region),
          .service = is_google ? "storage" : "s3",
          .dialect = options_.dialect},
         now, payload, request);
  return OkStatus();
}

ServiceError S3Store::ReadError(const HttpAnswer& answer) {
  S3Error error = ReadS3Error(answer.body);
  if (error.request_id.empty())
    error.request_id = answer.Header("x-amz-request-id");
  if (error.request_id.empty())
    error.request_id = answer.Header("x-guploader-uploadid");
  std::string region(answer.Header("x-amz-bucket-region"));
  if (region.empty()) region = std::move(error.region);
  if (!region.empty()) {
    const MutexLock lock(mutex_);
    region_ = std::move(region);
  }
  if (error.code == "InvalidObjectState") {
    error.message +=
        StrCat("; it lies in ",
               error.storage_class.empty() ? "an archive class"
                                           : "class " + error.storage_class,
               ": ask for its restoration there (restore-object of S3), and "
               "come back when that is done");
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
  call.request.origin = Origin();
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
  info.storage_class = answer.Header(Header("storage-class"));
  for (const char* name : {"meta-checksum-sha256", "meta-checksum_sha256"}) {
    if (!info.sha256) info.sha256 = ParseSha256(answer.Header(Header(name)));
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
  if (options_.dialect == SigV4Dialect::kAws)
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
    if (options_.dialect == SigV4Dialect::kAws)
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
                  {Header(kPayload), PayloadOf(digests)}};
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

Status S3Store::DeleteOne(std::string_view full_key,
                          const std::stop_token& stop) {
  const auto answer = Do({.operation = "delete",
                          .key = full_key,
                          .request = RequestTo("DELETE", full_key),
                          .transfer = {.stop = stop}});
  return answer.status().code() == Code::kNotFound ? OkStatus()
                                                   : answer.status();
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
    // Google's servers have not always had deletes of many.
    const bool is_google = options_.dialect == SigV4Dialect::kGoogle;
    const std::size_t most = is_google ? 1 : kMostDeleted;
    if (some.size() < most && i + 1 < keys.size()) continue;
    if (some.empty()) continue;
    const std::vector<std::string> batch = std::exchange(some, {});
    const Status s =
        is_google ? DeleteOne(batch.front(), stop) : DeleteSome(batch, stop);
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
      {Header("copy-source"), StrCat("/", EncodeKey(options_.location.bucket),
                                     "/", EncodeKey(source))}};
  // A copy has the standard class, whatever the other one has.
  if (!options_.storage_class.empty())
    http.headers.emplace_back(Header("storage-class"), options_.storage_class);
  return Do({.operation = "copy",
             .key = from,
             .request = std::move(http),
             .transfer = {.stop = std::move(stop)}})
      .status();
}

}  // namespace fodc::object_store
