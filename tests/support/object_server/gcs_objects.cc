// SPDX-License-Identifier: Apache-2.0
// Google: whole objects, by both interfaces, and the listing.
#include <algorithm>
#include <array>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/gcs_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

using nlohmann::json;

constexpr std::uint64_t kPageSize = 1000;
constexpr std::string_view kXmlMetadata = "x-goog-meta-";

std::string TextOf(const json& value, const char* name) {
  const auto it = value.find(name);
  return it != value.end() && it->is_string() ? it->get<std::string>() : "";
}

std::string HashHeader(const Object& o) {
  std::string out = StrCat("crc32c=", Base64(o.sums.crc32c));
  if (!o.sums.md5.empty()) out += StrCat(",md5=", Base64(o.sums.md5));
  return out;
}

}  // namespace

json GcsService::Resource(const std::string& bucket, const std::string& name,
                          const Object& o) const {
  json r = {
      {"kind", "storage#object"},
      {"id", StrCat(bucket, "/", name, "/", o.generation)},
      {"name", name},
      {"bucket", bucket},
      {"generation", std::to_string(o.generation)},
      {"metageneration", "1"},
      {"size", std::to_string(o.size())},
      {"storageClass", o.storage_class.empty() ? "STANDARD" : o.storage_class},
      {"crc32c", Base64(o.sums.crc32c)},
      {"etag", o.etag},
      {"timeCreated", FormatRfc3339(o.modified, 3)},
      {"updated", FormatRfc3339(o.modified, 3)}};
  if (!o.sums.md5.empty()) r["md5Hash"] = Base64(o.sums.md5);
  for (const auto& [header, value] : o.headers) {
    if (header == "Content-Type") r["contentType"] = value;
  }
  for (const auto& [key, value] : o.metadata) r["metadata"][key] = value;
  return r;
}

std::string_view GcsService::GenerationMatch(const Call& call) const {
  return IsXml(call) ? call.request.Get("x-goog-if-generation-match")
                     : call.request.Value("ifGenerationMatch");
}

std::optional<Response> GcsService::CheckGeneration(const Call& call,
                                                    const std::string& bucket,
                                                    const std::string& key,
                                                    std::string_view wanted) {
  if (wanted.empty()) return std::nullopt;
  const ObjectPtr there = world_.store.Find(bucket)->Get(key);
  if (ParseUint(wanted) == (there == nullptr ? 0 : there->generation)) {
    return std::nullopt;
  }
  return Fail(call, 412, "conditionNotMet", "PreconditionFailed",
              "At least one of the pre-conditions you specified did not hold.");
}

std::optional<Response> GcsService::StoreObject(const Call& call, Wanted wanted,
                                                Content content, Sums sums,
                                                json* resource) {
  if (wanted.name.empty() || wanted.name.size() > 1024) {
    return Fail(call, 400, "required", "InvalidArgument",
                "Required: an object name of 1 to 1024 bytes");
  }
  std::size_t metadata = 0;
  for (const auto& [k, v] : wanted.object->metadata) {
    metadata += k.size() + v.size();
  }
  if (metadata > 8192) {
    return Fail(call, 400, "invalid", "MetadataTooLarge",
                "The custom metadata is too large.");
  }
  if (!wanted.crc32c.empty() && wanted.crc32c != Base64(sums.crc32c)) {
    return Fail(call, 400, "invalid", "BadDigest",
                StrCat("Provided CRC32C \"", wanted.crc32c,
                       "\" doesn't match calculated CRC32C \"",
                       Base64(sums.crc32c), "\"."));
  }
  if (!wanted.md5.empty() && wanted.md5 != Base64(sums.md5)) {
    return Fail(call, 400, "invalid", "BadDigest",
                StrCat("Provided MD5 hash \"", wanted.md5,
                       "\" doesn't match calculated MD5 hash."));
  }
  Object& o = *wanted.object;
  o.content = std::move(content);
  o.sums = std::move(sums);
  o.modified = call.now;
  world_.store.Find(call.bucket)->Put(wanted.name, wanted.object);
  o.etag = StrCat("CK", Hex(std::to_string(o.generation)));
  *resource = Resource(call.bucket, wanted.name, o);
  return std::nullopt;
}

