// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/s3_service.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::uint64_t kSinglePutMax = 5ull << 30;
constexpr std::uint64_t kTextMax = 4u << 20;  // of XML bodies
constexpr std::size_t kKeyMax = 1024;

// What a request's query may hold; anything else is a feature that we lack,
// and must not be taken for the plain request.
constexpr std::array<std::string_view, 19> kKnownParameters = {
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "start-after",
    "continuation-token",
    "encoding-type",
    "fetch-owner",
    "uploads",
    "uploadId",
    "partNumber",
    "delete",
    "location",
    "x-id",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "key-marker",
    "upload-id-marker"};

std::string WithoutPort(std::string_view host) {
  return ToLower(host.substr(0, host.rfind(':')));
}

bool TakesObject(Operation o) {
  return o == Operation::kPut || o == Operation::kPutPart;
}

}  // namespace

const std::string& SumOf(const Sums& sums, unsigned bit) {
  return bit == kMd5      ? sums.md5
         : bit == kSha1   ? sums.sha1
         : bit == kCrc32  ? sums.crc32
         : bit == kCrc32c ? sums.crc32c
                          : sums.sha256;
}

std::string Quoted(std::string_view etag) { return StrCat("\"", etag, "\""); }

std::string_view Unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    return etag.substr(1, etag.size() - 2);
  }
  return etag;
}

std::unique_ptr<Service> MakeS3Service(World* world) {
  return std::make_unique<S3Service>(world);
}

void S3Service::Route(Call* call) {
  const Request& r = call->request;
  std::string path = PercentDecode(r.path, false);
  const std::string host = WithoutPort(r.Get("host"));
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
  const bool of_bucket = call->key.empty();
  const bool upload = r.Find("uploadId") != nullptr;
  Operation& o = call->operation;
  if (r.method == "PUT") {
    o = of_bucket                    ? Operation::kCreateContainer
        : upload                     ? Operation::kPutPart
        : r.Has("x-amz-copy-source") ? Operation::kCopy
                                     : Operation::kPut;
  } else if (r.method == "GET" && of_bucket) {
    o = r.Value("list-type") == "2"    ? Operation::kList
        : r.Find("uploads") != nullptr ? Operation::kListUploads
                                       : Operation::kOther;
  } else if (r.method == "GET") {
    o = upload ? Operation::kListParts : Operation::kGet;
  } else if (r.method == "HEAD") {
    o = Operation::kHead;
  } else if (r.method == "DELETE" && !of_bucket) {
    o = upload ? Operation::kAbortUpload : Operation::kDelete;
  } else if (r.method == "POST") {
    o = r.Find("uploads") != nullptr  ? Operation::kCreateUpload
        : upload                      ? Operation::kCompleteUpload
        : r.Find("delete") != nullptr ? Operation::kDelete
                                      : Operation::kOther;
  }
}

std::optional<Response> S3Service::CheckQuery(const Call& call) {
  for (const Parameter& p : call.request.parameters) {
    if (std::find(kKnownParameters.begin(), kKnownParameters.end(), p.name) ==
        kKnownParameters.end()) {
      return Refuse(call, 501, "NotImplemented",
                    StrCat("The parameter ", p.name, " is not known here."));
    }
  }
  return std::nullopt;
}

