// SPDX-License-Identifier: Apache-2.0
// Azure: operations on blobs and containers.
#include <algorithm>
#include <array>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/azure_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::uint64_t kPageSize = 5000;
// As they are set with a blob and as they come back.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5>
    kProperties = {{{"x-ms-blob-content-type", "Content-Type"},
                    {"x-ms-blob-content-encoding", "Content-Encoding"},
                    {"x-ms-blob-content-language", "Content-Language"},
                    {"x-ms-blob-cache-control", "Cache-Control"},
                    {"x-ms-blob-content-disposition", "Content-Disposition"}}};

std::string EtagOf(const Object& o) {
  return StrCat("\"0x8D", Hex(std::to_string(o.generation)), "\"");
}

bool ValidContainer(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && name.front() != '-' &&
         name.back() != '-' && name.find("--") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

void AppendBlob(std::string* out, const ListItem& item, bool metadata) {
  const Object& o = *item.object;
  out->append("<Blob>");
  AppendElement(out, "Name", item.name);
  out->append("<Properties>");
  AppendElement(out, "Creation-Time", HttpDate(o.modified));
  AppendElement(out, "Last-Modified", HttpDate(o.modified));
  AppendElement(out, "Etag", EtagOf(o).substr(1, EtagOf(o).size() - 2));
  AppendElement(out, "Content-Length", std::to_string(o.size()));
  for (const auto& [name, value] : o.headers) AppendElement(out, name, value);
  AppendElement(out, "Content-MD5",
                o.sums.md5.empty() ? "" : Base64(o.sums.md5));
  AppendElement(out, "BlobType", "BlockBlob");
  AppendElement(out, "AccessTier",
                o.storage_class.empty() ? "Hot" : o.storage_class);
  if (o.storage_class.empty()) {
    AppendElement(out, "AccessTierInferred", "true");
  }
  AppendElement(out, "LeaseStatus", "unlocked");
  AppendElement(out, "LeaseState", "available");
  AppendElement(out, "ServerEncrypted", "true");
  out->append("</Properties>");
  if (metadata && !o.metadata.empty()) {
    out->append("<Metadata>");
    for (const auto& [name, value] : o.metadata) {
      AppendElement(out, name, value);
    }
    out->append("</Metadata>");
  }
  out->append("<OrMetadata /></Blob>");
}

}  // namespace

std::optional<Response> AzureService::CheckConditions(const Call& call) {
  const ObjectPtr there = world_.store.Find(call.bucket)->Get(call.key);
  const std::string_view none = call.request.Get("if-none-match");
  const std::string_view match = call.request.Get("if-match");
  if (none == "*" && there != nullptr) {
    return Refuse(call, 409, "BlobAlreadyExists",
                  "The specified blob already exists.");
  }
  const bool holds =
      (none.empty() || none == "*" || there == nullptr ||
       EtagOf(*there) != none) &&
      (match.empty() ||
       (there != nullptr && (match == "*" || EtagOf(*there) == match)));
  if (holds) return std::nullopt;
  return Refuse(call, 412, "ConditionNotMet",
                "The condition specified using HTTP conditional header(s) is "
                "not met.");
}

std::shared_ptr<Object> AzureService::NewObject(const Call& call) const {
  constexpr std::string_view kPrefix = "x-ms-meta-";
  auto object = std::make_shared<Object>();
  for (const Header& h : call.request.headers) {
    if (h.name.size() > kPrefix.size() &&
        EqualsIgnoreCase(h.name.substr(0, kPrefix.size()), kPrefix)) {
      object->metadata.emplace_back(h.name.substr(kPrefix.size()), h.value);
    }
  }
  for (const auto& [given, sent] : kProperties) {
    std::string_view value = call.request.Get(given);
    // Only of Put Blob; elsewhere it is the type of the XML.
    if (value.empty() && sent == "Content-Type" &&
        call.operation == Operation::kPut) {
      value = call.request.Get(sent);
    }
    if (value.empty() && sent == "Content-Type") {
      value = "application/octet-stream";
    }
    if (!value.empty()) object->headers.emplace_back(sent, value);
  }
  object->storage_class = call.request.Get("x-ms-access-tier");
  object->modified = call.now;
  return object;
}

Response AzureService::Created(const Call& call,
                               std::shared_ptr<Object> object) {
  uncommitted_.erase({call.bucket, call.key});
  const Object& o = *object;
  world_.store.Find(call.bucket)->Put(call.key, std::move(object));
  Response r;
  r.status = 201;
  r.Add("ETag", EtagOf(o));
  r.Add("Last-Modified", HttpDate(o.modified));
  r.Add("x-ms-request-server-encrypted", "true");
  return r;
}

