// SPDX-License-Identifier: Apache-2.0
// Of the S3 store: what is put, in one request or in parts.
#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/part_digests.h"
#include "fodc/object_store/s3_store.h"

namespace fodc::object_store {

struct S3Store::Upload {
  std::string_view key;
  const Blob& blob;
  const Digests& digests;
  const PutOptions& options;
  UploadSession session;
};

Status S3Store::Put(std::string_view key, const Blob& blob,
                    const Digests& digests, const PutOptions& options) {
  return blob.bytes() > options_.single_put_bytes
             ? PutInParts(key, blob, digests, options)
             : PutWhole(key, blob, digests, options);
}

Status S3Store::PutWhole(std::string_view key, const Blob& blob,
                         const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  HttpRequest http = RequestTo("PUT", full);
  AddDigests(digests, true, &http.headers);
  if (!options_.storage_class.empty())
    http.headers.emplace_back(Header("storage-class"), options_.storage_class);
  if (options.only_if_absent) http.headers.push_back(OnlyIfAbsent());
  http.body = &blob;
  http.body_bytes = blob.bytes();
  const Status s = Do({.operation = "put",
                       .key = key,
                       .request = std::move(http),
                       .transfer = {.stop = options.stop}})
                       .status();
  if (!options.only_if_absent || s.code() != Code::kAlreadyExists) return s;
  // An attempt before may have done it, and its answer was lost.
  const auto there = Head(key, options.stop);
  return there.ok() && there->sha256 == digests.sha256 ? OkStatus() : s;
}

Status S3Store::BeginUpload(Upload* upload) {
  HttpRequest http = RequestTo("POST", upload->session.full_key);
  http.query = {{"uploads", ""}};
  const std::string hex = Sha256Text(upload->digests.sha256);
  if (options_.dialect == SigV4Dialect::kGoogle) {
    http.headers = {{"x-goog-meta-checksum_sha256", hex}};
  } else {
    http.headers = {{"x-amz-meta-checksum-sha256", hex}};
  }
  if (!upload->session.algorithm.empty()) {
    http.headers.emplace_back("x-amz-checksum-algorithm",
                              upload->session.algorithm);
  }
  if (!options_.storage_class.empty())
    http.headers.emplace_back(Header("storage-class"), options_.storage_class);
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        Do({.operation = "begin upload",
                            .key = upload->key,
                            .request = std::move(http),
                            .transfer = {.stop = upload->options.stop}}));
  FODC_ASSIGN_OR_RETURN(upload->session.id, ReadUploadId(answer.body));
  upload->session.parts.clear();
  upload->session.Save(upload->options.session);
  return OkStatus();
}

Status S3Store::PutParts(Upload* upload) {
  PartDigests parts(upload->blob, upload->session.part_bytes, kinds_);
  for (;;) {
    const std::uint64_t offset =
        upload->session.parts.size() * upload->session.part_bytes;
    if (offset >= upload->blob.bytes()) return OkStatus();
    const BlobPiece piece = parts.At(offset);
    UploadPart part;
    FODC_ASSIGN_OR_RETURN(const Digests digests, parts.Of(offset));
    part.sha256 = digests.sha256;
    part.checksum =
        S3ChecksumText(upload->session.algorithm.empty() ? S3Checksum::kNone
                                                         : options_.checksum,
                       digests);
    HttpRequest http = RequestTo("PUT", upload->session.full_key);
    http.query = {{"partNumber", StrCat(upload->session.parts.size() + 1)},
                  {"uploadId", upload->session.id}};
    AddDigests(digests, false, &http.headers);
    http.body = &piece;
    http.body_bytes = piece.bytes();
    FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                          Do({.operation = "put part",
                              .key = upload->key,
                              .request = std::move(http),
                              .transfer = {.stop = upload->options.stop}}));
    part.etag = answer.Header("ETag");
    upload->session.parts.push_back(std::move(part));
    upload->session.Save(upload->options.session);
  }
}

Status S3Store::CompleteUpload(Upload* upload) {
  const std::string body =
      WriteS3Complete(upload->session.parts, upload->session.algorithm);
  const MemoryBlob blob(body);
  HttpRequest http = RequestTo("POST", upload->session.full_key);
  http.query = {{"uploadId", upload->session.id}};
  FODC_ASSIGN_OR_RETURN(const Digests digests, DigestsOf(blob, {}));
  http.headers = {{Header("content-sha256"), PayloadOf(digests)}};
  if (upload->options.only_if_absent) http.headers.push_back(OnlyIfAbsent());
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
  HttpRequest http = RequestTo("DELETE", upload.session.full_key);
  http.query = {{"uploadId", upload.session.id}};
  const auto answer = Do({.operation = "abort upload",
                          .key = upload.key,
                          .request = std::move(http)});
  if (!answer.ok())
    LogWarn("parts of an upload stay", {{"error", answer.status()}});
  UploadSession::Forget(upload.options.session);
}

Status S3Store::PutInParts(std::string_view key, const Blob& blob,
                           const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(std::string full, keys_.Full(key));
  Upload upload{
      .key = key,
      .blob = blob,
      .digests = digests,
      .options = options,
      .session = {
          .full_key = std::move(full),
          .bytes = blob.bytes(),
          .sha256 = digests.sha256,
          .part_bytes = PartBytes(options_.part_bytes, blob.bytes()),
          .algorithm = options_.dialect == SigV4Dialect::kAws
                           ? std::string(S3ChecksumName(options_.checksum))
                           : std::string()}};
  bool is_resumed = upload.session.Load(options.session);
  for (;;) {
    Status s = is_resumed ? OkStatus() : BeginUpload(&upload);
    if (!s.ok()) return s;
    s = PutParts(&upload);
    if (s.ok()) s = CompleteUpload(&upload);
    if (s.ok()) {
      UploadSession::Forget(upload.options.session);
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