std::optional<Response> S3Service::PlanDigests(Call* call) {
  const Request& r = call->request;
  if (r.Get("x-amz-content-sha256") != "UNSIGNED-PAYLOAD") {
    call->digests |= kSha256;
  }
  if (const std::string_view md5 = r.Get("content-md5"); !md5.empty()) {
    const auto bytes = FromBase64(md5);
    if (!bytes || bytes->size() != 16) {
      return Refuse(*call, 400, "InvalidDigest",
                    "The Content-MD5 you specified was invalid.");
    }
    call->digests |= kMd5;
  }
  int given = 0;
  for (const S3Checksum& c : kS3Checksums) {
    const std::string_view value = r.Get(c.header);
    // At completion these are about the object, not about the body.
    if (value.empty() || call->operation == Operation::kCompleteUpload) {
      continue;
    }
    const auto bytes = FromBase64(value);
    if (!bytes || bytes->size() != c.size) {
      return Refuse(*call, 400, "InvalidRequest",
                    StrCat("Value for ", c.header, " header is invalid."));
    }
    call->digests |= c.bit;
    ++given;
  }
  if (given > 1) {
    return Refuse(*call, 400, "InvalidRequest",
                  "Expecting a single x-amz-checksum- header");
  }
  if (given == 0 && TakesObject(call->operation) &&
      r.Has("x-amz-sdk-checksum-algorithm")) {
    return Refuse(
        *call, 400, "InvalidRequest",
        "x-amz-sdk-checksum-algorithm specified, but no corresponding "
        "x-amz-checksum-* or x-amz-trailer headers were found.");
  }
  if (call->operation == Operation::kDelete && call->key.empty() &&
      given == 0 && !r.Has("content-md5")) {
    return Refuse(*call, 400, "InvalidRequest",
                  "Missing required header for this request: Content-MD5");
  }
  return std::nullopt;
}

std::optional<Response> S3Service::CheckUpload(Call* call) {
  const Request& r = call->request;
  if (!r.content_length) {
    return Refuse(*call, 411, "MissingContentLength",
                  "You must provide the Content-Length HTTP header.");
  }
  const std::uint64_t most = world_.options.single_put_max_bytes != 0
                                 ? world_.options.single_put_max_bytes
                                 : kSinglePutMax;
  if (*r.content_length > most) {
    S3Refusal refusal{400, "EntityTooLarge",
                      "Your proposed upload exceeds the maximum allowed size",
                      ""};
    AppendElement(&refusal.extra, "ProposedSize",
                  std::to_string(*r.content_length));
    AppendElement(&refusal.extra, "MaxSizeAllowed", std::to_string(most));
    return RefuseWith(*call, refusal);
  }
  std::size_t metadata = 0;
  for (const Header& h : r.headers) {
    if (h.name.size() > 11 &&
        EqualsIgnoreCase(h.name.substr(0, 11), "x-amz-meta-")) {
      metadata += h.name.size() - 11 + h.value.size();
    }
  }
  if (metadata > 2048) {
    return Refuse(*call, 400, "MetadataTooLarge",
                  "Your metadata headers exceed the maximum allowed metadata "
                  "size");
  }
  call->keep_body = true;
  call->digests |= world_.options.fast_etag ? kSha256 : kMd5;
  return std::nullopt;
}

std::optional<Response> S3Service::Check(Call* call) {
  if (const auto refusal = verifier_.Verify(
          call->request, call->now, world_.credentials,
          {world_.options.region, world_.options.allow_unsigned})) {
    return RefuseWith(*call, *refusal);
  }
  if (auto r = CheckQuery(*call)) return r;
  if (call->operation != Operation::kCreateContainer &&
      world_.store.Find(call->bucket) == nullptr) {
    S3Refusal refusal{404, "NoSuchBucket",
                      "The specified bucket does not exist", ""};
    AppendElement(&refusal.extra, "BucketName", call->bucket);
    return RefuseWith(*call, refusal);
  }
  if (call->key.size() > kKeyMax) {
    return Refuse(*call, 400, "KeyTooLongError", "Your key is too long");
  }
  if (TakesObject(call->operation)) {
    if (auto r = CheckUpload(call)) return r;
  } else if (call->request.content_length.value_or(0) > kTextMax) {
    return Refuse(*call, 400, "MaxMessageLengthExceeded",
                  "Your request was too big.");
  }
  return PlanDigests(call);
}

std::optional<Response> S3Service::VerifyBody(const Call& call) {
  const Request& r = call.request;
  const std::string_view sha = r.Get("x-amz-content-sha256");
  if (sha != "UNSIGNED-PAYLOAD" && Hex(call.sums.sha256) != sha) {
    return Refuse(call, 400, "XAmzContentSHA256Mismatch",
                  "The provided 'x-amz-content-sha256' header does not match "
                  "what was computed.");
  }
  if (const std::string_view md5 = r.Get("content-md5");
      !md5.empty() && Base64(call.sums.md5) != md5) {
    return Refuse(call, 400, "BadDigest",
                  "The Content-MD5 you specified did not match what we "
                  "received.");
  }
  if (call.operation == Operation::kCompleteUpload) return std::nullopt;
  for (const S3Checksum& c : kS3Checksums) {
    const std::string_view value = r.Get(c.header);
    if (!value.empty() && Base64(SumOf(call.sums, c.bit)) != value) {
      return Refuse(call, 400, "BadDigest",
                    StrCat("The ", c.algorithm,
                           " you specified did not match the calculated "
                           "checksum."));
    }
  }
  return std::nullopt;
}

