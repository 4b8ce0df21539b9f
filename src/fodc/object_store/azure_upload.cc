// SPDX-License-Identifier: Apache-2.0
// Of the Azure store: what is put, in one request or in blocks.
#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/azure_store.h"
#include "fodc/object_store/azure_xml.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/part_digests.h"
#include "fodc/object_store/upload_session.h"

namespace fodc::object_store {
namespace {

constexpr char kMetaHeader[] = "x-ms-meta-checksum_sha256";
constexpr char kBytes[] = "application/octet-stream";

// Blocks of two writers must not mix.
std::string NewUploadId() {
  std::random_device random;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

// All of one blob must be of one length.
std::string BlockId(const std::string& upload, std::size_t number) {
  char text[8];
  (void)std::snprintf(text, sizeof text, "-%06zu", number);
  return Base64(upload + text);
}

bool Says(const Status& status, std::string_view code) {
  return status.message().find(code) != std::string::npos;
}

}  // namespace

struct AzureStore::Upload {
  std::string_view key;
  const Blob& blob;
  const Digests& digests;
  const PutOptions& options;
  UploadSession session;
};

Status AzureStore::Put(std::string_view key, const Blob& blob,
                       const Digests& digests, const PutOptions& options) {
  Status s = blob.bytes() > options_.single_put_bytes
                 ? PutInBlocks(key, blob, digests, options)
                 : PutWhole(key, blob, digests, options);
  if (!options.only_if_absent || s.code() != Code::kAlreadyExists) return s;
  // An attempt before may have done it, and its answer was lost.
  const auto there = Head(key, options.stop);
  return there.ok() && there->sha256 == digests.sha256 ? OkStatus() : s;
}

Status AzureStore::PutWhole(std::string_view key, const Blob& blob,
                            const Digests& digests, const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(const std::string full, keys_.Full(key));
  std::optional<Md5> md5 = digests.md5;
  if (!md5) {
    FODC_ASSIGN_OR_RETURN(const Digests more, DigestsOf(blob, {.md5 = true}));
    md5 = more.md5;
  }
  HttpRequest http = RequestTo("PUT", full);
  http.headers = {{"x-ms-blob-type", "BlockBlob"},
                  {"Content-Type", kBytes},
                  {"Content-MD5", Base64Of(*md5)},
                  {kMetaHeader, Sha256Text(digests.sha256)}};
  if (!options_.access_tier.empty())
    http.headers.emplace_back("x-ms-access-tier", options_.access_tier);
  if (options.only_if_absent) http.headers.emplace_back("If-None-Match", "*");
  http.body = &blob;
  http.body_bytes = blob.bytes();
  return client_
      .Do({.operation = "put",
           .key = key,
           .request = std::move(http),
           .transfer = {.stop = options.stop}})
      .status();
}

Status AzureStore::PutBlocks(Upload* upload) {
  UploadSession& session = upload->session;
  PartDigests parts(upload->blob, session.part_bytes, {.md5 = true});
  for (;;) {
    const std::uint64_t offset = session.parts.size() * session.part_bytes;
    if (offset >= upload->blob.bytes()) return OkStatus();
    const BlobPiece piece = parts.At(offset);
    FODC_ASSIGN_OR_RETURN(const Digests digests, parts.Of(offset));
    HttpRequest http = RequestTo("PUT", session.full_key);
    http.query = {{"comp", "block"},
                  {"blockid", BlockId(session.id, session.parts.size())}};
    http.headers = {{"Content-Type", kBytes},
                    {"Content-MD5", Base64Of(*digests.md5)}};
    http.body = &piece;
    http.body_bytes = piece.bytes();
    FODC_RETURN_IF_ERROR(client_
                             .Do({.operation = "put block",
                                  .key = upload->key,
                                  .request = std::move(http),
                                  .transfer = {.stop = upload->options.stop}})
                             .status());
    session.parts.push_back({.etag = "", .sha256 = digests.sha256});
    session.Save(upload->options.session);
  }
}

Status AzureStore::CommitBlocks(Upload* upload) {
  const UploadSession& session = upload->session;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < session.parts.size(); ++i)
    ids.push_back(BlockId(session.id, i));
  const std::string body = WriteAzureBlockList(ids);
  const MemoryBlob blob(body);
  FODC_ASSIGN_OR_RETURN(const Digests digests, DigestsOf(blob, {.md5 = true}));
  HttpRequest http = RequestTo("PUT", session.full_key);
  http.query = {{"comp", "blocklist"}};
  http.headers = {{"Content-Type", "application/xml"},
                  {"Content-MD5", Base64Of(*digests.md5)},
                  {"x-ms-blob-content-type", kBytes},
                  {kMetaHeader, Sha256Text(upload->digests.sha256)}};
  if (upload->digests.md5) {
    http.headers.emplace_back("x-ms-blob-content-md5",
                              Base64Of(*upload->digests.md5));
  }
  if (!options_.access_tier.empty())
    http.headers.emplace_back("x-ms-access-tier", options_.access_tier);
  if (upload->options.only_if_absent)
    http.headers.emplace_back("If-None-Match", "*");
  http.body = &blob;
  http.body_bytes = blob.bytes();
  return client_
      .Do({.operation = "put block list",
           .key = upload->key,
           .request = std::move(http),
           .transfer = {.stop = upload->options.stop}})
      .status();
}

Status AzureStore::PutInBlocks(std::string_view key, const Blob& blob,
                               const Digests& digests,
                               const PutOptions& options) {
  FODC_ASSIGN_OR_RETURN(std::string full, keys_.Full(key));
  Upload upload{.key = key,
                .blob = blob,
                .digests = digests,
                .options = options,
                .session = {.full_key = std::move(full),
                            .bytes = blob.bytes(),
                            .sha256 = digests.sha256,
                            .part_bytes = BlockBytes(options_.block_bytes,
                                                     blob.bytes())}};
  bool is_resumed = upload.session.Load(options.session);
  for (;;) {
    if (!is_resumed) {
      upload.session.id = NewUploadId();
      upload.session.parts.clear();
      upload.session.Save(options.session);
    }
    Status s = PutBlocks(&upload);
    if (s.ok()) s = CommitBlocks(&upload);
    // The blocks of another run are kept for a week. An attempt before may
    // also have committed them, and its answer was lost.
    if (Says(s, "InvalidBlockList")) {
      const auto there = Head(key, options.stop);
      if (there.ok() && there->sha256 == digests.sha256) s = OkStatus();
    }
    if (std::exchange(is_resumed, false) && Says(s, "InvalidBlockList"))
      continue;
    const bool may_go_on = s.code() == Code::kCancelled ||
                           s.code() == Code::kUnavailable ||
                           s.code() == Code::kDeadlineExceeded;
    if (!may_go_on) UploadSession::Forget(options.session);
    return s;
  }
}

}  // namespace fodc::object_store
