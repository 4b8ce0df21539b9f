// SPDX-License-Identifier: Apache-2.0
// S3: uploads in parts.
#include <algorithm>
#include <array>
#include <pugixml.hpp>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "tests/support/object_server/s3_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::string_view kNamespace =
    " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
constexpr std::uint64_t kMaxParts = 10'000;
constexpr std::uint64_t kPageSize = 1000;

const S3Checksum* ChecksumOf(std::string_view header) {
  for (const S3Checksum& c : kS3Checksums) {
    if (c.header == header) return &c;
  }
  return nullptr;
}

std::uint64_t PageSize(const Request& request, std::string_view name,
                       std::uint64_t cap) {
  std::uint64_t n = ParseUint(request.Value(name)).value_or(kPageSize);
  n = std::min(n, kPageSize);
  return cap == 0 ? n : std::min(n, cap);
}

}  // namespace

S3Service::Upload* S3Service::FindUpload(const Call& call) {
  const auto it = uploads_.find(std::string(call.request.Value("uploadId")));
  if (it == uploads_.end() || it->second.bucket != call.bucket ||
      it->second.key != call.key) {
    return nullptr;
  }
  return &it->second;
}

Response S3Service::NoSuchUpload(const Call& call) {
  return Refuse(call, 404, "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be "
                "invalid, or the upload may have been aborted or completed.");
}

Response S3Service::CreateUpload(const Call& call) {
  Upload upload{call.bucket, call.key, NewObject(call), "", {}, call.now};
  Response headers;
  if (const auto algorithm = call.request.Get("x-amz-checksum-algorithm");
      !algorithm.empty()) {
    for (const S3Checksum& c : kS3Checksums) {
      if (c.algorithm == algorithm) upload.checksum_header = c.header;
    }
    const bool crc = algorithm.starts_with("CRC32");
    const auto type = call.request.Get("x-amz-checksum-type");
    if (upload.checksum_header.empty() || (type == "FULL_OBJECT" && !crc)) {
      return Refuse(call, 400, "InvalidRequest",
                    "Checksum algorithm provided is unsupported.");
    }
    upload.object->checksum_type = type.empty() ? "COMPOSITE" : type;
    headers.Add("x-amz-checksum-algorithm", algorithm);
    headers.Add("x-amz-checksum-type", upload.object->checksum_type);
  }
  const std::string id = FreshId();
  std::string out = StrCat("<InitiateMultipartUploadResult", kNamespace, ">");
  AppendElement(&out, "Bucket", call.bucket);
  AppendElement(&out, "Key", call.key);
  AppendElement(&out, "UploadId", id);
  uploads_.emplace(id, std::move(upload));
  Response r = Xml(out + "</InitiateMultipartUploadResult>");
  r.headers = headers.headers;
  return r;
}

Response S3Service::PutPart(Call* call) {
  Upload* upload = FindUpload(*call);
  if (upload == nullptr) return NoSuchUpload(*call);
  const auto number = ParseUint(call->request.Value("partNumber"));
  if (!number || *number < 1 || *number > kMaxParts) {
    return Refuse(*call, 400, "InvalidArgument",
                  "Part number must be an integer between 1 and 10000, "
                  "inclusive");
  }
  if (call->request.Has("x-amz-copy-source")) {
    return CopyPart(*call, upload, *number);
  }
  Part part;
  part.md5 = HashedBytes(call->sums);
  part.etag = Hex(part.md5);
  part.modified = call->now;
  Response r;
  r.Add("ETag", Quoted(part.etag));
  for (const S3Checksum& c : kS3Checksums) {
    const std::string_view value = call->request.Get(c.header);
    if (value.empty()) continue;
    if (!upload->checksum_header.empty() &&
        upload->checksum_header != c.header) {
      return Refuse(*call, 400, "InvalidRequest",
                    StrCat("Checksum Type mismatch occurred, expected checksum "
                           "Type: ",
                           upload->checksum_header, ", actual: ", c.header));
    }
    part.checksum = value;
    r.Add(c.header, value);
  }
  part.content.Append(call->body->TakePiece());
  upload->parts[*number] = std::move(part);
  return r;
}

Response S3Service::CopyPart(const Call& call, Upload* upload,
                             std::uint64_t number) {
  ObjectPtr source;
  if (auto r = FindSource(call, &source)) return std::move(*r);
  const auto range =
      ParseRange(call.request.Get("x-amz-copy-source-range"), source->size());
  if (!range) {
    return Refuse(call, 400, "InvalidArgument",
                  "The x-amz-copy-source-range value is not valid");
  }
  // Copied for good: pieces know no ranges.
  Body body(&world_.vault, range->length, Digests(kMd5 | kSha256));
  std::string bytes;
  for (std::uint64_t done = 0; done < range->length; done += bytes.size()) {
    bytes.resize(std::min<std::uint64_t>(1u << 20, range->length - done));
    source->content.Read(range->first + done, bytes.data(), bytes.size());
    if (!body.Append(bytes).ok()) {
      return Refuse(call, 500, "InternalError", "the disk failed");
    }
  }
  Part part;
  part.md5 = HashedBytes(body.FinishSums());
  part.etag = Hex(part.md5);
  part.modified = call.now;
  part.content.Append(body.TakePiece());
  std::string out = StrCat("<CopyPartResult", kNamespace, ">");
  AppendElement(&out, "LastModified", FormatRfc3339(call.now, 3));
  AppendElement(&out, "ETag", Quoted(part.etag));
  upload->parts[number] = std::move(part);
  return Xml(out + "</CopyPartResult>");
}