Response S3Service::Finish(Call* call) {
  call->sums = call->body->FinishSums();
  if (auto r = VerifyBody(*call)) return std::move(*r);
  switch (call->operation) {
    case Operation::kPut:
      return Put(call);
    case Operation::kGet:
      return Get(*call, false);
    case Operation::kHead:
      return Get(*call, true);
    case Operation::kList:
      return List(*call);
    case Operation::kDelete:
      return call->key.empty() ? DeleteBatch(*call) : Delete(*call);
    case Operation::kCopy:
      return Copy(*call);
    case Operation::kCreateUpload:
      return CreateUpload(*call);
    case Operation::kPutPart:
      return PutPart(call);
    case Operation::kCompleteUpload:
      return CompleteUpload(*call);
    case Operation::kAbortUpload:
      return AbortUpload(*call);
    case Operation::kCreateContainer:
      return CreateBucket(*call);
    case Operation::kListParts:
      return ListParts(*call);
    case Operation::kListUploads:
      return ListUploads(*call);
    default:
      return Other(*call);
  }
}

Response S3Service::RefuseWith(const Call& call, const S3Refusal& refusal) {
  Response r;
  r.status = refusal.status;
  r.code = refusal.code;
  r.content_type = "application/xml";
  r.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>";
  AppendElement(&r.body, "Code", refusal.code);
  AppendElement(&r.body, "Message", refusal.message);
  r.body.append(refusal.extra);
  AppendElement(&r.body, "Resource", StrCat("/", call.bucket, "/", call.key));
  AppendElement(&r.body, "RequestId", call.request_id);
  AppendElement(&r.body, "HostId", "object-server");
  r.body.append("</Error>");
  return r;
}

Response S3Service::Refuse(const Call& call, int status, std::string_view code,
                           std::string_view message) {
  return RefuseWith(call,
                    {status, std::string(code), std::string(message), ""});
}

Response S3Service::ExpiredToken(const Call& call) {
  return Refuse(call, 400, "ExpiredToken", "The provided token has expired.");
}

Response S3Service::Full(const Call& call) {
  return Refuse(call, 507, "InsufficientStorage",
                "There is no room left, or the quota is used up.");
}

Response S3Service::OtherRegion(const Call& call, std::string_view region) {
  S3Refusal refusal{301, "PermanentRedirect",
                    "The bucket you are attempting to access must be addressed "
                    "using the specified endpoint.",
                    ""};
  AppendElement(&refusal.extra, "Endpoint",
                StrCat("s3.", region, ".amazonaws.com"));
  AppendElement(&refusal.extra, "Bucket", call.bucket);
  Response r = RefuseWith(call, refusal);
  r.Add("x-amz-bucket-region", region);
  return r;
}

void S3Service::Decorate(const Call& call, Response* response) {
  response->Add("x-amz-request-id", call.request_id);
  response->Add("x-amz-id-2", "object-server");
  response->Add("Server", "AmazonS3");
}

std::string_view S3Service::CodeOf(int status) {
  switch (status) {
    case 400:
      return "RequestTimeout";
    case 403:
      return "AccessDenied";
    case 404:
      return "NoSuchKey";
    case 409:
      return "OperationAborted";
    case 411:
      return "MissingContentLength";
    case 412:
      return "PreconditionFailed";
    case 429:
    case 503:
      return "SlowDown";
    default:
      return "InternalError";
  }
}

Response S3Service::Xml(std::string text) {
  Response r;
  r.content_type = "application/xml";
  r.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  r.body.append(text);
  return r;
}

}  // namespace fodc::object_server
