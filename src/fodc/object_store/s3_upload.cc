// SPDX-License-Identifier: Apache-2.0
// Of the S3 store: what is put, in one request or in parts.
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/s3_store.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

constexpr char kMetaHeader[] = "x-amz-meta-checksum-sha256";
constexpr std::size_t kMaxSessionBytes = 4u << 20;

std::string ChecksumOf(const Sha256& digest) {
  return Base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// Of a file that anybody may have changed: what is not there, or is something
// else, is empty.
std::string TextAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}
std::uint64_t NumberAt(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_number_unsigned()
             ? it->get<std::uint64_t>()
             : 0;
}

// A piece of another blob, which must outlive it.
class Piece final : public Blob {
 public:
  Piece(const Blob& whole, std::uint64_t offset, std::uint64_t bytes)
      : whole_(whole), offset_(offset), bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }
  Result<std::size_t> ReadAt(std::uint64_t offset, char* buffer,
                             std::size_t bytes) const override {
    if (offset >= bytes_) return std::size_t{0};
    return whole_.ReadAt(offset_ + offset, buffer,
                         std::min<std::uint64_t>(bytes, bytes_ - offset));
  }

 private:
  const Blob& whole_;
  const std::uint64_t offset_;
  const std::uint64_t bytes_;
};

}  // namespace

struct S3Store::Upload {
  std::string_view key;
  std::string full_key;
  const Blob& blob;
  const Digests& digests;
  const PutOptions& options;
  std::uint64_t part_bytes = 0;
  std::string id = {};
  std::vector<S3Part> parts = {};  // that are there

  // What another run needs to go on.
  void Save() const;
  // False if there is nothing, or it is of other bytes.
  bool Load();
  void Forget() const {
    if (!options.session.empty()) (void)::unlink(options.session.c_str());
  }
};

void S3Store::Upload::Save() const {
  if (options.session.empty()) return;
  json kept = {{"key", full_key},
               {"bytes", blob.bytes()},
               {"sha256", Sha256Text(digests.sha256)},
               {"part_bytes", part_bytes},
               {"upload_id", id},
               {"parts", json::array()}};
  for (const S3Part& part : parts) {
    kept["parts"].push_back(
        {{"etag", part.etag}, {"sha256", Sha256Text(part.sha256)}});
  }
  const Status s = WriteFileAtomically(
      options.session,
      kept.dump(-1, ' ', false, json::error_handler_t::replace));
  // Without it the next run begins anew.
  if (!s.ok()) LogDebug("an upload cannot be resumed", {{"error", s}});
}

bool S3Store::Upload::Load() {
  if (options.session.empty()) return false;
  const auto text = ReadFile(options.session, kMaxSessionBytes);
  if (!text.ok()) return false;
  const json kept = json::parse(*text, nullptr, false);
  if (!kept.is_object() || TextAt(kept, "key") != full_key ||
      NumberAt(kept, "bytes") != blob.bytes() ||
      TextAt(kept, "sha256") != Sha256Text(digests.sha256) ||
      NumberAt(kept, "part_bytes") != part_bytes || !kept.contains("parts") ||
      !kept["parts"].is_array()) {
    return false;
  }
  std::vector<S3Part> known;
  for (const json& part : kept["parts"]) {
    if (!part.is_object()) return false;
    const auto digest = ParseSha256(TextAt(part, "sha256"));
    if (!digest ||
        (known.size() + 1) * part_bytes > blob.bytes() + part_bytes - 1) {
      return false;
    }
    known.push_back({.number = static_cast<int>(known.size()) + 1,
                     .etag = TextAt(part, "etag"),
                     .sha256 = *digest});
  }
  id = TextAt(kept, "upload_id");
  parts = std::move(known);
  return !id.empty();
}

Status S3Store::Put(std::string_view key, const Blob& blob,
                    const Digests& digests, const PutOptions& options) {
  return blob.bytes() > options_.single_put_bytes
             ? PutInParts(key, blob, digests, options)
             : PutWhole(key, blob, digests, options);
}

Status S3Store::PutWhole(std::string_view key, const Blob& blob,
                         const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::string full, FullKey(key));
  HttpRequest http = RequestTo("PUT", full);
  const std::string hex = Sha256Text(digests.sha256);
  http.headers = {{kPayloadHeader, hex},
                  {"x-amz-sdk-checksum-algorithm", "SHA256"},
                  {"x-amz-checksum-sha256", ChecksumOf(digests.sha256)},
                  {kMetaHeader, hex}};
  if (!options_.storage_class.empty())
    http.headers.emplace_back("x-amz-storage-class", options_.storage_class);
  if (options.only_if_absent) http.headers.emplace_back("If-None-Match", "*");
  http.body = &blob;
  http.body_bytes = blob.bytes();
  return Do({.operation = "put",
             .key = key,
             .request = std::move(http),
             .transfer = {.stop = options.stop}})
      .status();
}