// What stands for the checksum of the whole: of the bytes, or of the parts'
// checksums and their number.
std::string S3Service::WholeChecksum(const Upload& upload,
                                     const Content& content) {
  const S3Checksum& c = *ChecksumOf(upload.checksum_header);
  Digests digests(c.bit);
  if (upload.object->checksum_type == "FULL_OBJECT") {
    std::string bytes;
    for (std::uint64_t at = 0; at < content.size(); at += bytes.size()) {
      bytes.resize(std::min<std::uint64_t>(1u << 20, content.size() - at));
      content.Read(at, bytes.data(), bytes.size());
      digests.Update(bytes);
    }
    return Base64(SumOf(digests.Finish(), c.bit));
  }
  for (const auto& [number, part] : upload.parts) {
    digests.Update(FromBase64(part.checksum).value_or(""));
  }
  return StrCat(Base64(SumOf(digests.Finish(), c.bit)), "-",
                upload.parts.size());
}

Response S3Service::CompleteUpload(const Call& call) {
  Upload* upload = FindUpload(call);
  if (upload == nullptr) return NoSuchUpload(call);
  pugi::xml_document document;
  const std::string_view text = call.body->text();
  const bool parsed =
      static_cast<bool>(document.load_buffer(text.data(), text.size()));
  const pugi::xml_node root = document.child("CompleteMultipartUpload");
  if (!parsed || !root.child("Part")) {
    return Refuse(call, 400, "MalformedXML",
                  "The XML you provided was not well-formed or did not "
                  "validate against our published schema");
  }
  const S3Checksum* checksum = ChecksumOf(upload->checksum_header);
  const bool composite =
      checksum != nullptr && upload->object->checksum_type == "COMPOSITE";
  std::vector<std::uint64_t> numbers;
  for (const auto& node : root.children("Part")) {
    const auto number = ParseUint(node.child_value("PartNumber"));
    const auto it = upload->parts.find(number.value_or(0));
    if (number && !numbers.empty() && *number <= numbers.back()) {
      return Refuse(call, 400, "InvalidPartOrder",
                    "The list of parts was not in ascending order.");
    }
    const bool sum_fits =
        checksum == nullptr ||
        (node.child(checksum->element.data())
             ? node.child_value(checksum->element.data()) == it->second.checksum
             : !composite);
    if (it != upload->parts.end() && composite &&
        !node.child(checksum->element.data())) {
      return Refuse(call, 400, "InvalidRequest",
                    "The complete request must include the checksum for each "
                    "part.");
    }
    if (it == upload->parts.end() || !sum_fits ||
        Unquoted(node.child_value("ETag")) != it->second.etag) {
      return Refuse(call, 400, "InvalidPart",
                    "One or more of the specified parts could not be found.");
    }
    numbers.push_back(*number);
  }
  for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
    const std::uint64_t size = upload->parts[numbers[i]].content.size();
    if (size >= world_.options.min_part_bytes) continue;
    S3Refusal refusal{400, "EntityTooSmall",
                      "Your proposed upload is smaller than the minimum "
                      "allowed size",
                      ""};
    AppendElement(&refusal.extra, "ProposedSize", std::to_string(size));
    AppendElement(&refusal.extra, "MinSizeAllowed",
                  std::to_string(world_.options.min_part_bytes));
    AppendElement(&refusal.extra, "PartNumber", std::to_string(numbers[i]));
    return RefuseWith(call, refusal);
  }
  if (auto r = CheckConditions(call)) return std::move(*r);
  std::erase_if(upload->parts, [&](const auto& p) {
    return !std::binary_search(numbers.begin(), numbers.end(), p.first);
  });
  auto object = upload->object;
  std::string sums;
  for (const auto& [number, part] : upload->parts) {
    object->content.Append(part.content);
    sums += part.md5;
  }
  object->etag = StrCat(Hex(Md5(sums)), "-", numbers.size());
  object->modified = call.now;
  std::string out = StrCat("<CompleteMultipartUploadResult", kNamespace, ">");
  AppendElement(&out, "Location", StrCat("/", call.bucket, "/", call.key));
  AppendElement(&out, "Bucket", call.bucket);
  AppendElement(&out, "Key", call.key);
  AppendElement(&out, "ETag", Quoted(object->etag));
  if (checksum != nullptr) {
    const std::string whole = WholeChecksum(*upload, object->content);
    const auto claimed = call.request.Get(checksum->header);
    if (!claimed.empty() && claimed != whole) {
      object->content = Content();
      return Refuse(call, 400, "BadDigest",
                    "The checksum you specified did not match the calculated "
                    "checksum.");
    }
    AppendElement(&out, checksum->element, whole);
    AppendElement(&out, "ChecksumType", object->checksum_type);
    object->checksums.emplace_back(checksum->header, whole);
  }
  world_.store.Find(call.bucket)->Put(call.key, std::move(object));
  uploads_.erase(std::string(call.request.Value("uploadId")));
  return Xml(out + "</CompleteMultipartUploadResult>");
}