Response AzureService::Put(Call* call) {
  if (auto r = CheckConditions(*call)) return std::move(*r);
  auto object = NewObject(*call);
  object->content.Append(call->body->TakePiece());
  object->sums = std::move(call->sums);
  const std::string md5 =
      object->sums.md5.empty() ? "" : Base64(object->sums.md5);
  Response r = Created(*call, std::move(object));
  if (!md5.empty()) r.Add("Content-MD5", md5);
  return r;
}

Response AzureService::Get(const Call& call, bool head) {
  const ObjectPtr o = world_.store.Find(call.bucket)->Get(call.key);
  if (o == nullptr) {
    return Refuse(call, 404, "BlobNotFound",
                  "The specified blob does not exist.");
  }
  if (auto r = CheckConditions(call)) return std::move(*r);
  if (!head && o->storage_class == "Archive") {
    return Refuse(call, 409, "BlobArchived",
                  "This operation is not permitted on an archived blob.");
  }
  const std::string_view header = call.request.Has("x-ms-range")
                                      ? call.request.Get("x-ms-range")
                                      : call.request.Get("range");
  const auto range = ParseRange(head ? std::string_view() : header, o->size());
  if (!range) {
    Response r = Refuse(call, 416, "InvalidRange",
                        "The range specified is invalid for the current size "
                        "of the resource.");
    r.Add("Content-Range", StrCat("bytes */", o->size()));
    return r;
  }
  Response r;
  AnswerRange(*range, o->content, &r);
  if (head) r.head_length = range->length;
  r.Add("ETag", EtagOf(*o));
  r.Add("Last-Modified", HttpDate(o->modified));
  r.Add("Accept-Ranges", "bytes");
  r.Add("x-ms-blob-type", "BlockBlob");
  r.Add("x-ms-creation-time", HttpDate(o->modified));
  r.Add("x-ms-server-encrypted", "true");
  for (const auto& [name, value] : o->headers) r.Add(name, value);
  for (const auto& [name, value] : o->metadata) {
    r.Add(StrCat("x-ms-meta-", name), value);
  }
  if (head) {
    r.Add("x-ms-access-tier",
          o->storage_class.empty() ? "Hot" : o->storage_class);
  }
  if (!o->sums.md5.empty()) {
    r.Add(range->partial ? "x-ms-blob-content-md5" : "Content-MD5",
          Base64(o->sums.md5));
  }
  return r;
}

Response AzureService::ContainerProperties(const Call& call) {
  (void)call;
  Response r;
  r.head_length = 0;
  r.Add("ETag", "\"0x8D0\"");
  r.Add("x-ms-lease-status", "unlocked");
  return r;
}

Response AzureService::CreateContainer(const Call& call) {
  if (!ValidContainer(call.bucket)) {
    return Refuse(call, 400, "InvalidResourceName",
                  "The specified resource name contains invalid characters.");
  }
  if (!world_.store.Create(call.bucket)) {
    return Refuse(call, 409, "ContainerAlreadyExists",
                  "The specified container already exists.");
  }
  Response r;
  r.status = 201;
  r.Add("ETag", "\"0x8D0\"");
  return r;
}

Response AzureService::Delete(const Call& call) {
  if (world_.store.Find(call.bucket)->Get(call.key) == nullptr) {
    return Refuse(call, 404, "BlobNotFound",
                  "The specified blob does not exist.");
  }
  world_.store.Find(call.bucket)->Erase(call.key);
  Response r;
  r.status = 202;
  r.Add("x-ms-delete-type-permanent", "true");
  return r;
}

