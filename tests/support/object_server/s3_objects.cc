// SPDX-License-Identifier: Apache-2.0
// S3: operations on whole objects, and the listing.
#include <algorithm>
#include <array>
#include <pugixml.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/s3_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::string_view kNamespace =
    " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
constexpr std::uint64_t kPageSize = 1000;
constexpr std::array<std::string_view, 8> kClasses = {
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA",
    "GLACIER",  "DEEP_ARCHIVE",       "GLACIER_IR",  "INTELLIGENT_TIERING"};
constexpr std::array<std::string_view, 6> kKeptHeaders = {
    "Content-Type",        "Cache-Control",    "Content-Encoding",
    "Content-Disposition", "Content-Language", "Expires"};

// Opaque to clients; the digit keeps the first page's from being empty.
std::string TokenOf(std::string_view position) {
  return Base64(StrCat("0", position));
}

std::string ModifiedOf(const Object& o) { return FormatRfc3339(o.modified, 3); }

}  // namespace

std::string S3Service::HashedBytes(const Sums& sums) const {
  return world_.options.fast_etag ? sums.sha256.substr(0, 16) : sums.md5;
}

std::string S3Service::EtagOf(const Sums& sums) const {
  return Hex(HashedBytes(sums));
}

std::optional<Response> S3Service::CheckConditions(const Call& call) {
  const std::string_view none = call.request.Get("if-none-match");
  const std::string_view match = call.request.Get("if-match");
  if (none.empty() && match.empty()) return std::nullopt;
  if (!none.empty() && none != "*") {
    return Refuse(call, 501, "NotImplemented",
                  "A header you provided implies functionality that is not "
                  "implemented");
  }
  const ObjectPtr there = world_.store.Find(call.bucket)->Get(call.key);
  if (!match.empty() && there == nullptr) {
    return Refuse(call, 404, "NoSuchKey", "The specified key does not exist.");
  }
  const bool holds =
      match.empty() ? there == nullptr : there->etag == Unquoted(match);
  if (holds) return std::nullopt;
  S3Refusal refusal{412, "PreconditionFailed",
                    "At least one of the pre-conditions you specified did not "
                    "hold",
                    ""};
  AppendElement(&refusal.extra, "Condition",
                match.empty() ? "If-None-Match" : "If-Match");
  return RefuseWith(call, refusal);
}

std::shared_ptr<Object> S3Service::NewObject(const Call& call) const {
  auto object = std::make_shared<Object>();
  for (const Header& h : call.request.headers) {
    if (h.name.size() > 11 &&
        EqualsIgnoreCase(h.name.substr(0, 11), "x-amz-meta-")) {
      object->metadata.emplace_back(ToLower(h.name.substr(11)), h.value);
    }
  }
  for (const std::string_view name : kKeptHeaders) {
    if (const std::string_view value = call.request.Get(name); !value.empty()) {
      object->headers.emplace_back(name, value);
    }
  }
  object->storage_class = "STANDARD";
  if (const auto c = call.request.Get("x-amz-storage-class"); !c.empty()) {
    object->storage_class = c;
  }
  object->modified = call.now;
  return object;
}

Response S3Service::Put(Call* call) {
  if (auto r = CheckConditions(*call)) return std::move(*r);
  auto object = NewObject(*call);
  if (std::find(kClasses.begin(), kClasses.end(), object->storage_class) ==
      kClasses.end()) {
    return Refuse(*call, 400, "InvalidStorageClass",
                  "The storage class you specified is not valid");
  }
  object->content.Append(call->body->TakePiece());
  object->etag = EtagOf(call->sums);
  Response r;
  r.Add("ETag", Quoted(object->etag));
  for (const S3Checksum& c : kS3Checksums) {
    const std::string_view value = call->request.Get(c.header);
    if (value.empty()) continue;
    object->checksums.emplace_back(c.header, value);
    object->checksum_type = "FULL_OBJECT";
    r.Add(c.header, value);
    r.Add("x-amz-checksum-type", "FULL_OBJECT");
  }
  object->sums = std::move(call->sums);
  world_.store.Find(call->bucket)->Put(call->key, std::move(object));
  return r;
}

