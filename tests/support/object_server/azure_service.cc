// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/azure_service.h"

#include <algorithm>

#include "fodc/base/strings.h"
#include "tests/support/object_server/mixed.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::uint64_t kPutBlobMax = 5000ull << 20;
constexpr std::uint64_t kPutBlockMax = 4000ull << 20;
constexpr std::uint64_t kTextMax = 16u << 20;  // of XML bodies
constexpr std::size_t kBatchMax = 256;
constexpr std::uint64_t kTokenMax = 65536;
constexpr std::size_t kMetadataMax = 8192;
constexpr std::string_view kMetadataPrefix = "x-ms-meta-";

bool IsMetadata(std::string_view name) {
  return name.size() >= kMetadataPrefix.size() &&
         EqualsIgnoreCase(name.substr(0, kMetadataPrefix.size()),
                          kMetadataPrefix);
}

// Names of metadata are to be identifiers of C#.
bool IsIdentifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9');
         });
}

}  // namespace

std::unique_ptr<Service> MakeAzureService(World* world) {
  return std::make_unique<AzureService>(world);
}

void AzureService::Route(Call* call) {
  const Request& r = call->request;
  if (identity_.IsToken(r.path)) {
    call->operation = Operation::kToken;
    return;
  }
  const std::string path = PercentDecode(r.path, false);
  std::string_view rest = path;
  // The account is the first segment, as with every server but the vendor's.
  const std::string mine = StrCat("/", world_.credentials.azure_account, "/");
  if (!ConsumePrefix(&rest, mine)) return;
  const std::size_t slash = rest.find('/');
  call->bucket = rest.substr(0, slash);
  if (slash != std::string_view::npos) call->key = rest.substr(slash + 1);
  const std::string_view comp = r.Value("comp");
  const bool container = r.Value("restype") == "container";
  Operation& o = call->operation;
  if (call->key.empty()) {
    if (!container) return;
    if (r.method == "PUT" && comp.empty()) o = Operation::kCreateContainer;
    if (r.method == "POST" && comp == "batch") o = Operation::kBatch;
    if (r.method == "GET" && comp == "list") o = Operation::kList;
    if ((r.method == "GET" || r.method == "HEAD") && comp.empty()) {
      o = Operation::kHead;
    }
    return;
  }
  if (r.method == "PUT") {
    o = comp == "block"             ? Operation::kPutPart
        : comp == "blocklist"       ? Operation::kCompleteUpload
        : !comp.empty()             ? Operation::kOther
        : r.Has("x-ms-copy-source") ? Operation::kCopy
                                    : Operation::kPut;
  } else if (r.method == "GET") {
    o = comp == "blocklist" ? Operation::kListParts
        : comp.empty()      ? Operation::kGet
                            : Operation::kOther;
  } else if (r.method == "HEAD" && comp.empty()) {
    o = Operation::kHead;
  } else if (r.method == "DELETE" && comp.empty()) {
    o = Operation::kDelete;
  }
}

AzureAccess AzureService::AccessOf(const Call& call) const {
  AzureAccess access{call.bucket, call.key, "w"};
  switch (call.operation) {
    case Operation::kGet:
    case Operation::kHead:
    case Operation::kListParts:
      access.letters = "r";
      break;
    case Operation::kList:
      access.letters = "l";
      break;
    case Operation::kDelete:
    case Operation::kBatch:
      access.letters = "d";
      break;
    case Operation::kCreateContainer:
    case Operation::kPutPart:
      access.letters = "cw";
      break;
    case Operation::kPut:
    case Operation::kCompleteUpload:
    case Operation::kCopy: {
      // To create is enough as long as there is nothing.
      const auto bucket = world_.store.buckets().find(call.bucket);
      const bool there = bucket != world_.store.buckets().end() &&
                         bucket->second.Get(call.key) != nullptr;
      access.letters = there ? "w" : "cw";
      break;
    }
    default:
      break;
  }
  return access;
}

std::optional<Response> AzureService::CheckMetadata(const Call& call) {
  std::size_t bytes = 0;
  for (const Header& h : call.request.headers) {
    if (!IsMetadata(h.name)) continue;
    const std::string_view name = h.name.substr(kMetadataPrefix.size());
    if (name.empty()) {
      return Refuse(call, 400, "EmptyMetadataKey",
                    "The key for one of the metadata key-value pairs is "
                    "empty.");
    }
    if (!IsIdentifier(name)) {
      return Refuse(call, 400, "InvalidMetadata",
                    "The specified metadata is invalid. It includes characters "
                    "that are not permitted.");
    }
    bytes += name.size() + h.value.size();
  }
  if (bytes <= kMetadataMax) return std::nullopt;
  return Refuse(call, 400, "MetadataTooLarge",
                "The size of the specified metadata exceeds the maximum size "
                "permitted.");
}