Response S3Service::AbortUpload(const Call& call) {
  if (FindUpload(call) == nullptr) return NoSuchUpload(call);
  uploads_.erase(std::string(call.request.Value("uploadId")));
  Response r;
  r.status = 204;
  return r;
}

Response S3Service::ListParts(const Call& call) {
  const Upload* upload = FindUpload(call);
  if (upload == nullptr) return NoSuchUpload(call);
  const std::uint64_t after =
      ParseUint(call.request.Value("part-number-marker")).value_or(0);
  const std::uint64_t limit =
      PageSize(call.request, "max-parts", world_.options.page_size);
  const S3Checksum* checksum = ChecksumOf(upload->checksum_header);
  std::string items;
  std::uint64_t last = 0;
  std::uint64_t count = 0;
  auto it = upload->parts.upper_bound(after);
  for (; it != upload->parts.end() && count < limit; ++it, ++count) {
    last = it->first;
    items.append("<Part>");
    AppendElement(&items, "PartNumber", std::to_string(it->first));
    AppendElement(&items, "LastModified",
                  FormatRfc3339(it->second.modified, 3));
    AppendElement(&items, "ETag", Quoted(it->second.etag));
    AppendElement(&items, "Size", std::to_string(it->second.content.size()));
    if (checksum != nullptr && !it->second.checksum.empty()) {
      AppendElement(&items, checksum->element, it->second.checksum);
    }
    items.append("</Part>");
  }
  const bool more = it != upload->parts.end();
  std::string out = StrCat("<ListPartsResult", kNamespace, ">");
  AppendElement(&out, "Bucket", call.bucket);
  AppendElement(&out, "Key", call.key);
  AppendElement(&out, "UploadId", call.request.Value("uploadId"));
  AppendElement(&out, "PartNumberMarker", std::to_string(after));
  if (more) AppendElement(&out, "NextPartNumberMarker", std::to_string(last));
  AppendElement(&out, "MaxParts", std::to_string(limit));
  AppendElement(&out, "IsTruncated", more ? "true" : "false");
  return Xml(StrCat(out, items, "</ListPartsResult>"));
}

Response S3Service::ListUploads(const Call& call) {
  const Request& q = call.request;
  using Place = std::pair<std::string, std::string>;  // key, id
  std::vector<Place> places;
  for (const auto& [id, upload] : uploads_) {
    if (upload.bucket == call.bucket &&
        upload.key.starts_with(q.Value("prefix"))) {
      places.emplace_back(upload.key, id);
    }
  }
  std::sort(places.begin(), places.end());
  const Place marker(q.Value("key-marker"), q.Value("upload-id-marker"));
  const bool by_key = marker.second.empty();
  std::erase_if(places, [&](const Place& p) {
    return by_key ? !marker.first.empty() && p.first <= marker.first
                  : p <= marker;
  });
  const std::uint64_t limit =
      PageSize(q, "max-uploads", world_.options.page_size);
  const bool more = places.size() > limit;
  if (more) places.resize(limit);
  const bool url = q.Value("encoding-type") == "url";
  const auto text = [url](const std::string& t) {
    return url ? FormEncode(t) : t;
  };
  std::string out = StrCat("<ListMultipartUploadsResult", kNamespace, ">");
  AppendElement(&out, "Bucket", call.bucket);
  AppendElement(&out, "Prefix", text(std::string(q.Value("prefix"))));
  AppendElement(&out, "MaxUploads", std::to_string(limit));
  AppendElement(&out, "IsTruncated", more ? "true" : "false");
  if (more && !places.empty()) {
    AppendElement(&out, "NextKeyMarker", text(places.back().first));
    AppendElement(&out, "NextUploadIdMarker", places.back().second);
  }
  for (const auto& [key, id] : places) {
    out.append("<Upload>");
    AppendElement(&out, "Key", text(key));
    AppendElement(&out, "UploadId", id);
    AppendElement(&out, "StorageClass", uploads_[id].object->storage_class);
    AppendElement(&out, "Initiated", FormatRfc3339(uploads_[id].begun, 3));
    out.append("</Upload>");
  }
  return Xml(out + "</ListMultipartUploadsResult>");
}

}  // namespace fodc::object_server
