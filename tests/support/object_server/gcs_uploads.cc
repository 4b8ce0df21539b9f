// SPDX-License-Identifier: Apache-2.0
// Google: resumable uploads.
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/gcs_service.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

constexpr std::uint64_t kChunkUnit = 256 * 1024;

}  // namespace

GcsService::Session* GcsService::FindSession(const Call& call) {
  const auto it = sessions_.find(std::string(call.request.Value("upload_id")));
  if (it == sessions_.end() || it->second.bucket != call.bucket) return nullptr;
  return &it->second;
}

// "bytes 0-99/100", "bytes 0-99/*", "bytes */100", "bytes */*"; nothing if
// there is no such header, or one that cannot be read.
std::optional<GcsService::ContentRange> GcsService::RangeOf(
    const Request& request) {
  std::string_view text = request.Get("content-range");
  const std::size_t slash = text.find('/');
  if (!ConsumePrefix(&text, "bytes ") || slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto halves = Split(text, '/');
  if (halves.size() != 2) return std::nullopt;
  ContentRange range;
  if (halves[1] != "*") {
    range.total = ParseUint(halves[1]);
    if (!range.total) return std::nullopt;
  }
  if (halves[0] == "*") return range;
  const auto ends = Split(halves[0], '-');
  if (ends.size() != 2) return std::nullopt;
  range.first = ParseUint(ends[0]);
  const auto last = ParseUint(ends[1]);
  if (!range.first || !last || *last < *range.first) return std::nullopt;
  range.last = *last;
  return range;
}

Response GcsService::CreateSession(const Call& call) {
  Session session;
  session.bucket = call.bucket;
  if (auto r = ReadWanted(call, call.body->text(), &session.wanted)) {
    return std::move(*r);
  }
  session.generation_match = GenerationMatch(call);
  if (auto r = CheckGeneration(call, call.bucket, session.wanted.name,
                               session.generation_match)) {
    return std::move(*r);
  }
  session.size = ParseUint(call.request.Get("x-upload-content-length"));
  session.digests.emplace(Digested() |
                          (session.wanted.md5.empty() ? 0u : kMd5));
  const std::string id = FreshId();
  sessions_.emplace(id, std::move(session));
  Response r;
  r.Add("Location",
        StrCat("http://", call.request.Get("host"), "/upload/storage/v1/b/",
               PercentEncode(call.bucket, false),
               "/o?uploadType=resumable&upload_id=", id));
  return r;
}

std::optional<Response> GcsService::CheckChunk(Call* call) {
  const auto bad = [&](std::string_view why) {
    return Fail(*call, 400, "badRequest", "InvalidArgument",
                StrCat("Invalid request. ", why));
  };
  Session* session = FindSession(*call);
  if (session == nullptr) {
    return Fail(*call, 404, "notFound", "NoSuchUpload", "No such session.");
  }
  const Request& r = call->request;
  if (call->operation != Operation::kPutPart &&
      call->operation != Operation::kCompleteUpload) {
    return std::nullopt;
  }
  if (!r.content_length) return bad("There is no Content-Length.");
  if (session->finished) return std::nullopt;  // said once more by Finish
  const auto range = RangeOf(r);
  if (r.Has("content-range") && !range) return bad("Content-Range is wrong.");
  const std::uint64_t length = *r.content_length;
  const std::uint64_t there = session->content.size();
  const std::uint64_t first = range && range->first ? *range->first : 0;
  if (range && range->first && range->last - first + 1 != length) {
    return bad("Content-Range and Content-Length differ.");
  }
  if (length > 0 && first != there) {
    return bad(
        StrCat("The chunk begins at ", first, " instead of ", there, "."));
  }
  const std::uint64_t end = first + length;
  if (range && range->total &&
      (end > *range->total ||
       (session->size && *range->total != *session->size))) {
    return bad("The size of the object is another one.");
  }
  if (call->operation == Operation::kCompleteUpload && session->size &&
      end != *session->size) {
    return bad("The size of the object is another one.");
  }
  if (call->operation == Operation::kPutPart && length % kChunkUnit != 0) {
    return bad(StrCat("There were ", length,
                      " byte(s) in the request body; all chunks but the last "
                      "must be multiples of 262144."));
  }
  call->keep_body = true;
  call->going_on = *session->digests;
  return std::nullopt;
}

Response GcsService::Incomplete(const Session& session) {
  Response r;
  r.status = 308;
  if (session.content.size() > 0) {
    r.Add("Range", StrCat("bytes=0-", session.content.size() - 1));
  }
  return r;
}

Response GcsService::PutChunk(Call* call) {
  // It may have been cancelled while the chunk was under way.
  Session* session = FindSession(*call);
  if (session == nullptr) {
    return Fail(*call, 404, "notFound", "NoSuchUpload", "No such session.");
  }
  if (session->finished) return Json(*call, *session->finished);
  Content content = session->content;
  if (call->body->size() > 0) {
    const auto range = RangeOf(call->request);
    const std::uint64_t first = range && range->first ? *range->first : 0;
    if (first != content.size()) return Incomplete(*session);
    content.Append(call->body->TakePiece());
  }
  Digests digests = call->body->digests();
  if (call->operation == Operation::kPutPart) {
    session->content = std::move(content);
    session->digests = std::move(digests);
    return Incomplete(*session);
  }
  if (auto r = CheckGeneration(*call, session->bucket, session->wanted.name,
                               session->generation_match)) {
    return std::move(*r);
  }
  nlohmann::json resource;
  if (auto r = StoreObject(*call, session->wanted, std::move(content),
                           digests.Finish(), &resource)) {
    return std::move(*r);
  }
  session->content = Content();
  session->finished = resource;
  return Json(*call, resource);
}

Response GcsService::SessionState(const Call& call) {
  const Session* session = FindSession(call);
  if (session == nullptr) {
    return Fail(call, 404, "notFound", "NoSuchUpload", "No such session.");
  }
  if (session->finished) return Json(call, *session->finished);
  return Incomplete(*session);
}

Response GcsService::CancelSession(const Call& call) {
  sessions_.erase(std::string(call.request.Value("upload_id")));
  Response r;
  r.status = 499;  // the vendor's word for it
  return r;
}

}  // namespace fodc::object_server