std::optional<Response> AzureService::CheckUpload(Call* call) {
  const Request& r = call->request;
  const bool block = call->operation == Operation::kPutPart;
  if (!r.content_length) {
    return Refuse(*call, 411, "MissingContentLengthHeader",
                  "The Content-Length header was not specified.");
  }
  const std::uint64_t most = world_.options.single_put_max_bytes != 0
                                 ? world_.options.single_put_max_bytes
                             : block ? kPutBlockMax
                                     : kPutBlobMax;
  if (*r.content_length > most) {
    return Refuse(*call, 413, "RequestBodyTooLarge",
                  "The request body is too large and exceeds the maximum "
                  "permissible limit.");
  }
  if (!block && r.Get("x-ms-blob-type") != "BlockBlob") {
    return r.Has("x-ms-blob-type")
               ? Refuse(*call, 400, "InvalidHeaderValue",
                        "The value for x-ms-blob-type is not taken here.")
               : Refuse(*call, 400, "MissingRequiredHeader",
                        "x-ms-blob-type is not there.");
  }
  call->keep_body = true;
  // The service computes the MD5 of a blob that comes without one.
  if (!world_.options.fast_etag && !block) call->digests |= kMd5;
  return std::nullopt;
}

std::optional<Response> AzureService::Check(Call* call) {
  const Request& r = call->request;
  if (call->operation == Operation::kToken) {
    if (r.content_length.value_or(0) <= kTokenMax) return std::nullopt;
    return Refuse(*call, 413, "invalid_request", "too large");
  }
  if (call->bucket.empty()) {
    return Refuse(*call, 400, "InvalidUri",
                  "The requested URI does not represent any resource on the "
                  "server.");
  }
  if (const auto refusal = VerifyAzure(r, call->now, world_.credentials,
                                       identity_.tokens(), AccessOf(*call))) {
    return Refuse(*call, refusal->status, refusal->code, refusal->message);
  }
  if (call->operation != Operation::kCreateContainer &&
      world_.store.Find(call->bucket) == nullptr) {
    return Refuse(*call, 404, "ContainerNotFound",
                  "The specified container does not exist.");
  }
  if (call->key.size() > 1024) {
    return Refuse(*call, 400, "InvalidResourceName",
                  "The specified resource name length is not within the "
                  "permissible limits.");
  }
  if (r.Has("x-ms-content-crc64")) {
    return Refuse(*call, 501, "FeatureNotSupported",
                  "x-ms-content-crc64 is not known here.");
  }
  if (auto refusal = CheckMetadata(*call)) return refusal;
  for (const std::string_view name : {"content-md5", "x-ms-blob-content-md5"}) {
    const std::string_view value = r.Get(name);
    if (value.empty()) continue;
    const auto bytes = FromBase64(value);
    if (!bytes || bytes->size() != 16) {
      return Refuse(*call, 400, "InvalidMd5",
                    "The MD5 value specified in the request is invalid. MD5 "
                    "value must be 128 bits and base64-encoded.");
    }
    call->digests |= kMd5;
  }
  if (call->operation == Operation::kPut ||
      call->operation == Operation::kPutPart) {
    return CheckUpload(call);
  }
  if (r.content_length.value_or(0) > kTextMax) {
    return Refuse(*call, 413, "RequestBodyTooLarge",
                  "The request body is too large and exceeds the maximum "
                  "permissible limit.");
  }
  return std::nullopt;
}

std::optional<Response> AzureService::VerifyBody(const Call& call) {
  std::string_view md5 = call.request.Get("content-md5");
  const std::string_view of_blob = call.request.Get("x-ms-blob-content-md5");
  // Of a block list it is a property of the blob, and only stored.
  if (call.operation == Operation::kPut && !of_blob.empty()) md5 = of_blob;
  if (md5.empty() || Base64(call.sums.md5) == md5) return std::nullopt;
  return Refuse(call, 400, "Md5Mismatch",
                "The MD5 value specified in the request did not match with the "
                "MD5 value calculated by the server.");
}

