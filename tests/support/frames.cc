// SPDX-License-Identifier: Apache-2.0
#include "tests/support/frames.h"

#include <zstd.h>

#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::test {
namespace {

constexpr int kWindowLogMax = 27;

// Reads "#@@ <sequence> <unix ms> <status> <body bytes>\n" at the front.
Result<std::size_t> ConsumeHeader(std::string_view* text, Frame* frame) {
  const std::size_t end = text->find('\n');
  if (!text->starts_with("#@@ ") || end == std::string_view::npos) {
    return DataLoss("no frame header");
  }
  const auto words = Split(text->substr(4, end - 4), ' ');
  if (words.size() != 4) return DataLoss("frame header has not four words");
  const auto sequence = ParseUint(words[0]);
  const auto unix_ms = ParseInt(words[1]);
  const auto status = ParseInt(words[2]);
  const auto size = ParseUint(words[3]);
  if (!sequence || !unix_ms || !status || !size) {
    return DataLoss("frame header has a word that is no number");
  }
  frame->sequence = *sequence;
  frame->unix_ms = *unix_ms;
  frame->http_status = static_cast<int>(*status);
  text->remove_prefix(end + 1);
  return *size;
}

}  // namespace

Result<std::vector<char>> ReadZstdFile(const std::string& path) {
  FODC_ASSIGN_OR_RETURN(const std::string packed, ReadFile(path));
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kWindowLogMax);
  std::vector<char> out;
  std::vector<char> piece(ZSTD_DStreamOutSize());
  ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
  Status status;
  std::size_t left = 1;
  while (status.ok() && (in.pos < in.size || left != 0)) {
    ZSTD_outBuffer piece_out = {piece.data(), piece.size(), 0};
    const std::size_t before = in.pos;
    left = ZSTD_decompressStream(context, &piece_out, &in);
    if (ZSTD_isError(left) != 0) {
      status = DataLoss(StrCat(path, ": ", ZSTD_getErrorName(left)));
    } else if (piece_out.pos == 0 && in.pos == before && left != 0) {
      status = DataLoss(StrCat(path, ": compressed data ends early"));
    }
    out.insert(out.end(), piece.begin(),
               piece.begin() + static_cast<std::ptrdiff_t>(piece_out.pos));
  }
  ZSTD_freeDCtx(context);
  if (!status.ok()) return status;
  return out;
}

Result<Recording> Recording::Load(const std::string& path) {
  Recording out;
  FODC_ASSIGN_OR_RETURN(out.storage_, ReadZstdFile(path));
  out.bytes_ = {out.storage_.data(), out.storage_.size()};
  std::string_view rest = out.bytes_;
  while (!rest.empty()) {
    Frame frame;
    auto size = ConsumeHeader(&rest, &frame);
    if (!size.ok()) return std::move(size).status().WithContext(path);
    if (*size > rest.size()) {
      return DataLoss(StrCat(path, ": frame ", frame.sequence, " is cut"));
    }
    frame.body = rest.substr(0, *size);
    rest.remove_prefix(*size);
    out.frames_.push_back(frame);
  }
  return out;
}

std::string RecordingPath(std::string_view name) {
  return SourcePath(StrCat("tests/data/expositions/", name, ".frames.zst"));
}

}  // namespace fodc::test