Response S3Service::Get(const Call& call, bool head) {
  if (call.key.empty()) {
    Response r;
    r.head_length = 0;
    r.Add("x-amz-bucket-region", world_.options.region);
    return r;
  }
  const ObjectPtr o = world_.store.Find(call.bucket)->Get(call.key);
  if (o == nullptr) {
    S3Refusal refusal{404, "NoSuchKey", "The specified key does not exist.",
                      ""};
    AppendElement(&refusal.extra, "Key", call.key);
    return RefuseWith(call, refusal);
  }
  if (!head &&
      (o->storage_class == "GLACIER" || o->storage_class == "DEEP_ARCHIVE")) {
    S3Refusal refusal{403, "InvalidObjectState",
                      "The operation is not valid for the object's storage "
                      "class",
                      ""};
    AppendElement(&refusal.extra, "StorageClass", o->storage_class);
    return RefuseWith(call, refusal);
  }
  if (const auto match = call.request.Get("if-match");
      !match.empty() && Unquoted(match) != o->etag) {
    return Refuse(call, 412, "PreconditionFailed",
                  "At least one of the pre-conditions you specified did not "
                  "hold");
  }
  const auto range = ParseRange(call.request.Get("range"), o->size());
  if (!range) {
    S3Refusal refusal{416, "InvalidRange",
                      "The requested range is not satisfiable", ""};
    AppendElement(&refusal.extra, "ActualObjectSize",
                  std::to_string(o->size()));
    return RefuseWith(call, refusal);
  }
  Response r;
  AnswerRange(*range, o->content, &r);
  if (head) r.head_length = range->length;
  r.Add("ETag", Quoted(o->etag));
  r.Add("Last-Modified", HttpDate(o->modified));
  r.Add("Accept-Ranges", "bytes");
  for (const auto& [name, value] : o->metadata) {
    r.Add(StrCat("x-amz-meta-", name), value);
  }
  for (const auto& [name, value] : o->headers) r.Add(name, value);
  if (!o->storage_class.empty() && o->storage_class != "STANDARD") {
    r.Add("x-amz-storage-class", o->storage_class);
  }
  if (!range->partial && !o->checksums.empty() &&
      EqualsIgnoreCase(call.request.Get("x-amz-checksum-mode"), "ENABLED")) {
    for (const auto& [name, value] : o->checksums) r.Add(name, value);
    r.Add("x-amz-checksum-type", o->checksum_type);
  }
  return r;
}

Response S3Service::CreateBucket(const Call& call) {
  if (!world_.store.Create(call.bucket)) {
    return Refuse(call, 409, "BucketAlreadyOwnedByYou",
                  "Your previous request to create the named bucket succeeded "
                  "and you already own it.");
  }
  Response r;
  r.Add("Location", StrCat("/", call.bucket));
  return r;
}

Response S3Service::Delete(const Call& call) {
  world_.store.Find(call.bucket)->Erase(call.key);
  Response r;
  r.status = 204;
  return r;
}

Response S3Service::DeleteBatch(const Call& call) {
  pugi::xml_document document;
  const std::string_view text = call.body->text();
  std::size_t count = 0;
  if (document.load_buffer(
          text.data(), text.size(),
          pugi::parse_default | pugi::parse_ws_pcdata_single)) {
    for (const auto& o : document.child("Delete").children("Object")) {
      (void)o;
      ++count;
    }
  }
  if (count == 0 || count > 1000) {
    return Refuse(call, 400, "MalformedXML",
                  "The XML you provided was not well-formed or did not "
                  "validate against our published schema");
  }
  const pugi::xml_node root = document.child("Delete");
  const bool quiet = std::string_view(root.child_value("Quiet")) == "true";
  Bucket* bucket = world_.store.Find(call.bucket);
  std::string out = StrCat("<DeleteResult", kNamespace, ">");
  for (const auto& o : root.children("Object")) {
    const std::string key = o.child_value("Key");
    if (key.empty() || key.size() > 1024) {
      out.append("<Error>");
      AppendElement(&out, "Key", key);
      AppendElement(&out, "Code", "KeyTooLongError");
      AppendElement(&out, "Message", "Your key is empty or too long");
      out.append("</Error>");
      continue;
    }
    bucket->Erase(key);
    if (quiet) continue;
    out.append("<Deleted>");
    AppendElement(&out, "Key", key);
    out.append("</Deleted>");
  }
  return Xml(out + "</DeleteResult>");
}

std::optional<Response> S3Service::FindSource(const Call& call,
                                              ObjectPtr* source) {
  std::string name =
      PercentDecode(call.request.Get("x-amz-copy-source"), false);
  if (name.starts_with("/")) name.erase(0, 1);
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) {
    return Refuse(call, 400, "InvalidArgument",
                  "Copy Source must mention the source bucket and key");
  }
  Bucket* bucket = world_.store.Find(name.substr(0, slash));
  if (bucket == nullptr) {
    return Refuse(call, 404, "NoSuchBucket",
                  "The specified bucket does not exist");
  }
  *source = bucket->Get(name.substr(slash + 1));
  if (*source == nullptr) {
    return Refuse(call, 404, "NoSuchKey", "The specified key does not exist.");
  }
  return std::nullopt;
}