Response AzureService::Finish(Call* call) {
  call->sums = call->body->FinishSums();
  if (auto r = VerifyBody(*call)) return std::move(*r);
  switch (call->operation) {
    case Operation::kToken:
      return identity_.Give(*call);
    case Operation::kPut:
      return Put(call);
    case Operation::kGet:
      return Get(*call, false);
    case Operation::kHead:
      return call->key.empty() ? ContainerProperties(*call) : Get(*call, true);
    case Operation::kList:
      return List(*call);
    case Operation::kDelete:
      return Delete(*call);
    case Operation::kCopy:
      return Copy(*call);
    case Operation::kPutPart:
      return PutBlock(call);
    case Operation::kCompleteUpload:
      return PutBlockList(*call);
    case Operation::kListParts:
      return GetBlockList(*call);
    case Operation::kCreateContainer:
      return CreateContainer(*call);
    case Operation::kBatch:
      return Batch(*call);
    default:
      return Other(*call);
  }
}

// Deletes alone, and of this container: it is addressed.
Response AzureService::Batch(const Call& call) {
  const auto parts =
      ReadMixed(call.request.Get("content-type"), call.body->text(), kBatchMax);
  if (!parts.ok())
    return Refuse(call, 400, "InvalidInput", parts.status().message());
  return AnswerMixed(
      call, this, *parts, /*is_google=*/false, [&](Call* part) -> Response {
        Route(part);
        if (part->operation != Operation::kDelete ||
            part->bucket != call.bucket) {
          return Refuse(*part, 400, "InvalidInput",
                        "It is no Delete Blob of this container.");
        }
        if (part->request.Has("x-ms-version")) {
          return Refuse(*part, 400, "UnsupportedHeader",
                        "x-ms-version is that of the batch.");
        }
        AzureAccess access = AccessOf(*part);
        access.is_part = true;
        if (const auto refusal =
                VerifyAzure(part->request, call.now, world_.credentials,
                            identity_.tokens(), access)) {
          return Refuse(*part, refusal->status, refusal->code,
                        refusal->message);
        }
        return Delete(*part);
      });
}

Response AzureService::Refuse(const Call& call, int status,
                              std::string_view code, std::string_view message) {
  Response r;
  r.status = status;
  r.content_type = "application/xml";
  r.body = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>";
  AppendElement(&r.body, "Code", code);
  AppendElement(&r.body, "Message",
                StrCat(message, "\nRequestId:", call.request_id,
                       "\nTime:", FormatRfc3339(call.now, 6)));
  r.body.append("</Error>");
  r.Add("x-ms-error-code", code);
  if (status == 401) {
    r.Add("WWW-Authenticate",
          StrCat("Bearer authorization_uri=https://login.microsoftonline.com/",
                 world_.options.azure_tenant,
                 "/oauth2/authorize resource_id=https://storage.azure.com"));
  }
  return r;
}

Response AzureService::ExpiredToken(const Call& call) {
  if (call.request.Get("authorization").starts_with("Bearer ")) {
    return Refuse(call, 401, "InvalidAuthenticationInfo",
                  "Lifetime validation failed. The token is expired.");
  }
  return Refuse(call, 403, "AuthenticationFailed",
                "Signature not valid in the specified time frame.");
}

Response AzureService::Full(const Call& call) {
  return Refuse(call, 507, "InsufficientStorage",
                "There is no room left, or the quota is used up.");
}

// There are no regions in its names; what comes nearest is another host.
Response AzureService::OtherRegion(const Call& call, std::string_view region) {
  Response r = Refuse(call, 301, "MovedPermanently", "Elsewhere.");
  r.Add("Location", StrCat("https://", world_.credentials.azure_account,
                           ".blob.", region, ".example", call.request.target));
  return r;
}

void AzureService::Decorate(const Call& call, Response* response) {
  response->Add("x-ms-request-id", call.request_id);
  response->Add("Server", "Windows-Azure-Blob/1.0");
  for (const std::string_view name :
       {"x-ms-version", "x-ms-client-request-id"}) {
    const std::string_view value = call.request.Get(name);
    if (!value.empty()) response->Add(name, value);
  }
}

std::string_view AzureService::CodeOf(int status) {
  switch (status) {
    case 401:
      return "NoAuthenticationInformation";
    case 403:
      return "AuthenticationFailed";
    case 404:
      return "BlobNotFound";
    case 409:
      return "BlobAlreadyExists";
    case 411:
      return "MissingContentLengthHeader";
    case 412:
      return "ConditionNotMet";
    case 429:
    case 503:
      return "ServerBusy";
    default:
      return "InternalError";
  }
}

}  // namespace fodc::object_server
