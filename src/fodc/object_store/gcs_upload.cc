// SPDX-License-Identifier: Apache-2.0
// Of the GCS store: what is put, in one request or in chunks.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"
#include "fodc/object_store/gcs_json.h"
#include "fodc/object_store/gcs_store.h"

namespace fodc::object_store {
namespace {

constexpr char kBytes[] = "application/octet-stream";
constexpr std::uint64_t kQuantum = 256u << 10;
constexpr int kMaxBreaks = 8;
constexpr int kResumeIncomplete = 308;

Result<std::uint32_t> Crc32cOf(const Blob& blob, const Digests& digests) {
  if (digests.crc32c) return *digests.crc32c;
  FODC_ASSIGN_OR_RETURN(const Digests more, DigestsOf(blob, {.crc32c = true}));
  return *more.crc32c;
}

// What a session's URI asks for. It is given by the service, in Location.
Result<HttpRequest> RequestOfSession(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  const std::size_t slash =
      scheme == uri.npos ? uri.npos : uri.find('/', scheme + 3);
  if (slash == uri.npos ||
      (!uri.starts_with("https://") && !uri.starts_with("http://"))) {
    return DataLoss("GCS: the session of an upload is no URL");
  }
  HttpRequest http{.method = "PUT",
                   .origin = std::string(uri.substr(0, slash))};
  const std::size_t mark = std::min(uri.find('?', slash), uri.size());
  http.path = uri.substr(slash, mark - slash);
  FODC_ASSIGN_OR_RETURN(
      const net::Query query,
      net::Query::Parse(uri.substr(std::min(mark + 1, uri.size()))));
  for (const auto& [name, value] : query.all())
    http.query.emplace_back(name, value);
  return http;
}

// Of "bytes=0-41": 42; nothing is there without it.
std::uint64_t StoredBytes(const HttpAnswer& answer) {
  const std::string_view range = answer.Header("Range");
  const std::size_t dash = range.rfind('-');
  if (dash == range.npos) return 0;
  const auto last = ParseUint(range.substr(dash + 1));
  return last ? *last + 1 : 0;
}

}  // namespace

struct GcsStore::Upload {
  std::string_view key;
  const Blob& blob;
  const Digests& digests;
  const PutOptions& options;
  UploadSession session;  // its id is the session's URI
};

Status GcsStore::Put(std::string_view key, const Blob& blob,
                     const Digests& digests, const PutOptions& options) {
  Status s = blob.bytes() >= options_.single_put_bytes
                 ? PutInChunks(key, blob, digests, options)
                 : PutWhole(key, blob, digests, options);
  if (!options.only_if_absent || s.code() != Code::kAlreadyExists) return s;
  // An attempt before may have done it, and its answer was lost.
  const auto there = Head(key, options.stop);
  return there.ok() && there->sha256 == digests.sha256 ? OkStatus() : s;
}

Status GcsStore::PutWhole(std::string_view key, const Blob& blob,
                          const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  FODC_ASSIGN_OR_RETURN(const std::uint32_t crc, Crc32cOf(blob, digests));
  HttpRequest http = XmlRequest("PUT", full);
  http.headers = {{"Content-Type", kBytes},
                  {"x-goog-hash", "crc32c=" + Crc32cText(crc)},
                  {"x-goog-meta-checksum_sha256", Sha256Text(digests.sha256)}};
  if (!options_.storage_class.empty())
    http.headers.emplace_back("x-goog-storage-class", options_.storage_class);
  if (options.only_if_absent)
    http.headers.emplace_back("x-goog-if-generation-match", "0");
  http.body = &blob;
  http.body_bytes = blob.bytes();
  return client_
      .Do({.operation = "put",
           .key = key,
           .request = std::move(http),
           .transfer = {.stop = options.stop}})
      .status();
}

Status GcsStore::BeginUpload(Upload* upload) {
  FODC_ASSIGN_OR_RETURN(const std::uint32_t crc,
                        Crc32cOf(upload->blob, upload->digests));
  nlohmann::json object = {
      {"name", upload->session.full_key},
      {"crc32c", Crc32cText(crc)},
      {"metadata", {{"checksum_sha256", Sha256Text(upload->digests.sha256)}}}};
  if (!options_.storage_class.empty())
    object["storageClass"] = options_.storage_class;
  const std::string body = object.dump();
  const MemoryBlob blob(body);
  HttpRequest http = JsonRequest("POST", "");
  http.path = "/upload" + http.path;
  http.query = {{"uploadType", "resumable"},
                {"name", upload->session.full_key}};
  if (upload->options.only_if_absent)
    http.query.emplace_back("ifGenerationMatch", "0");
  http.headers = {{"Content-Type", "application/json; charset=UTF-8"},
                  {"X-Upload-Content-Type", kBytes},
                  {"X-Upload-Content-Length", StrCat(upload->blob.bytes())}};
  http.body = &blob;
  http.body_bytes = blob.bytes();
  FODC_ASSIGN_OR_RETURN(
      const HttpAnswer answer,
      client_.Do({.operation = "begin upload",
                  .key = upload->key,
                  .request = std::move(http),
                  .transfer = {.stop = upload->options.stop}}));
  upload->session.id = answer.Header("Location");
  if (upload->session.id.empty())
    return Unavailable(StrCat("GCS: begin upload ", upload->key,
                              ": the answer tells of no session"));
  upload->session.Save(upload->options.session);
  return OkStatus();
}

Result<std::uint64_t> GcsStore::AskHowFar(const Upload& upload) {
  FODC_ASSIGN_OR_RETURN(HttpRequest http, RequestOfSession(upload.session.id));
  http.headers = {{"Content-Range", StrCat("bytes */", upload.blob.bytes())}};
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "find upload",
                                    .key = upload.key,
                                    .request = std::move(http),
                                    .transfer = {.stop = upload.options.stop},
                                    .also_good = kResumeIncomplete}));
  return answer.status == kResumeIncomplete ? StoredBytes(answer)
                                            : upload.blob.bytes();
}