Response S3Service::Copy(const Call& call) {
  ObjectPtr source;
  if (auto r = FindSource(call, &source)) return std::move(*r);
  if (auto r = CheckConditions(call)) return std::move(*r);
  const bool replace =
      call.request.Get("x-amz-metadata-directive") == "REPLACE";
  const auto fresh = NewObject(call);
  const bool same = world_.store.Find(call.bucket)->Get(call.key) == source;
  if (same && !replace && !call.request.Has("x-amz-storage-class")) {
    return Refuse(call, 400, "InvalidRequest",
                  "This copy request is illegal because it is trying to copy "
                  "an object to itself without changing the object's metadata "
                  "or storage class.");
  }
  auto copy = std::make_shared<Object>(*source);
  if (replace) {
    copy->metadata = fresh->metadata;
    copy->headers = fresh->headers;
  }
  copy->storage_class = fresh->storage_class;
  copy->modified = call.now;
  std::string out = StrCat("<CopyObjectResult", kNamespace, ">");
  AppendElement(&out, "LastModified", ModifiedOf(*copy));
  AppendElement(&out, "ETag", Quoted(copy->etag));
  world_.store.Find(call.bucket)->Put(call.key, std::move(copy));
  return Xml(out + "</CopyObjectResult>");
}

Response S3Service::List(const Call& call) {
  const Request& q = call.request;
  ListRequest request{std::string(q.Value("prefix")),
                      std::string(q.Value("delimiter")), "", kPageSize};
  if (q.Find("max-keys") != nullptr) {
    const auto most = ParseUint(q.Value("max-keys"));
    if (!most) {
      return Refuse(call, 400, "InvalidArgument",
                    "Provided max-keys not an integer or within integer range");
    }
    request.limit = std::min(*most, kPageSize);
  }
  const std::uint64_t max_keys = request.limit;
  if (world_.options.page_size != 0) {
    request.limit = std::min(request.limit, world_.options.page_size);
  }
  const bool url = q.Value("encoding-type") == "url";
  if (q.Find("encoding-type") != nullptr && !url) {
    return Refuse(call, 400, "InvalidArgument",
                  "Invalid Encoding Method specified in Request");
  }
  if (q.Find("continuation-token") != nullptr) {
    const auto position = FromBase64(q.Value("continuation-token"));
    if (!position ||
        (!position->starts_with('0') && !position->starts_with('1'))) {
      return Refuse(call, 400, "InvalidArgument",
                    "The continuation token provided is incorrect");
    }
    if (position->starts_with('0')) request.position = position->substr(1);
  } else if (q.Find("start-after") != nullptr) {
    request.position = PositionAfter(q.Value("start-after"));
  }
  ListPage page;
  if (request.limit > 0) page = world_.store.Find(call.bucket)->List(request);
  std::string next = page.position.empty() ? "" : TokenOf(page.position);
  if (call.trouble == ListTrouble::kRepeat) next = TokenOf(request.position);
  if (call.trouble == ListTrouble::kEndless && next.empty()) {
    next = Base64("1" + call.request_id);
  }
  const auto text = [url](std::string_view t) {
    return url ? FormEncode(t) : std::string(t);
  };
  std::string out;
  out.reserve(512 + page.items.size() * 320);
  out.append("<ListBucketResult").append(kNamespace).append(">");
  AppendElement(&out, "Name", call.bucket);
  AppendElement(&out, "Prefix", text(request.prefix));
  AppendElement(&out, "KeyCount", std::to_string(page.items.size()));
  AppendElement(&out, "MaxKeys", std::to_string(max_keys));
  if (!request.delimiter.empty()) {
    AppendElement(&out, "Delimiter", text(request.delimiter));
  }
  if (url) AppendElement(&out, "EncodingType", "url");
  AppendElement(&out, "IsTruncated", next.empty() ? "false" : "true");
  if (!next.empty()) AppendElement(&out, "NextContinuationToken", next);
  for (const ListItem& item : page.items) {
    if (item.object == nullptr) continue;
    const Object& o = *item.object;
    out.append("<Contents>");
    AppendElement(&out, "Key", text(item.name));
    AppendElement(&out, "LastModified", ModifiedOf(o));
    AppendElement(&out, "ETag", Quoted(o.etag));
    AppendElement(&out, "Size", std::to_string(o.size()));
    AppendElement(&out, "StorageClass",
                  o.storage_class.empty() ? "STANDARD" : o.storage_class);
    out.append("</Contents>");
  }
  for (const ListItem& item : page.items) {
    if (item.object != nullptr) continue;
    out.append("<CommonPrefixes>");
    AppendElement(&out, "Prefix", text(item.name));
    out.append("</CommonPrefixes>");
  }
  return Xml(out + "</ListBucketResult>");
}

Response S3Service::Other(const Call& call) {
  if (call.request.method == "GET" &&
      call.request.Find("location") != nullptr) {
    const std::string& region = world_.options.region;
    std::string out = StrCat("<LocationConstraint", kNamespace, ">");
    // The oldest region has no name there.
    if (region != "us-east-1") AppendXmlText(&out, region);
    return Xml(out + "</LocationConstraint>");
  }
  return Refuse(call, 501, "NotImplemented",
                "A header or query you provided implies functionality that is "
                "not implemented");
}

}  // namespace fodc::object_server