Status S3Store::BeginUpload(Upload* upload) {
  HttpRequest http = RequestTo("POST", upload->full_key);
  http.query = {{"uploads", ""}};
  http.headers = {{"x-amz-checksum-algorithm", "SHA256"},
                  {kMetaHeader, Sha256Text(upload->digests.sha256)}};
  if (!options_.storage_class.empty())
    http.headers.emplace_back("x-amz-storage-class", options_.storage_class);
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        Do({.operation = "begin upload",
                            .key = upload->key,
                            .request = std::move(http),
                            .transfer = {.stop = upload->options.stop}}));
  FODC_ASSIGN_OR_RETURN(upload->id, ReadUploadId(answer.body));
  upload->parts.clear();
  upload->Save();
  return OkStatus();
}

Status S3Store::PutParts(Upload* upload) {
  const std::uint64_t bytes = upload->blob.bytes();
  for (;;) {
    const std::uint64_t offset = upload->parts.size() * upload->part_bytes;
    if (offset >= bytes) return OkStatus();
    const Piece piece(upload->blob, offset,
                      std::min(upload->part_bytes, bytes - offset));
    S3Part part{.number = static_cast<int>(upload->parts.size()) + 1};
    FODC_ASSIGN_OR_RETURN(const Digests digests, DigestsOf(piece, {}));
    part.sha256 = digests.sha256;
    HttpRequest http = RequestTo("PUT", upload->full_key);
    http.query = {{"partNumber", StrCat(part.number)},
                  {"uploadId", upload->id}};
    http.headers = {{kPayloadHeader, Sha256Text(part.sha256)},
                    {"x-amz-sdk-checksum-algorithm", "SHA256"},
                    {"x-amz-checksum-sha256", ChecksumOf(part.sha256)}};
    http.body = &piece;
    http.body_bytes = piece.bytes();
    FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                          Do({.operation = "put part",
                              .key = upload->key,
                              .request = std::move(http),
                              .transfer = {.stop = upload->options.stop}}));
    part.etag = answer.Header("ETag");
    upload->parts.push_back(std::move(part));
    upload->Save();
  }
}

Status S3Store::CompleteUpload(Upload* upload) {
  const std::string body = WriteS3Complete(upload->parts);
  const MemoryBlob blob(body);
  HttpRequest http = RequestTo("POST", upload->full_key);
  http.query = {{"uploadId", upload->id}};
  FODC_ASSIGN_OR_RETURN(const Digests digests, DigestsOf(blob, {}));
  http.headers = {{kPayloadHeader, Sha256Text(digests.sha256)}};
  if (upload->options.only_if_absent)
    http.headers.emplace_back("If-None-Match", "*");
  http.body = &blob;
  http.body_bytes = blob.bytes();
  const auto answer = Do({.operation = "complete upload",
                          .key = upload->key,
                          .request = std::move(http),
                          .transfer = {.stop = upload->options.stop}});
  if (answer.ok() && answer->body.find("ETag") == std::string::npos) {
    return Unavailable(StrCat("S3: complete upload ", upload->key,
                              ": the answer tells of no object"));
  }
  if (answer.ok() || answer.status().code() != Code::kNotFound)
    return answer.status();
  // An attempt before may have done it, and its answer was lost.
  const auto there = Head(upload->key, upload->options.stop);
  return there.ok() && there->sha256 == upload->digests.sha256
             ? OkStatus()
             : answer.status();
}

void S3Store::AbortUpload(const Upload& upload) {
  HttpRequest http = RequestTo("DELETE", upload.full_key);
  http.query = {{"uploadId", upload.id}};
  const auto answer = Do({.operation = "abort upload",
                          .key = upload.key,
                          .request = std::move(http)});
  if (!answer.ok())
    LogWarn("parts of an upload stay", {{"error", answer.status()}});
  upload.Forget();
}

Status S3Store::PutInParts(std::string_view key, const Blob& blob,
                           const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(std::string full, FullKey(key));
  Upload upload{.key = key,
                .full_key = std::move(full),
                .blob = blob,
                .digests = digests,
                .options = options,
                .part_bytes = PartBytes(options_.part_bytes, blob.bytes())};
  bool is_resumed = upload.Load();
  for (;;) {
    Status s = is_resumed ? OkStatus() : BeginUpload(&upload);
    if (!s.ok()) return s;
    s = PutParts(&upload);
    if (s.ok()) s = CompleteUpload(&upload);
    if (s.ok()) {
      upload.Forget();
      return s;
    }
    // The store has given up what another run began.
    if (std::exchange(is_resumed, false) && s.code() == Code::kNotFound)
      continue;
    const bool may_go_on =
        !options.session.empty() &&
        (s.code() == Code::kCancelled || s.code() == Code::kUnavailable ||
         s.code() == Code::kDeadlineExceeded);
    if (!may_go_on) AbortUpload(upload);
    return s;
  }
}

}  // namespace fodc::object_store