Result<std::uint64_t> GcsStore::PutChunk(const Upload& upload,
                                         std::uint64_t offset) {
  FODC_ASSIGN_OR_RETURN(HttpRequest http, RequestOfSession(upload.session.id));
  const std::uint64_t bytes =
      std::min(upload.session.part_bytes, upload.blob.bytes() - offset);
  http.headers = {
      {"Content-Type", kBytes},
      {"Content-Range", StrCat("bytes ", offset, "-", offset + bytes - 1, "/",
                               upload.blob.bytes())}};
  http.body = &upload.blob;
  http.body_offset = offset;
  http.body_bytes = bytes;
  // Once: of what broke off the service may have a part, so that it is asked.
  FODC_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        client_.Do({.operation = "put chunk",
                                    .key = upload.key,
                                    .request = std::move(http),
                                    .transfer = {.stop = upload.options.stop},
                                    .also_good = kResumeIncomplete,
                                    .is_once = true}));
  return answer.status == kResumeIncomplete ? StoredBytes(answer)
                                            : upload.blob.bytes();
}

Status GcsStore::PutChunks(Upload* upload, std::uint64_t from) {
  std::uint64_t offset = from;
  int breaks = 0;
  while (offset < upload->blob.bytes()) {
    auto stored = PutChunk(*upload, offset);
    if (!stored.ok() && stored.status().code() == Code::kUnavailable &&
        ++breaks < kMaxBreaks) {
      stored = AskHowFar(*upload);
    }
    if (!stored.ok()) return stored.status();
    if (*stored > upload->blob.bytes() || *stored < from)
      return DataLoss(StrCat("GCS: put ", upload->key, ": the service has ",
                             *stored, " bytes of ", upload->blob.bytes()));
    // Each byte that it has more is a beginning anew.
    if (*stored > offset) breaks = 0;
    if (*stored == offset && ++breaks >= kMaxBreaks)
      return Unavailable(StrCat("GCS: put ", upload->key,
                                ": the service takes no more than ", offset,
                                " bytes"));
    offset = *stored;
  }
  return OkStatus();
}

Status GcsStore::PutInChunks(std::string_view key, const Blob& blob,
                             const Digests& digests,
                             const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(std::string full, keys_.Full(key));
  Upload upload{
      .key = key,
      .blob = blob,
      .digests = digests,
      .options = options,
      .session = {.full_key = std::move(full),
                  .bytes = blob.bytes(),
                  .sha256 = digests.sha256,
                  .part_bytes = std::max(
                      kQuantum, options_.chunk_bytes / kQuantum * kQuantum)}};
  bool is_resumed = upload.session.Load(options.session);
  for (;;) {
    std::uint64_t from = 0;
    Status s;
    if (is_resumed) {
      const auto stored = AskHowFar(upload);
      s = stored.status();
      if (stored.ok()) from = *stored;
    } else {
      s = BeginUpload(&upload);
    }
    if (s.ok()) s = PutChunks(&upload, from);
    // The service has given up what another run began.
    if (std::exchange(is_resumed, false) &&
        (s.code() == Code::kNotFound || s.code() == Code::kDataLoss)) {
      continue;
    }
    const bool may_go_on = s.code() == Code::kCancelled ||
                           s.code() == Code::kUnavailable ||
                           s.code() == Code::kDeadlineExceeded;
    if (!may_go_on) UploadSession::Forget(options.session);
    return s;
  }
}

}  // namespace fodc::object_store