Response AzureService::Copy(const Call& call) {
  std::string_view source = call.request.Get("x-ms-copy-source");
  if (const std::size_t scheme = source.find("://");
      scheme != std::string_view::npos) {
    source.remove_prefix(std::min(source.find('/', scheme + 3), source.size()));
  }
  const std::string path =
      PercentDecode(source.substr(0, source.find('?')), false);
  std::string_view rest = path;
  ObjectPtr object;
  if (ConsumePrefix(&rest,
                    StrCat("/", world_.credentials.azure_account, "/"))) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    Bucket* bucket = world_.store.Find(std::string(rest.substr(0, slash)));
    if (bucket != nullptr && slash < rest.size()) {
      object = bucket->Get(std::string(rest.substr(slash + 1)));
    }
  }
  if (object == nullptr) {
    return Refuse(call, 404, "CannotVerifyCopySource",
                  "The specified blob does not exist.");
  }
  if (auto r = CheckConditions(call)) return std::move(*r);
  auto copy = std::make_shared<Object>(*object);
  const auto fresh = NewObject(call);
  if (!fresh->metadata.empty()) copy->metadata = fresh->metadata;
  copy->storage_class = fresh->storage_class;
  copy->modified = call.now;
  Response r = Created(call, std::move(copy));
  r.status = 202;
  r.Add("x-ms-copy-id", call.request_id);
  r.Add("x-ms-copy-status", "success");
  return r;
}

Response AzureService::List(const Call& call) {
  const Request& q = call.request;
  ListRequest request{std::string(q.Value("prefix")),
                      std::string(q.Value("delimiter")), "", kPageSize};
  if (q.Find("maxresults") != nullptr) {
    const auto most = ParseUint(q.Value("maxresults"));
    if (!most || *most == 0) {
      return Refuse(call, 400, "OutOfRangeQueryParameterValue",
                    "One of the query parameters specified in the request URI "
                    "is outside the permissible range.");
    }
    request.limit = std::min(*most, kPageSize);
  }
  if (world_.options.page_size != 0) {
    request.limit = std::min(request.limit, world_.options.page_size);
  }
  if (!q.Value("marker").empty()) {
    const auto position = FromBase64(q.Value("marker"));
    if (!position || position->size() < 1) {
      return Refuse(call, 400, "OutOfRangeInput",
                    "One of the request inputs is out of range.");
    }
    if (position->starts_with('0')) request.position = position->substr(1);
  }
  const ListPage page = world_.store.Find(call.bucket)->List(request);
  std::string next = page.position.empty() ? "" : Base64("0" + page.position);
  if (call.trouble == ListTrouble::kRepeat) {
    next = Base64("0" + request.position);
  }
  if (call.trouble == ListTrouble::kEndless && next.empty()) {
    next = Base64("1" + call.request_id);
  }
  bool metadata = false;
  for (const std::string_view what : Split(q.Value("include"), ',')) {
    if (what == "metadata") metadata = true;
  }
  Response r;
  r.content_type = "application/xml";
  std::string& out = r.body;
  out.reserve(512 + page.items.size() * 700);
  out = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>";
  out += StrCat("<EnumerationResults ServiceEndpoint=\"http://127.0.0.1/",
                world_.credentials.azure_account, "\" ContainerName=\"",
                call.bucket, "\">");
  AppendElement(&out, "Prefix", request.prefix);
  if (!q.Value("marker").empty()) {
    AppendElement(&out, "Marker", q.Value("marker"));
  }
  AppendElement(&out, "MaxResults", std::to_string(request.limit));
  if (!request.delimiter.empty()) {
    AppendElement(&out, "Delimiter", request.delimiter);
  }
  out += "<Blobs>";
  for (const ListItem& item : page.items) {
    if (item.object != nullptr) {
      AppendBlob(&out, item, metadata);
      continue;
    }
    out += "<BlobPrefix>";
    AppendElement(&out, "Name", item.name);
    out += "</BlobPrefix>";
  }
  out += "</Blobs>";
  AppendElement(&out, "NextMarker", next);
  out += "</EnumerationResults>";
  return r;
}

Response AzureService::Other(const Call& call) {
  const std::string_view comp = call.request.Value("comp");
  const bool put = call.request.method == "PUT" && !call.key.empty();
  if (!put || (comp != "metadata" && comp != "tier")) {
    return Refuse(call, 501, "FeatureNotSupported", "It is not known here.");
  }
  const ObjectPtr old = world_.store.Find(call.bucket)->Get(call.key);
  if (old == nullptr) {
    return Refuse(call, 404, "BlobNotFound",
                  "The specified blob does not exist.");
  }
  auto changed = std::make_shared<Object>(*old);
  const auto fresh = NewObject(call);
  if (comp == "tier") changed->storage_class = fresh->storage_class;
  if (comp == "metadata") changed->metadata = fresh->metadata;
  Response r;
  world_.store.Find(call.bucket)->Put(call.key, changed);
  r.Add("ETag", EtagOf(*changed));
  r.Add("Last-Modified", HttpDate(changed->modified));
  return r;
}

}  // namespace fodc::object_server