Response GcsService::PutXml(Call* call) {
  const Request& q = call->request;
  if (auto r = CheckGeneration(*call, call->bucket, call->key,
                               GenerationMatch(*call))) {
    return std::move(*r);
  }
  Wanted wanted;
  wanted.name = call->key;
  wanted.md5 = q.Get("content-md5");
  for (const Header& h : q.headers) {
    const std::string name = ToLower(h.name);
    if (name.starts_with(kXmlMetadata)) {
      wanted.object->metadata.emplace_back(name.substr(kXmlMetadata.size()),
                                           h.value);
    } else if (name == "x-goog-hash") {
      if (const auto crc = FieldOf(h.value, "crc32c", ',')) {
        wanted.crc32c = *crc;
      }
      if (const auto md5 = FieldOf(h.value, "md5", ',')) wanted.md5 = *md5;
    } else if (name == "content-type") {
      wanted.object->headers.emplace_back("Content-Type", h.value);
    } else if (name == "x-goog-storage-class") {
      wanted.object->storage_class = h.value;
    }
  }
  Content content;
  content.Append(call->body->TakePiece());
  const auto object = wanted.object;
  json resource;
  if (auto r = StoreObject(*call, std::move(wanted), std::move(content),
                           call->body->FinishSums(), &resource)) {
    return std::move(*r);
  }
  Response r;
  r.Add("ETag", StrCat("\"", object->etag, "\""));
  r.Add("x-goog-generation", std::to_string(object->generation));
  r.Add("x-goog-hash", HashHeader(*object));
  return r;
}

Response GcsService::PutMedia(Call* call) {
  if (auto r = CheckGeneration(*call, call->bucket, call->key,
                               GenerationMatch(*call))) {
    return std::move(*r);
  }
  Wanted wanted;
  wanted.name = call->key;
  wanted.object->headers.emplace_back("Content-Type",
                                      call->request.Get("content-type"));
  Content content;
  content.Append(call->body->TakePiece());
  json resource;
  if (auto r = StoreObject(*call, std::move(wanted), std::move(content),
                           call->body->FinishSums(), &resource)) {
    return std::move(*r);
  }
  return Json(*call, resource);
}

std::optional<Response> GcsService::ReadWanted(const Call& call,
                                               std::string_view text,
                                               Wanted* wanted) {
  const json given =
      text.empty() ? json::object() : json::parse(text, nullptr, false);
  if (!given.is_object()) {
    return Fail(call, 400, "parseError", "InvalidArgument", "Parse Error");
  }
  wanted->name = TextOf(given, "name");
  if (wanted->name.empty()) wanted->name = call.request.Value("name");
  wanted->crc32c = TextOf(given, "crc32c");
  wanted->md5 = TextOf(given, "md5Hash");
  wanted->object->storage_class = TextOf(given, "storageClass");
  if (const std::string type = TextOf(given, "contentType"); !type.empty()) {
    wanted->object->headers.emplace_back("Content-Type", type);
  }
  const auto metadata = given.find("metadata");
  if (metadata == given.end()) return std::nullopt;
  for (const auto& [name, value] : metadata->items()) {
    if (!value.is_string()) {
      return Fail(call, 400, "invalid", "InvalidArgument",
                  "Metadata is text only.");
    }
    wanted->object->metadata.emplace_back(name, value.get<std::string>());
  }
  return std::nullopt;
}

