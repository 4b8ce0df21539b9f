// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/resumed_get.h"

#include <optional>

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

constexpr int kMaxResumes = 8;

}  // namespace

std::uint64_t BytesOfAnswer(const HttpAnswer& answer) {
  // Of a part: "bytes 0-9/100".
  const std::string_view range = answer.Header("Content-Range");
  const std::string_view whole = range.empty()
                                     ? answer.Header("Content-Length")
                                     : range.substr(range.rfind('/') + 1);
  return ParseUint(whole).value_or(0);
}

Result<ObjectInfo> GetResumed(std::string_view key, const GetOptions& options,
                              const ByteSink& sink, const GetCalls& calls) {
  if (options.bytes == std::uint64_t{0}) return calls.head();
  const bool is_whole = options.offset == 0 && !options.bytes;
  Digester digester;
  std::uint64_t got = 0;
  const TransferOptions transfer{.stop = options.stop,
                                 .sink = [&](std::string_view piece) {
                                   digester.Update(piece);
                                   got += piece.size();
                                   return sink(piece);
                                 }};
  // Its first answer tells what the object is.
  std::optional<ObjectInfo> info;
  std::string etag;
  for (int resumes = 0;; ++resumes) {
    HttpHeaders headers;
    const std::uint64_t from = options.offset + got;
    if (from > 0 || options.bytes) {
      headers.emplace_back(
          "Range",
          StrCat("bytes=", from, "-",
                 options.bytes ? StrCat(options.offset + *options.bytes - 1)
                               : ""));
    }
    if (!etag.empty()) headers.emplace_back("If-Match", etag);
    const std::uint64_t before = got;
    const auto answer = calls.ask(std::move(headers), transfer);
    if (answer.ok()) {
      if (from > 0 && answer->status != 206) {
        return DataLoss(
            StrCat(calls.store, ": get ", key, ": it gives no ranges"));
      }
      if (!info) info = calls.info_of(*answer);
      break;
    }
    // What broke off is gone on with, if it is still the same.
    if (got == before || resumes == kMaxResumes ||
        answer.status().code() != Code::kUnavailable) {
      return answer.status();
    }
    if (!info) {
      FODC_ASSIGN_OR_RETURN(info, calls.head());
      etag = info->etag;
    }
  }
  if (is_whole && info->sha256 && digester.Finish().sha256 != *info->sha256) {
    return DataLoss(StrCat(calls.store, ": get ", key, ": its ", got,
                           " bytes are not those of its SHA-256"));
  }
  if (is_whole && got != info->bytes) {
    return DataLoss(StrCat(calls.store, ": get ", key, ": ", got,
                           " bytes came of ", info->bytes));
  }
  return *std::move(info);
}

}  // namespace fodc::object_store