// multipart/related: the resource as JSON, then the bytes.
Response GcsService::PutMultipart(Call* call) {
  const auto refuse = [&] {
    return Fail(*call, 400, "badContent", "InvalidArgument",
                "Malformed multipart body.");
  };
  auto boundary = FieldOf(call->request.Get("content-type"), "boundary", ';');
  if (!boundary) return refuse();
  std::string_view b = *boundary;
  if (b.size() > 1 && b.front() == '"') b = b.substr(1, b.size() - 2);
  const std::string mark = StrCat("--", b, "\r\n");
  const std::string between = StrCat("\r\n--", b, "\r\n");
  const std::string end = StrCat("\r\n--", b, "--");
  std::string_view text = call->body->text();
  const std::size_t first = text.find(mark);
  if (first == std::string_view::npos) return refuse();
  text.remove_prefix(first + mark.size());
  const std::size_t middle = text.find(between);
  const std::size_t stop = text.rfind(end);
  if (middle == std::string_view::npos || stop == std::string_view::npos) {
    return refuse();
  }
  const std::string_view one = text.substr(0, middle);
  const std::size_t second = middle + between.size();
  if (stop < second) return refuse();
  const std::string_view two = text.substr(second, stop - second);
  const std::size_t head1 = one.find("\r\n\r\n");
  // A part without headers begins with the empty line.
  const bool bare = two.starts_with("\r\n");
  const std::size_t head2 = bare ? 0 : two.find("\r\n\r\n");
  if (head1 == std::string_view::npos || head2 == std::string_view::npos) {
    return refuse();
  }
  Wanted wanted;
  if (auto r = ReadWanted(*call, one.substr(head1 + 4), &wanted)) {
    return std::move(*r);
  }
  call->key = wanted.name;
  if (auto r = CheckGeneration(*call, call->bucket, wanted.name,
                               GenerationMatch(*call))) {
    return std::move(*r);
  }
  const std::string_view bytes = two.substr(head2 + (bare ? 2 : 4));
  Body body(&world_.vault, bytes.size(), Digests(kCrc32c | kMd5));
  if (!body.Append(bytes).ok()) {
    return Fail(*call, 500, "backendError", "InternalError", "the disk failed");
  }
  Sums sums = body.FinishSums();
  Content content;
  content.Append(body.TakePiece());
  json resource;
  if (auto r = StoreObject(*call, std::move(wanted), std::move(content),
                           std::move(sums), &resource)) {
    return std::move(*r);
  }
  return Json(*call, resource);
}

Response GcsService::Get(const Call& call) {
  const ObjectPtr o = world_.store.Find(call.bucket)->Get(call.key);
  if (o == nullptr) return NotFound(call);
  if (auto r =
          CheckGeneration(call, call.bucket, call.key, GenerationMatch(call))) {
    return std::move(*r);
  }
  const auto range = ParseRange(call.request.Get("range"), o->size());
  if (!range) {
    return Fail(call, 416, "requestedRangeNotSatisfiable", "InvalidRange",
                "The requested range cannot be satisfied.");
  }
  Response r;
  AnswerRange(*range, o->content, &r);
  if (call.operation == Operation::kHead) r.head_length = range->length;
  r.Add("ETag", StrCat("\"", o->etag, "\""));
  r.Add("Last-Modified", HttpDate(o->modified));
  r.Add("Accept-Ranges", "bytes");
  r.Add("x-goog-generation", std::to_string(o->generation));
  r.Add("x-goog-metageneration", "1");
  r.Add("x-goog-stored-content-length", std::to_string(o->size()));
  r.Add("x-goog-hash", HashHeader(*o));
  r.Add("x-goog-storage-class",
        o->storage_class.empty() ? "STANDARD" : o->storage_class);
  for (const auto& [name, value] : o->headers) r.Add(name, value);
  if (IsXml(call)) {
    for (const auto& [name, value] : o->metadata) {
      r.Add(StrCat(kXmlMetadata, name), value);
    }
  }
  return r;
}

Response GcsService::Describe(const Call& call) {
  if (call.key.empty()) {
    return Json(call, {{"kind", "storage#bucket"}, {"name", call.bucket}});
  }
  const ObjectPtr o = world_.store.Find(call.bucket)->Get(call.key);
  if (o == nullptr) return NotFound(call);
  return Json(call, Resource(call.bucket, call.key, *o));
}

Response GcsService::Delete(const Call& call) {
  if (world_.store.Find(call.bucket)->Get(call.key) == nullptr) {
    return NotFound(call);
  }
  if (auto r =
          CheckGeneration(call, call.bucket, call.key, GenerationMatch(call))) {
    return std::move(*r);
  }
  world_.store.Find(call.bucket)->Erase(call.key);
  Response r;
  r.status = 204;
  return r;
}

Response GcsService::Copy(const Call& call) {
  if (IsXml(call)) {
    return Fail(call, 501, "notImplemented", "NotImplemented",
                "Copies go by the JSON interface here.");
  }
  // /storage/v1/b/B/o/O/rewriteTo/b/B2/o/O2
  const auto parts = Split(call.request.path, '/');
  const std::string to = PercentDecode(parts[parts.size() - 3], false);
  const std::string name = PercentDecode(parts.back(), false);
  const ObjectPtr source = world_.store.Find(call.bucket)->Get(call.key);
  Bucket* bucket = world_.store.Find(to);
  if (source == nullptr || bucket == nullptr) return NotFound(call);
  if (auto r = CheckGeneration(call, to, name, GenerationMatch(call))) {
    return std::move(*r);
  }
  auto copy = std::make_shared<Object>(*source);
  copy->modified = call.now;
  bucket->Put(name, copy);
  const json resource = Resource(to, name, *copy);
  if (call.request.path.find("/copyTo/") != std::string_view::npos) {
    return Json(call, resource);
  }
  return Json(call, {{"kind", "storage#rewriteResponse"},
                     {"totalBytesRewritten", std::to_string(copy->size())},
                     {"objectSize", std::to_string(copy->size())},
                     {"done", true},
                     {"resource", resource}});
}

Response GcsService::List(const Call& call) {
  const Request& q = call.request;
  ListRequest request{std::string(q.Value("prefix")),
                      std::string(q.Value("delimiter")), "", kPageSize};
  if (q.Find("maxResults") != nullptr) {
    const auto most = ParseUint(q.Value("maxResults"));
    if (!most || *most == 0) {
      return Fail(call, 400, "invalid", "InvalidArgument",
                  "Invalid value for maxResults");
    }
    request.limit = std::min(*most, kPageSize);
  }
  if (world_.options.page_size != 0) {
    request.limit = std::min(request.limit, world_.options.page_size);
  }
  if (q.Find("pageToken") != nullptr) {
    const auto position = FromBase64(q.Value("pageToken"));
    if (!position || position->empty()) {
      return Fail(call, 400, "invalid", "InvalidArgument",
                  "Invalid page token");
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
  json out = {{"kind", "storage#objects"}};
  for (const ListItem& item : page.items) {
    if (item.object == nullptr) {
      out["prefixes"].push_back(item.name);
    } else {
      out["items"].push_back(Resource(call.bucket, item.name, *item.object));
    }
  }
  if (!next.empty()) out["nextPageToken"] = next;
  return Json(call, out);
}

Response GcsService::Patch(const Call& call) {
  const ObjectPtr old = world_.store.Find(call.bucket)->Get(call.key);
  if (old == nullptr) return NotFound(call);
  Wanted wanted;
  if (auto r = ReadWanted(call, call.body->text(), &wanted)) {
    return std::move(*r);
  }
  auto changed = std::make_shared<Object>(*old);
  changed->metadata = wanted.object->metadata;
  world_.store.Find(call.bucket)->Put(call.key, changed);
  return Json(call, Resource(call.bucket, call.key, *changed));
}

Response GcsService::CreateBucket(const Call& call) {
  const json given = json::parse(call.body->text(), nullptr, false);
  const std::string name = given.is_object() ? TextOf(given, "name") : "";
  if (name.empty()) {
    return Fail(call, 400, "required", "InvalidArgument", "Required: name");
  }
  if (!world_.store.Create(name)) {
    return Fail(call, 409, "conflict", "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded "
                "and you already own it.");
  }
  return Json(call, {{"kind", "storage#bucket"}, {"name", name}});
}

}  // namespace fodc::object_server
